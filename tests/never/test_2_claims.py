"""Never 2: a message without purpose, legal basis, issuer, addressee, expiry, or the officer who answers for it."""

import pytest

from contracts.errors import SchemaError
from tests.contracts.samples import EXAMPLES, NAMES, claims, decode

MUST = ("iss", "aud", "jti", "iat", "exp", "purpose", "basis", "pol", "trust", "actor", "mode", "use")


@pytest.mark.parametrize("claim", MUST)
@pytest.mark.parametrize("name", NAMES)
def test_a_message_without_it_is_none(name, claim):
    without = {key: value for key, value in claims(name).items() if key != claim}
    with pytest.raises(SchemaError):
        decode(without)


@pytest.mark.parametrize("name", NAMES)
def test_control_with_all_of_them_it_is_one(name):
    assert decode(claims(name)) == EXAMPLES[name]

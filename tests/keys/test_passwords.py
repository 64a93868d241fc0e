"""Passwords: the reference's own vector, parameters as stated, as much work for nobody as for somebody."""

import time

import pytest

from keys import passwords
from keys.passwords import hash_password, new_secret, outdated, secret_digest, verify_password

# From the reference implementation's tests (phc-winner-argon2, src/test.c): "password", "somesalt", t=2, m=2^16, p=1.
REFERENCE = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"


def test_the_references_vector_verifies_and_another_password_does_not():
    assert verify_password("password", REFERENCE)
    assert not verify_password("passworD", REFERENCE)


def test_a_hash_says_its_parameters_and_never_comes_twice():
    kept = [hash_password("una clave, y bien larga") for _ in range(2)]
    assert kept[0] != kept[1]
    assert all(one.startswith("$argon2id$v=19$m=65536,t=3,p=1$") for one in kept)
    assert all(verify_password("una clave, y bien larga", one) for one in kept)
    assert not outdated(kept[0])
    assert outdated(REFERENCE)


def test_what_two_keyboards_write_differently_is_one_password():
    kept = hash_password("contrase\u00f1a larga")
    assert verify_password("contrasen\u0303a larga", kept)
    assert not verify_password("contrasena larga", kept)


@pytest.mark.parametrize(
    "kept", [None, "", "x", "$argon2id$v=19$m=8,t=1,p=1$$", REFERENCE[:-1], "$2b$12$abcdefghijklmnopqrstuv"]
)
def test_what_is_no_hash_is_no_password(kept):
    assert not verify_password("password", kept)


def test_nobody_takes_as_long_as_somebody():
    kept = hash_password("una clave, y bien larga")

    def cost(stored):
        best = []
        for _ in range(3):
            begun = time.perf_counter()
            verify_password("otra, que no es la buena", stored)
            best.append(time.perf_counter() - begun)
        return min(best)

    somebody, nobody = cost(kept), cost(None)
    assert 0.5 < nobody / somebody < 2, (nobody, somebody)
    # Control: saying no without the work would be seen.
    assert cost("") < somebody / 10


def test_no_password_is_nobodys():
    assert passwords._NOBODY.startswith(passwords._PARAMETERS)
    assert not verify_password("", None)


def test_a_secret_is_kept_by_its_digest_alone():
    text, kept = new_secret(bytes(range(32)))
    assert secret_digest(text) == kept
    assert text.encode() not in kept
    for odd in ("", text[:-1], text + "A", text + "=", " " + text, "ñ" * 43):
        assert secret_digest(odd) is None
    with pytest.raises(ValueError, match="32"):
        new_secret(bytes(31))

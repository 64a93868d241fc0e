"""Never (E11): a genetic profile in a message. Laboratories compare profiles; here samples have numbers and answers have a word."""

import pytest

from contracts.errors import SchemaError
from contracts.fields import FIELDS, check_value
from tests.contracts.samples import claims, decode

PROFILE = "D3S1358:15,17;vWA:16,18;FGA:21,24;D8S1179:13,14;D21S11:29,30;D18S51:14,16;D5S818:11,12"
GENETIC = [(record, name) for record, fields in FIELDS.items() for name in fields if "dna" in name or "sample" in name]


def test_there_is_no_room_for_a_profile():
    assert len(GENETIC) >= 2
    for record, name in GENETIC:
        for value in (PROFILE, PROFILE.split(";"), {"profile": PROFILE}):
            assert not check_value(FIELDS[record][name].kind, value), (record, name)


@pytest.mark.parametrize("name", ["sample.reference", "expert.conclusion"])
def test_a_message_about_samples_has_no_member_for_one(name):
    for member in claims(name)["body"]:
        changed = claims(name)
        changed["body"][member] = PROFILE
        with pytest.raises(SchemaError):
            decode(changed)
    changed = claims(name)
    changed["body"]["profile"] = PROFILE
    with pytest.raises(SchemaError):
        decode(changed)


def test_control_a_word_and_a_number_have_room():
    assert decode(claims("sample.reference")).body.sample
    for record, name in GENETIC:
        assert check_value(FIELDS[record][name].kind, "available") or check_value(FIELDS[record][name].kind, True), (
            record,
            name,
        )

"""The published JSON Schemas against the golden bytes, by a stranger's validator: shape for shape what our codec says."""

import json
from copy import deepcopy

import pytest

from contracts.codec import decode_message
from contracts.errors import ExchangeError
from contracts.messages import MESSAGE_TYPES
from contracts.policy import load_template, parse_policy
from contracts.schemas import json_schemas
from tests.contracts.make_vectors import FOLDER
from tests.foreign.basics import parse
from tests.foreign.mutations import dump, paths, put
from tests.foreign.rules import check_message, check_receipt
from tests.foreign.schema import SCHEMAS, valid

TYPES = sorted(MESSAGE_TYPES)
BETWEEN_MEMBERS = {
    "validity_limit", "sent_to_itself", "answers_itself", "deadline_before_issue", "repeated_field", "repeated_item",
    "leaf_accounted_for_once", "basis_of_refusal", "records_without_match", "grant_and_records", "located_and_state",
    "sequence_and_state", "not_handled_without_reference", "nothing_to_erase", "nothing_accounted_for",
    "accounted_for_twice", "erased_when", "nothing_asked", "more_than_a_proof_without_mandate", "disclosures_without_leaf",
    "remembers_the_future", "log_continued", "part_beyond_parts",
}  # fmt: skip
"""Rules of 5.1 and 5.2 that JSON Schema does not say."""


def golden(name):
    return json.loads((FOLDER / f"{name}.json").read_bytes())


def decoded(claims):
    """The codec's verdict: None when it is a message, else the rules that refuse it."""
    try:
        decode_message(dump(claims))
    except ExchangeError as error:
        return {part.rpartition(": ")[2] for part in str(error).split("; ")}
    return None


def test_what_is_published_is_what_the_code_makes():
    assert json_schemas() == SCHEMAS


@pytest.mark.parametrize("name", TYPES)
def test_every_golden_message_passes_its_schema_and_a_strangers_rules(name):
    claims = golden(name)
    assert valid(claims, name)
    assert valid(claims, "message")
    assert check_message((FOLDER / f"{name}.json").read_bytes()) == claims


@pytest.mark.parametrize("name", ["receipt-accepted", "receipt-rejected", "receipt-unopened"])
def test_every_golden_receipt_passes(name):
    assert check_receipt((FOLDER / f"{name}.json").read_bytes()) == parse((FOLDER / f"{name}.json").read_bytes())


@pytest.mark.parametrize("name", TYPES)
def test_whatever_the_schema_lets_pass_only_rules_between_members_refuse(name):
    """Every member left out, of another type, out of its bounds: the schema and the codec say the same."""
    claims = golden(name)
    refused = 0
    for at, value in list(paths(claims))[1:]:
        for new in (
            None,
            "",
            "x" * 5000,
            "A\x00",
            "Ñ",
            0,
            -1,
            2**53,
            1.5,
            True,
            [],
            {},
            [value],
            [value, value],
            f"{value}\n",
        ):
            if new == value and type(new) is type(value):
                continue
            changed = put(deepcopy(claims), at, new)
            fits, rules = valid(changed, name), decoded(changed)
            if rules is None:
                assert fits, (at, new)
            elif fits:
                assert rules <= BETWEEN_MEMBERS, (at, new, rules)
            else:
                refused += 1
    assert refused > 150


def test_the_first_policy_passes_its_schema():
    policy = json.loads(load_template("first-policy"))
    assert valid(policy, "policy")
    for change in ({"version": 0}, {"x": 1}, {"flows": []}, {"rules": [{"id": "x"}]}):
        assert not valid(policy | change, "policy")
        with pytest.raises(ExchangeError):
            parse_policy(dump(policy | change))

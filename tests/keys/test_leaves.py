"""Leaves: one spelling, sixteen digests, any subset shown, nothing else believed."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codec import b64u_encode
from contracts.errors import SignatureError
from contracts.ids import Code, MessageId, NodeId
from contracts.leaves import LEAF_DIGESTS, LEAF_NAMES, LeafEvent, LeafFields
from keys import leaves
from keys.leaves import make_leaf, open_leaf
from keys.tree import leaf_hash

FIELDS = LeafFields(
    at=1_795_521_600,
    event=LeafEvent.SENT,
    peer=NodeId("gt.igm.mbmid"),
    message_id=MessageId("01990000-0000-7000-8000-000000000010"),
    purpose=Code("locate-missing"),
    policy=17,
    disclosed=("given_names", "birth_date"),
)
MADE = make_leaf(FIELDS)
LEAF = json.loads(MADE.data)


def disclosure(parts):
    return b64u_encode(json.dumps(parts, separators=(",", ":")).encode())


def digest(text):
    return urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()


def leaf_of(*disclosures, count=LEAF_DIGESTS):
    """A leaf over these disclosures, as its owner may make it."""
    decoys = [digest(f"decoy {number}") for number in range(count - len(disclosures))]
    return compact({"v": 1, "_sd_alg": "sha-256", "_sd": sorted([*map(digest, disclosures), *decoys])})


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def test_what_is_shown_is_what_was_said_under_the_protocols_names():
    assert open_leaf(MADE.data, MADE.disclosures) == {
        "ts": 1_795_521_600,
        "ev": "msg.sent",
        "peer": "gt.igm.mbmid",
        "jti": "01990000-0000-7000-8000-000000000010",
        "purpose": "locate-missing",
        "pol": 17,
        "fields": ["given_names", "birth_date"],
    }
    assert MADE.leaf_hash == leaf_hash(MADE.data)
    assert list(LEAF) == ["v", "_sd_alg", "_sd"]
    assert len(MADE.data) == 771  # like every leaf: its length tells nothing


@pytest.mark.parametrize("shown", [(), MADE.disclosures[:1], MADE.disclosures[2:5], MADE.disclosures[::-1]])
def test_any_subset_opens(shown):
    assert len(open_leaf(MADE.data, shown)) == len(shown)


@settings(max_examples=50, deadline=None)
@given(
    given_fields=st.fixed_dictionaries(
        {"at": st.integers(0, 2**40), "event": st.sampled_from(LeafEvent)},
        optional={
            "detail": st.text("abcáéñ -:", max_size=60),
            "outcome": st.text("abc-", min_size=1, max_size=20),
            "policy": st.integers(0, 2**50),
            "disclosed": st.lists(st.sampled_from(["given_names", "sex"]), max_size=5).map(tuple),
        },
    )
)
def test_every_leaf_has_sixteen_digests_one_length_and_opens(given_fields):
    made = make_leaf(LeafFields(**given_fields))
    assert len(json.loads(made.data)["_sd"]) == LEAF_DIGESTS
    assert len(made.data) == 771
    opened = open_leaf(made.data, made.disclosures)
    assert opened == {
        LEAF_NAMES[name]: list(value) if isinstance(value, tuple) else value for name, value in given_fields.items()
    }


def test_two_leaves_of_the_same_fields_share_no_digest():
    assert not set(LEAF["_sd"]) & set(json.loads(make_leaf(FIELDS).data)["_sd"])


BAD_LEAVES = {
    "not JSON": b"x",
    "a space": MADE.data.replace(b'"v":1', b'"v":1 '),
    "a newline at the end": MADE.data + b"\n",
    "another version": compact(LEAF | {"v": 2}),
    "version true": compact(LEAF | {"v": True}),
    "another hash": compact(LEAF | {"_sd_alg": "sha-512"}),
    "another member": compact(LEAF | {"x": 1}),
    "other order": compact(dict(reversed(LEAF.items()))),
    "no digests": compact(LEAF | {"_sd": []}),
    "digests are text": compact(LEAF | {"_sd": "x"}),
    "fifteen": compact(LEAF | {"_sd": LEAF["_sd"][1:]}),
    "seventeen": compact(LEAF | {"_sd": sorted([*LEAF["_sd"], digest("x")])}),
    "one twice": compact(LEAF | {"_sd": sorted([*LEAF["_sd"][1:], LEAF["_sd"][5]])}),
    "sixteen and one of them twice": compact(LEAF | {"_sd": sorted([*LEAF["_sd"], LEAF["_sd"][5]])}),
    "not sorted": compact(LEAF | {"_sd": LEAF["_sd"][::-1]}),
    "a number": compact(LEAF | {"_sd": [*LEAF["_sd"][:-1], 1]}),
    "a null": compact(LEAF | {"_sd": [*LEAF["_sd"][:-1], None]}),
    "a list": compact(LEAF | {"_sd": [*LEAF["_sd"][:-1], []]}),
    "a short digest": compact(LEAF | {"_sd": sorted([*LEAF["_sd"][:-1], "zzzz"])}),
    "a digest that is not canonical": compact(LEAF | {"_sd": [*LEAF["_sd"][:-1], LEAF["_sd"][-1][:-1] + "z"]}),
}


@pytest.mark.parametrize("name", BAD_LEAVES)
def test_what_is_no_leaf_is_refused(name):
    with pytest.raises(SignatureError):
        open_leaf(BAD_LEAVES[name], ())


SALT = b64u_encode(bytes(16))
GOOD = disclosure([SALT, "outcome", "accepted"])
BAD_DISCLOSURES = {
    "another name": disclosure([SALT, "person", "x"]),
    "a short salt": disclosure([b64u_encode(bytes(15)), "outcome", "x"]),
    "a salt that is no text": disclosure([1, "outcome", "x"]),
    "a salt that is no base64": disclosure(["!" * 22, "outcome", "x"]),
    "two parts": disclosure([SALT, "x"]),
    "four parts": disclosure([SALT, "outcome", "x", "y"]),
    "an object": disclosure({"outcome": "x"}),
    "a value that is an object": disclosure([SALT, "outcome", {"a": 1}]),
    "a value that is null": disclosure([SALT, "outcome", None]),
    "a value that is true": disclosure([SALT, "outcome", True]),
    "a list of numbers": disclosure([SALT, "fields", [1]]),
    "a name that is a list": disclosure([SALT, ["outcome"], "x"]),
    "two values in one": b64u_encode(b'["a","b","c"],"e":["d"]'),
    "padding": GOOD + "==",
    "no base64": "!!!",
    "not ASCII": "é",
    "empty": "",
}


def test_a_good_disclosure_opens_the_leaf_that_commits_to_it():
    assert open_leaf(leaf_of(GOOD), [GOOD]) == {"outcome": "accepted"}


@pytest.mark.parametrize("name", BAD_DISCLOSURES)
def test_a_bad_disclosure_is_refused_though_the_leaf_commits_to_it(name):
    text = BAD_DISCLOSURES[name]
    with pytest.raises(SignatureError):
        open_leaf(leaf_of(text), [text])


def test_a_disclosure_of_another_leaf_and_one_field_told_twice_are_refused():
    other = disclosure([SALT, "outcome", "refused"])
    with pytest.raises(SignatureError):
        open_leaf(leaf_of(GOOD), [other])
    for shown in ([GOOD, GOOD], [GOOD, other]):
        with pytest.raises(SignatureError):
            open_leaf(leaf_of(GOOD, other), shown)


def test_positive_control_without_the_digest_any_story_passes(monkeypatch):
    other = disclosure([SALT, "outcome", "refused"])
    monkeypatch.setattr(leaves, "_digest", lambda _: LEAF["_sd"][0])
    assert open_leaf(MADE.data, [other]) == {"outcome": "refused"}

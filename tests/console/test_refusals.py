"""Refusals as officers read them: in Spanish, without a code or a word of the protocol, whatever the exchange said."""

import ast
from pathlib import Path

import pytest

from contracts.policy import load_template, parse_policy
from contracts.walls import WALL_NAMES
from gateway.console import refusals
from gateway.console.refusals import WALLS, refusal_in_words, walls_in_words

ROOT = Path(__file__).parents[2]
OFFICERS_REACH = (
    "responding",
    "searching",
    "departing",
    "releasing",
    "leaving",
    "deadlines",
    "referrals",
    "findings",
    "submit",
)
NOT_OFFICERS = {
    "an acknowledgement of nothing we sent to this peer",
    "an answer to nothing we asked this peer",
    "what waits names its message beforehand",
}
"""Said of what peers send, or of a defect of ours: no officer's command ends with it."""


@pytest.fixture(scope="module")
def policy():
    return parse_policy(load_template("first-policy"))


def said_by(module):
    """The texts with which a module of the exchange refuses, as far as they are written out."""
    path = ROOT / "gateway" / "exchange" / f"{module}.py"
    if not path.exists():
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "NotPermittedError" and node.args:
            [text, *_] = node.args
            if isinstance(text, ast.Constant):
                yield text.value


def test_whatever_the_exchange_refuses_an_officer_has_its_own_words(policy):
    texts = {text for module in OFFICERS_REACH for text in said_by(module)} - NOT_OFFICERS
    assert len(texts) > 6
    untold = [text for text in sorted(texts) if refusal_in_words(text, policy) == refusals._UNTOLD]
    assert untold == []


def test_control_a_text_without_words_is_seen(policy):
    assert refusal_in_words("something new in English", policy) == refusals._UNTOLD


def test_a_missing_consent_a_rule_and_a_second_question_are_told(policy):
    missing = refusal_in_words("nothing of this record may leave: needs:scope:c2, not-named", policy)
    assert "C2" in missing
    assert "scope" not in missing
    assert "no tiene ese envío" in refusal_in_words("rule none: no flow", policy)
    assert "otra persona" in refusal_in_words("rule flow:x: another person must approve", policy)
    assert "ya hay una pendiente" in refusal_in_words("may not be said now: second-pending", policy)


def test_every_wall_has_its_words():
    assert set(WALLS) == set(WALL_NAMES)
    assert "wall:" not in walls_in_words(WALL_NAMES)

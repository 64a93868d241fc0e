"""Whom this node itself holds a record of that may be the person a question is about: ranked, with why; what was said of it.

Nothing leaves by it. A nationality is no reason for and none against: people on their way hide theirs. What an officer says of
a candidate is kept by opaque ids; one who "is not" never comes back for that question.
"""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from contracts.codec import decode_message
from contracts.errors import ExchangeError
from contracts.fields import plain
from contracts.ids import MessageId, NodeId, ThreadId
from contracts.leaves import LeafEvent, LeafFields
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.gate import By
from gateway.exchange.ports import Nudge
from gateway.exchange.presented import type_of
from gateway.exchange.taking import records_told

MOST = 5
ENOUGH = 2.5
_REPORTER = "reporter"
_NAMES = ("given_names", "surname_1", "surname_2", "married_surname", "aliases", "said_names", "possible_names")
_PLACES = ("residence", "birth_place", "found_place", "last_contact_place", "departure_place", "return_place")
_LIKE = 0.8


class Verdict(StrEnum):
    """What an officer says of a candidate beside a question."""

    YES = "yes"
    MAYBE = "maybe"
    NO = "no"


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """A message about a person as this node keeps it: sealed, with what opens it.

    `taken`: no message brought it, a family told it at a desk of this node.
    """

    key: ExchangeKey
    machine: str
    ours: bool
    peer: NodeId
    thread_id: ThreadId
    at: datetime
    sealed: bytes
    taken: bool = False
    folio: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody this node holds a record of. `reasons`: codes, the weightiest first; `against`: what does not fit."""

    message: HeldMessage
    record_type: str
    values: Mapping[str, Any]
    score: float
    reasons: tuple[str, ...]
    against: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Searched:
    """What a look through the node's own records found: how many were read, and how many could not be any more."""

    candidates: tuple[Candidate, ...] = ()
    read: int = 0
    unreadable: int = 0


NOTHING_YET = Searched()


async def candidates_among(
    theirs: Mapping[str, Any],
    held: Iterable[HeldMessage],
    node: Capabilities,
    *,
    ruled_out: Collection[ExchangeKey],
    before: Searched = NOTHING_YET,
) -> Searched:
    """Return who may be the person of a question, the likeliest first, at most `MOST`; nobody who was ruled out.

    `before`: what the same look found already.
    """
    found = list(before.candidates)
    read, unreadable = before.read, before.unreadable
    for message in held:
        if message.key in ruled_out:
            continue
        try:
            records = await values_of(message, node)
        except ExchangeError:  # erased, blocked, or reduced to its receipt
            unreadable += 1
            continue
        read += 1
        for record_type, values in records:
            score, reasons, against = likeness(theirs, values)
            if score >= ENOUGH and reasons:
                found.append(Candidate(message, record_type, values, score, reasons, against))
    found.sort(key=lambda candidate: (-candidate.score, candidate.message.key.opening))
    return Searched(tuple(found[:MOST]), read, unreadable)


async def values_of(message: HeldMessage, node: Capabilities) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the records of people in a message, opened; whoever reported is none of them.

    Raises:
        ExchangeError: it cannot be opened any more.
    """
    if message.taken:
        told = await records_told(message.thread_id, message.key.opening, message.sealed, node)
        return [(str(item.type), item.values) for item in told if item.type != _REPORTER]
    kept = await node.bodies.open(message.thread_id, message.key.opening, message.sealed)
    opened = decode_message(kept.payload)
    found: list[tuple[str, Mapping[str, Any]]] = []
    for item in opened.records:
        if type_of(item) == _REPORTER:
            continue
        if message.ours:
            record = node.opener.verify_issued(item.sd_jwt, to=message.peer)
        else:
            record = node.opener.verify_record(item.sd_jwt, sender=message.peer, at=message.at)
        found.append((record.record_type, record.claims))
    return found


async def judge(request_id: MessageId, key: ExchangeKey, verdict: Verdict, node: Capabilities, *, by: By) -> None:
    """Note what somebody said of a candidate beside a question; what is said later counts."""
    now = node.clock.now()
    fields = LeafFields(
        at=int(now.timestamp()),
        event=LeafEvent.ADMIN,
        message_id=request_id,
        actor=by.actor,
        outcome=f"candidate.{verdict.value} {key.opening}",
    )
    async with node.begin() as work:
        await work.candidates.say(request_id, key, verdict, by.actor, now=now)
        await work.audit.stage([node.leaves.leaf(fields)])
    node.nudge(Nudge.LOG)


# -- how alike two people are ------------------------------------------------------------------------------------------


def likeness(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[float, tuple[str, ...], tuple[str, ...]]:
    """Return how alike two people are as far as both are known, with why, and what speaks against it. Pure."""
    weighed = [(weight, code) for look in _LOOKS for weight, code in [look(theirs, ours)] if code]
    weighed.sort(key=lambda item: -item[0])
    score = sum(weight for weight, _ in weighed)
    return score, tuple(code for weight, code in weighed if weight > 0), tuple(code for weight, code in weighed if weight < 0)


def _names(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[float, str]:
    mine, other = _words(theirs), _words(ours)
    if not mine or not other:
        return 0.0, ""
    fewer, more = sorted((mine, other), key=len)
    best = [max(_alike(sound(word), sound(against)) for against in more) for word in fewer]
    close = [value for value in best if value >= _LIKE]
    if not close:
        return -1.0, "name-other"
    if len(close) == len(fewer) and len(fewer) > 1:  # the same is what is written the same; what only sounds so is like it
        return (4.0, "name-same") if fewer <= more else (3.5, "name-like")
    return 2.0 * sum(close) / len(fewer), "name-part"


def _words(values: Mapping[str, Any]) -> set[str]:
    texts = [text for name in _NAMES if name in values for text in _texts(values[name])]
    return {bare for text in texts for word in text.split() if (bare := _bare(word))}


def _bare(word: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFD", word.casefold()) if sign.isalpha())


def _texts(value: Any) -> Sequence[str]:
    found = plain(value)
    return [item for item in (found if isinstance(found, list) else [found]) if isinstance(item, str)]


def sound(word: str) -> str:
    """Return a word of a name as it may be heard and written: Xol and Shol, Tzoc and Tzoq, Vásquez and Básques are one."""
    bare = _bare(word)
    for written, heard in (("sh", "x"), ("tz", "s"), ("ph", "f"), ("ll", "y"), ("qu", "k"), ("ch", "x")):
        bare = bare.replace(written, heard)
    return bare.translate(_HEARD)


_HEARD = str.maketrans("cqzvji", "kksbxy", "h")


def _alike(one: str, other: str) -> float:
    return 1.0 if one == other else SequenceMatcher(None, one, other).ratio()


def _born(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[float, str]:
    mine, other = (plain(values.get("birth_date")) for values in (theirs, ours))
    if not isinstance(mine, dict) or not isinstance(other, dict) or "date" not in mine or "date" not in other:
        return _aged(theirs, ours)
    one, two = str(mine["date"]), str(other["date"])
    if one == two:
        return (3.0, "birth-same") if len(one) == 10 else (1.5, "birth-year")
    if one.startswith(two) or two.startswith(one):
        return 1.5, "birth-year"
    return (0.5, "birth-near") if abs(int(one[:4]) - int(two[:4])) <= 2 else (-2.0, "birth-other")


def _aged(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[float, str]:
    return _meets("age_range", "age", theirs, ours, weight=1.0)


def _tall(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[float, str]:
    return _meets("height_cm", "height", theirs, ours, weight=0.75)


def _meets(name: str, code: str, theirs: Mapping[str, Any], ours: Mapping[str, Any], *, weight: float) -> tuple[float, str]:
    mine, other = plain(theirs.get(name)), plain(ours.get(name))
    if not isinstance(mine, dict) or not isinstance(other, dict):
        return 0.0, ""
    meet = mine["min"] <= other["max"] and other["min"] <= mine["max"]
    return (weight, f"{code}-fits") if meet else (-1.5, f"{code}-other")


def _sexed(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[float, str]:
    mine, other = theirs.get("sex"), ours.get("sex")
    if mine is None or other is None or "unknown" in {mine, other}:
        return 0.0, ""
    return (0.5, "sex-same") if mine == other else (-2.0, "sex-other")


def _placed(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[float, str]:
    mine, other = _places(theirs), _places(ours)
    for part, weight in (("municipality", 1.5), ("department", 0.75)):
        if {place[part] for place in mine if part in place} & {place[part] for place in other if part in place}:
            return weight, f"{part}-same"
    return 0.0, ""


def _places(values: Mapping[str, Any]) -> list[dict[str, str]]:
    found = [plain(values[name]) for name in _PLACES if name in values]
    return [{**place, **_whole(place)} for place in found if isinstance(place, dict)]


def _whole(place: Mapping[str, str]) -> dict[str, str]:
    # A department of two countries may have one number.
    return {part: f"{place.get('country')}/{place[part]}" for part in ("municipality", "department") if part in place}


def _marked(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[float, str]:
    mine, other = _kinds(theirs), _kinds(ours)
    return (0.75, "marks-like") if mine & other else (0.0, "")


def _kinds(values: Mapping[str, Any]) -> set[tuple[str, str]]:
    items = plain(values.get("marks")) or []
    words = [(str(item.get("type")), word) for item in items for word in str(item.get("text", "")).casefold().split()]
    return {(kind, word) for kind, word in words if len(word) > 3}


def _numbered(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[float, str]:
    mine, other = theirs.get("cui"), ours.get("cui")
    if not mine or not other:
        return 0.0, ""
    return (5.0, "document-same") if mine == other else (-3.0, "document-other")


_LOOKS: tuple[Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[float, str]], ...] = (
    _numbered,
    _names,
    _born,
    _placed,
    _tall,
    _marked,
    _sexed,
)

"""What looks the same from outside: endings, refusals, silence, the moment of an answer (SPEC 16.2). Pure."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from contracts.ids import Code
from contracts.messages import (
    CaseState,
    CaseStatusBody,
    DisclosureGrantBody,
    DisclosureResult,
    SearchResponseBody,
    SearchResult,
)

FOUND = frozenset({SearchResult.POSSIBLE, SearchResult.MATCH})
"""Results that say that somebody is here."""


class Closing(StrEnum):
    """How a case ended. Stays here."""

    FOUND_ALIVE_CONTACT = "found-alive-contact"
    FOUND_ALIVE_NO_CONTACT = "found-alive-no-contact"
    FOUND_DEAD = "found-dead"
    RETURNED = "returned"
    DETAINED = "detained"
    WITHDRAWN_BY_FAMILY = "withdrawn-by-family"
    OPENED_IN_ERROR = "opened-in-error"
    MERGED = "merged"
    HANDED_OVER = "handed-over"


_TOLD: Mapping[Closing, CaseState] = MappingProxyType(dict.fromkeys(Closing, CaseState.CLOSED))


def closing_notice(closing: Closing, *, sequence: int) -> CaseStatusBody:
    """Return what the others are told of a case that ended so: the same of every ending."""
    return CaseStatusBody(state=_TOLD[closing], sequence=sequence)


def told_result(found: SearchResult, *, silent: bool, without_record: SearchResult) -> SearchResult:
    """Return what a seeker is told: where a record must stay unknown, what would be said if it were not here at all.

    `without_record` is this node's answer to the same question with nothing found: ``no-match`` means that there is nothing
    we may tell, so it is true in both worlds.
    """
    return without_record if silent else found


def says_nothing(body: object) -> bool:
    """Return whether a body is the answer of who holds nothing, or nothing that may be told: it is about no case of ours."""
    if isinstance(body, DisclosureGrantBody):
        return body.result is DisclosureResult.REFUSED
    return isinstance(body, SearchResponseBody) and body.result not in FOUND


ABOUT_THE_OFFICE = frozenset(map(Code, ("no-access", "no-capacity", "not-competent", "out-of-service")))
"""Why an office declines whoever is asked about. Every other reason may be about the person, and is told as `no-match`."""

REFUSED = Code("not-answered")
"""The one basis of every refusal a seeker sees; the rule that decided stays in our own log."""


def release_slot(*, asked_at: int, ready_at: int, patience: int, period: int) -> int:
    """Return when an answer leaves: the first slot at which it could have been ready, whoever or whatever made it.

    All in Unix seconds. An answer made at once and one that took a person up to `patience` seconds leave together; a later
    one leaves at a later slot of the same grid, so that its time tells the period and nothing finer.
    """
    return -(-max(asked_at + patience, ready_at) // period) * period


if set(_TOLD) != set(Closing) or set(_TOLD.values()) != {CaseState.CLOSED}:
    raise RuntimeError("every closing is told alike")

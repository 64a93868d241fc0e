"""An identified search: only after a hit, or where the protocol makes it a duty."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.ids import Code
from contracts.messages.base import Answer, Attachments, Message, Records
from contracts.types import Distinct, Reference, UnixTime, WireModel, broken


class Urgency(StrEnum):
    """How soon somebody must look."""

    NORMAL = "normal"
    URGENT = "urgent"
    LIFE_AT_RISK = "life-at-risk"


class SearchRequestBody(WireModel):
    """What the asker wants to know; the person travels as records."""

    want: Annotated[tuple[Code, ...], Field(min_length=1, max_length=16), Distinct]
    urgency: Urgency


class SearchRequest(Message):
    """Do you hold something on this person? A reporter's record is never in it."""

    type: Literal["search.request"] = "search.request"
    records: Records = ()
    att: Attachments = ()
    body: SearchRequestBody


class SearchResult(StrEnum):
    """What the responder found; `cannot-answer` is also said where an answer would tell too much."""

    NO_MATCH = "no-match"
    POSSIBLE = "possible"
    MATCH = "match"
    CANNOT_ANSWER = "cannot-answer"


class SearchResponseBody(WireModel):
    """The result. `basis` is why we cannot answer; `consent_ref` is needed to tell where a living adult is."""

    result: SearchResult
    searched_at: UnixTime
    basis: Code | None = None
    consent_ref: Reference | None = None

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if (self.result is SearchResult.CANNOT_ANSWER) != (self.basis is not None):
            raise broken("basis_of_refusal")
        return self


class SearchResponse(Answer):
    """The answer; records only where something was found."""

    type: Literal["search.response"] = "search.response"
    records: Records = ()
    att: Attachments = ()
    body: SearchResponseBody

    @model_validator(mode="after")
    def _nothing_with_nothing(self) -> Self:
        found = self.body.result in {SearchResult.POSSIBLE, SearchResult.MATCH}
        if not found and (self.records or self.att or self.body.consent_ref):
            raise broken("records_without_match")
        return self

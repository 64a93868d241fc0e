"""Samples by reference and what the experts conclude; never a genetic profile."""

from enum import StrEnum
from typing import Literal

from contracts.ids import Code, MessageId
from contracts.messages.base import Attachments, Message
from contracts.types import Flag, Reference, UnixTime, WireModel


class SampleSource(StrEnum):
    """Where a sample is from."""

    REMAINS = "remains"
    RELATIVE = "relative"
    BELONGING = "belonging"


class SampleReferenceBody(WireModel):
    """That a sample exists, where, and whose in a code."""

    sample: Reference
    source: SampleSource
    kind: Code
    """The tissue: ``bone``, ``tooth``, ``buccal-swab`` …"""
    kinship: Code | None = None
    """Of a relative to the person sought."""
    laboratory: Code
    taken_at: UnixTime | None = None
    available: Flag


class SampleReference(Message):
    """A laboratory holds this sample."""

    type: Literal["sample.reference"] = "sample.reference"
    body: SampleReferenceBody


class Conclusion(StrEnum):
    """What a comparison showed."""

    COMPATIBLE = "compatible"
    EXCLUDED = "excluded"
    INSUFFICIENT = "insufficient"


class ExpertConclusionBody(WireModel):
    """The conclusion, how it was reached and the signed opinion's number; the opinion is the attachment."""

    conclusion: Conclusion
    method: Code
    laboratory: Code
    opinion: Reference
    concluded_at: UnixTime
    about: MessageId | None = None
    """The sample reference or finding it answers."""


class ExpertConclusion(Message):
    """The experts' signed opinion."""

    type: Literal["expert.conclusion"] = "expert.conclusion"
    att: Attachments = ()
    body: ExpertConclusionBody

"""What a family says at a desk beside its report: what it agreed to, whom it must never reach. It stays in our books."""

from dataclasses import dataclass

from contracts.consents import ConsentEvent
from contracts.errors import NotPermittedError
from contracts.ids import ActorPseudonym, Code, MessageId
from contracts.messages import Minor
from gateway.exchange.acts import note_act
from gateway.exchange.barring import bar
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import UnitOfWork

SAID_AT_DESK = Code("said-at-desk")


class SentBeforeError(NotPermittedError):
    """The draft this came from was sent, or discarded: nothing is sent twice."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was said. `perhaps_minor`: somebody thinks that the person may be a child, whatever age was given.

    `draft`: the form it came from, which ends with the report.
    """

    consents: tuple[ConsentEvent, ...] = ()
    never_to: tuple[str, ...] = ()
    perhaps_minor: bool = False
    draft: MessageId | None = None

    def minor(self, by_age: Minor) -> Minor:
        """Return whether the person may be a child: of two statements the more careful one counts."""
        return "possible" if by_age == "no" and self.perhaps_minor else by_age


async def write_down(told: Told, case_ref: str, work: UnitOfWork, node: Capabilities, *, actor: ActorPseudonym) -> None:
    """Write it into the books of the case, with its leaves, in the transaction of the report; its draft ends there.

    Raises:
        SentBeforeError: the draft ended before. Of two who send one form at once, one does.
        NotPermittedError: somebody it must never reach is nobody.
    """
    now = node.clock.now()
    if told.draft is not None:
        if await work.form_drafts.find(told.draft) is None:
            raise SentBeforeError("the form was sent, or discarded")
        await work.form_drafts.drop(told.draft)
    await work.consents.add(case_ref, told.consents, now=now)
    for event in told.consents:
        scopes = ",".join(sorted(scope.value for scope in event.scopes))
        detail = f"consent.{event.act.value} {event.relative} {scopes} {event.id}"
        await note_act(detail, work, node, actor=actor, case_ref=case_ref)
    for target in told.never_to:
        await bar(case_ref, target, SAID_AT_DESK, work, node, actor=actor)

"""The one door. Everything from another node passes it, in this order (SPEC 8.5)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from contracts.errors import NotHandledError, NotPermittedError, ProblemCode, SenderUnknownError
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import AuditRequest
from gateway.exchange.arrivals import ArrivalWriter, unauthenticated_rejection
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.judging import Authenticated, Unauthenticated, Verdict, judge
from gateway.exchange.oversight import has_mandate
from gateway.exchange.searching import refuse_unasked

InboxResult = str | ProblemCode
"""A signed receipt, or the code of a problem that ends nothing."""


@dataclass(slots=True)
class UnauthenticatedCounter:
    """Counts what strangers send; one leaf a minute tells of it, so that no stranger can fill the disk."""

    counts: dict[ProblemCode, int] = field(default_factory=dict)

    def count(self, code: ProblemCode) -> None:
        """Count one refusal."""
        self.counts[code] = self.counts.get(code, 0) + 1

    async def flush(self, node: Capabilities) -> bool:
        """Stage one leaf with the counts since the last one; False when there were none."""
        if not self.counts:
            return False
        counts, self.counts = self.counts, {}
        detail = " ".join(f"{code.value}={number}" for code, number in sorted(counts.items()))
        fields = LeafFields(at=int(node.clock.now().timestamp()), event=LeafEvent.UNAUTHENTICATED, detail=detail)
        try:
            async with node.begin() as work:
                await work.audit.stage([node.leaves.leaf(fields)])
        except Exception:
            for code, number in counts.items():  # not told yet: the next leaf tells it
                self.counts[code] = self.counts.get(code, 0) + number
            raise
        return True


async def judge_at_door(envelope: bytes, node: Capabilities) -> Verdict:
    """Judge one envelope; a stranger's once more after a look at the register, which may have enrolled it a moment ago."""
    verdict = judge(envelope, node, node.clock.now())
    unknown = isinstance(verdict, Unauthenticated) and isinstance(verdict.error, SenderUnknownError)
    if unknown and await node.refresh_trust():
        return judge(envelope, node, node.clock.now())
    return verdict


def _not_a_question(verdict: Verdict, node: Capabilities) -> Verdict:
    """Refuse what is only asked: whoever replays a question from the other door at this one must not set people to work.

    Of what is asked here, under a complaint's number, the ombudsman alone may ask it (SPEC 21).
    """
    if not isinstance(verdict, Authenticated) or verdict.error is not None:
        return verdict
    if isinstance(verdict.message, AuditRequest):
        if verdict.message.body.complaint is None:
            return replace(verdict, error=NotHandledError("a question for the ask door"))
        if not has_mandate(verdict.message, node.trust()):
            return replace(verdict, error=NotPermittedError("a window for who has no mandate"))
    return verdict


@dataclass(slots=True)
class Door:
    """The inbox: `receive` is what the federation port calls."""

    node: Capabilities
    writer: ArrivalWriter
    strangers: UnauthenticatedCounter

    async def receive(self, envelopes: Sequence[bytes]) -> Sequence[InboxResult]:
        """Return one result per envelope, in order; a receipt only once what it says is durable.

        Raises:
            StorageError: our database could not promise anything; the senders keep their messages.
            ClockWrongError: our clock jumped; they keep them too.
        """
        self.node.timekeeper.check()
        verdicts = [await self._judge(envelope) for envelope in envelopes]
        authenticated = [verdict for verdict in verdicts if isinstance(verdict, Authenticated)]
        receipts = iter(await self.writer.write(authenticated) if authenticated else ())
        return [
            next(receipts) if isinstance(verdict, Authenticated) else self._turn_away(envelope, verdict)
            for envelope, verdict in zip(envelopes, verdicts, strict=True)
        ]

    async def _judge(self, envelope: bytes) -> Verdict:
        return await refuse_unasked(_not_a_question(await judge_at_door(envelope, self.node), self.node), self.node)

    def _turn_away(self, envelope: bytes, verdict: Unauthenticated) -> InboxResult:
        self.strangers.count(verdict.error.code)
        if verdict.error.retryable:
            return verdict.error.code
        return unauthenticated_rejection(envelope, verdict.error.code, self.node, self.node.clock.now())

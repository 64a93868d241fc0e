"""The ask door: a sealed question, a sealed reply in the same round trip, and one log entry (SPEC 8.3).

The same numbered steps as the inbox, with another last one. Nothing asked here changes anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.codec import b64u_decode
from contracts.errors import ExchangeError, NotHandledError, ProblemCode
from contracts.leaves import LeafEvent
from contracts.messages import AuditRequest, AuditRequestBody, AuditResponse, AuditResponseBody, CaseMessage, LeafProof, Ping
from gateway.exchange.arrivals import rejection, unauthenticated_rejection, verdict_leaf_fields
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.judging import Authenticated, Unauthenticated
from gateway.exchange.receive import UnauthenticatedCounter, judge_at_door
from gateway.exchange.replies import reply_draft
from gateway.exchange.submit import sign_draft

AskResult = bytes | str | ProblemCode
"""A sealed reply, a signed refusal, or the code of a problem that ends nothing."""


@dataclass(slots=True)
class AskDoor:
    """`answer` is what the federation port calls."""

    node: Capabilities
    strangers: UnauthenticatedCounter

    async def answer(self, envelope: bytes) -> AskResult:
        """Return the sealed reply to a sealed question, once its log entry is durable.

        Raises:
            StorageError: our database could not promise anything.
            ClockWrongError: our clock jumped.
        """
        self.node.timekeeper.check()
        verdict = await judge_at_door(envelope, self.node)
        if isinstance(verdict, Unauthenticated):
            self.strangers.count(verdict.error.code)
            if verdict.error.retryable:
                return verdict.error.code
            return unauthenticated_rejection(envelope, verdict.error.code, self.node, self.node.clock.now())
        return await self._answer(verdict)

    async def _answer(self, verdict: Authenticated) -> AskResult:
        node, now = self.node, self.node.clock.now()
        error = verdict.error
        reply: bytes | None = None
        if error is None and verdict.message is not None:
            try:
                reply = await _reply(verdict.message, node)
            except ExchangeError as refused:
                error = refused
        outcome = "answered" if error is None else error.code.value
        await _log(verdict, outcome, node)
        if error is not None or reply is None:
            code = error.code if error else ProblemCode.NOT_HANDLED
            return rejection(node, now, code=code, digest=verdict.verified.digest, of="message", verdict=verdict)
        return reply


async def _reply(message: CaseMessage, node: Capabilities) -> bytes:
    match message:
        case Ping():
            draft = reply_draft(message, Ping, message.body, node)
        case AuditRequest(body=AuditRequestBody(complaint=None)):
            body = await _proofs(message.body.leaves, node)
            draft = reply_draft(message, AuditResponse, body, node)
        case _:
            raise NotHandledError(f"{message.type} is not asked at this door")
    signed = sign_draft(draft, node, node.clock.now())
    return node.sealer.seal(signed.jws, message.sender).envelope


async def _proofs(leaves: Sequence[str], node: Capabilities) -> AuditResponseBody:
    # Whoever holds a receipt knows its leaf's hash, which is unguessable; a proof of inclusion tells nothing else.
    proofs: list[LeafProof] = []
    missing: list[str] = []
    for leaf in leaves:
        proof = await node.log.inclusion(b64u_decode(leaf))
        if proof is None:
            missing.append(leaf)
        else:
            proofs.append(LeafProof(leaf=leaf, proof=proof))
    return AuditResponseBody(proofs=tuple(proofs), missing=tuple(missing))


async def _log(verdict: Authenticated, outcome: str, node: Capabilities) -> None:
    now = node.clock.now()
    fields = verdict_leaf_fields(verdict, now, outcome=outcome, event=LeafEvent.ASKED)
    async with node.begin() as work:
        await work.audit.stage([node.leaves.leaf(fields)])

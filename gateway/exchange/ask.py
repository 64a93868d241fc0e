"""Knocking on a peer's ask door: one sealed question, one sealed reply, verified like any message (SPEC 8.3)."""

from contracts.errors import NotPermittedError, PeerUnavailableError
from contracts.messages import CaseMessage
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.judging import Unauthenticated, judge
from gateway.exchange.submit import Draft, sign_draft


async def ask(draft: Draft, node: Capabilities) -> CaseMessage:
    """Return the peer's reply to `draft`.

    Raises:
        PeerUnavailableError: no reply, or one that is not the peer's signed reply to this question.
        NotPermittedError: the policy has no such flow.
    """
    now = node.clock.now()
    signed = sign_draft(draft, node, now)
    envelope = node.sealer.seal(signed.jws, draft.to).envelope
    verdict = judge(await node.transport.ask(draft.to, envelope), node, node.clock.now())
    if isinstance(verdict, Unauthenticated) or verdict.message is None:
        raise PeerUnavailableError("the reply is no message of a member")
    if verdict.error is not None:
        raise NotPermittedError(f"the reply was refused: {verdict.error.code.value}")
    reply = verdict.message
    if reply.sender != draft.to or reply.in_reply_to != signed.message.message_id:
        raise PeerUnavailableError("the reply answers something else")
    return reply

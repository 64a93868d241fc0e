"""Messages that answer a message: they keep its thread, purpose and basis."""

from collections.abc import Sequence

from contracts.messages import CaseMessage, CaseState, CaseStatus, CaseStatusBody, Message
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.submit import Draft

# Answering these with "not handled here" could make two nodes answer each other for ever.
_NEVER_ANSWERED = frozenset({"case.status", "note", "report.acknowledgement", "finding.acknowledgement", "audit.response"})


def reply_draft(message: CaseMessage, kind: type[Message], body: object, node: Capabilities) -> Draft:
    """Return a draft that answers `message` with `body`."""
    return Draft(
        kind=kind,
        to=message.sender,
        body=body,
        purpose=message.purpose,
        basis=message.basis,
        actor=node.pseudonyms.actor("node"),
        thread_id=message.thread_id,
        case_key=str(message.thread_id),
        in_reply_to=message.message_id,
    )


def not_handled_reply(message: CaseMessage, node: Capabilities) -> Sequence[Draft]:
    """Return what tells the sender that nobody here works on `message`; nothing for types that are answers themselves."""
    if message.type in _NEVER_ANSWERED:
        return ()
    return (reply_draft(message, CaseStatus, CaseStatusBody(state=CaseState.NOT_HANDLED_HERE), node),)

"""Is this right? Asked of the civil registry, which says yes or no and nothing else (E1; SPEC 18.9).

A yes is about a document or a print. It names nobody, and moves no case: whose remains these are is for experts to conclude.
"""

from dataclasses import dataclass
from typing import Literal

from contracts.calendars import OfficeCalendar
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.ids import Code, MessageId
from contracts.messages import IdentityAnswer, IdentityAnswerBody, IdentityCheck, IdentityCheckBody, Urgency
from contracts.register import Role
from gateway.exchange.asked import NoSuchRequestError, request_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.deadlines import due_by_policy
from gateway.exchange.desk import addressee
from gateway.exchange.gate import By
from gateway.exchange.leaving import Held, leave_one, show
from gateway.exchange.ports.departures import Departure
from gateway.exchange.submit import Draft, Prepared

Doubt = Literal["document-exists", "data-matches", "fingerprint-matches"]
DOUBTS: tuple[Doubt, ...] = ("document-exists", "data-matches", "fingerprint-matches")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is to be checked about a case of ours: the record's values, and nothing that is not asked about."""

    doubt: Doubt
    purpose: Code
    basis: Code
    case_ref: str
    record: SourceRecord
    urgency: Urgency = Urgency.NORMAL
    calendar: OfficeCalendar | None = None


async def check_identity(check: Check, node: Capabilities, *, by: By) -> Prepared | Held:
    """Ask the one civil registry there is.

    Raises:
        WallError, NotPermittedError: it may not be asked so, or one like it is under way.
    """
    return await leave_one(_check_draft(check, node, by), node, by=by)


async def show_check(check: Check, node: Capabilities, *, by: By, office: Code | None = None) -> Departure:
    """Build the check and keep it until whoever looks at it confirms it (`releasing.confirm`); nothing is sent.

    Raises:
        WallError, NotPermittedError: as `check_identity`.
    """
    departure, _, _ = await show([_check_draft(check, node, by)], node, by=by, office=office)
    return departure


def _check_draft(check: Check, node: Capabilities, by: By) -> Draft:
    now, why = node.clock.now(), (check.purpose, check.basis)
    to = addressee(node.trust(), Role.CIVIL_REGISTRY, now)
    return Draft(
        kind=IdentityCheck,
        to=to,
        body=IdentityCheckBody(question=check.doubt),
        purpose=check.purpose,
        basis=check.basis,
        actor=by.actor,
        thread_id=node.new_thread_id(now),
        case_key=check.case_ref,
        records=(check.record,),
        deadline=due_by_policy(node, "identity.check", to, why, check.urgency, check.calendar),
        message_id=node.new_message_id(now),
    )


async def answer_identity(
    request_id: MessageId, answer: Literal["yes", "no"], node: Capabilities, *, by: By
) -> Prepared | Held:
    """Say yes or no.

    Raises:
        NoSuchRequestError: no such check is open.
        NotPermittedError: it is another kind of question.
    """
    asked = await request_of(request_id, node)
    message = asked.message
    if not asked.open:
        raise NoSuchRequestError("it was answered, or withdrawn")
    if not isinstance(message, IdentityCheck):
        raise NotPermittedError("no identity check")
    draft = Draft(
        kind=IdentityAnswer,
        to=message.sender,
        body=IdentityAnswerBody(answer=answer),
        purpose=message.purpose,
        basis=message.basis,
        actor=by.actor,
        thread_id=message.thread_id,
        case_key=str(message.thread_id),
        in_reply_to=message.message_id,
    )
    return await leave_one(draft, node, by=by)

"""Records that go with accepted work, looked at before they leave (SPEC 19.2): no record leaves before the acceptance."""

from contracts.disclosure import SourceRecord
from contracts.ids import MessageId
from contracts.messages import ReferralProgress, ReferralUpdate, ReferralUpdateBody
from contracts.threads import Side
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.leaving import show
from gateway.exchange.ports.departures import Departure
from gateway.exchange.submit import Draft
from gateway.exchange.work import NoSuchWorkError, Worker, find_work

ACCEPTED = "accepted"


async def case_of_referral(opening: MessageId, node: Capabilities, *, by: Worker) -> str:
    """Return what our books call the case of a referral we offered and that was accepted.

    Raises:
        NoSuchWorkError: there is no such referral that they may see, it is not ours, or nobody accepted it (yet).
    """
    async with node.begin() as work:
        item = await find_work(opening, work, by=by)
        found = (await work.exchanges.lock([item.key], now=node.clock.now())).get(item.key)
    if item.machine != "referral" or item.side is not Side.OPENER or found is None or found.exchange.state != ACCEPTED:
        raise NoSuchWorkError("no accepted referral of ours")
    return found.case_ref


async def show_records(opening: MessageId, record: SourceRecord, node: Capabilities, *, by: Worker) -> Departure:
    """Build the update that carries a record and keep it until whoever looks at it confirms it; nothing is sent.

    Raises:
        NoSuchWorkError: as `case_of_referral`.
        WallError, NotPermittedError: nothing of it may leave to them.
    """
    case_ref = await case_of_referral(opening, node, by=by)
    async with node.begin() as work:
        item = await find_work(opening, work, by=by)
    draft = Draft(
        kind=ReferralUpdate,
        to=item.peer,
        body=ReferralUpdateBody(offer=opening, progress=ReferralProgress.RECORDS_SENT),
        purpose=item.purpose,
        basis=item.basis,
        actor=by.actor,
        thread_id=item.thread_id,
        case_key=case_ref,
        records=(record,),
        message_id=node.new_message_id(node.clock.now()),
    )
    departure, _, _ = await show([draft], node, by=by.by)
    return departure

"""Which exchange stands in the way of a second one of its kind: where it can be looked at."""

from contracts.ids import MessageId
from contracts.messages import ReferralOfferBody
from contracts.threads import CLOSED, Side
from gateway.console.pages.inbox import PAGES
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.departing import NoSuchDepartureError
from gateway.exchange.gate import By
from gateway.exchange.releasing import drop, open_parcel
from gateway.exchange.submit import Draft, kind_of

_MACHINES = {
    "referral.offer": "referral",
    "search.request": "search",
    "identity.check": "identity",
    "finding.notice": "finding",
}


async def pending_address(draft: Draft, node: Capabilities, *, but: MessageId | None = None) -> str:
    """Return where the one of its kind is that is under way, or waits to leave; empty: there is none."""
    machine, topic = _MACHINES[kind_of(draft)], _topic(draft)
    async with node.begin() as work:
        entries = await work.exchanges.of_case(draft.case_key, machine)
        waiting = [item for item in await work.departures.prepared(draft.case_key, kind_of(draft)) if item != but]
    for entry in entries:
        same = entry.side is Side.OPENER and entry.peer == draft.to and entry.topic == topic
        if same and entry.exchange.state not in {CLOSED, "erased"}:
            return f"{PAGES[machine]}{entry.key.opening}"
    for item in waiting:
        if await _same(item, draft, topic, node):
            return f"/espera/{item}"
    return ""


async def give_way(shown: MessageId, node: Capabilities, *, by: By) -> str:
    """Drop what was just prepared if one of its kind is under way already, and return where that one is; empty: it stays."""
    _, parcel, _ = await open_parcel(shown, node)
    address = await pending_address(parcel.drafts[0], node, but=shown)
    if address:
        await drop(shown, node, by=by)
    return address


async def _same(departure_id: MessageId, draft: Draft, topic: str, node: Capabilities) -> bool:
    try:
        departure, parcel, _ = await open_parcel(departure_id, node)
    except NoSuchDepartureError:
        return False
    return departure.peer == draft.to and _topic(parcel.drafts[0]) == topic


def _topic(draft: Draft) -> str:
    return draft.body.service.value if isinstance(draft.body, ReferralOfferBody) else ""

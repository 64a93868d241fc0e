"""What a family said at another institution's desk: in the report, and later in a signed change of consent (SPEC 20.9, E6).

A yes becomes this institution's when a person writes it down. What is taken back counts at once, whoever is at work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.consents import ConsentEvent, ConsentForm, Limits, RelativeId, Scope
from contracts.errors import NotPermittedError, ThreadErasedError
from contracts.fields import plain
from contracts.ids import NodeId, ThreadId
from contracts.messages import ConsentAct, ConsentChange
from contracts.notices import NoticeType
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.consenting import carry_out, known_case, withdrawn_there
from gateway.exchange.noticing import about
from gateway.exchange.persons import reporters_of
from gateway.exchange.ports import CaseEntry
from gateway.exchange.taking import takes_here

UNSAID = "und"
"""BCP 47: the change does not say in which language it was decided."""
_NOBODY = Limits(recipients=frozenset())
"""To what is narrowed elsewhere: the message does not say to whom, and until a person asks it is nobody."""


def reporter_of(thread: ThreadId) -> RelativeId:
    """Return what this node calls the relative whose report a peer sent in this thread."""
    return RelativeId(f"r:{thread}")


@dataclass(frozen=True, slots=True)
class SaidThere:
    """What the one who reported agreed to at `peer`'s desk and nobody here has written down yet; how, and in which language.

    `taken_back`: what that desk has since said does not hold any more, or not for everybody.
    """

    peer: NodeId
    relative: RelativeId
    scopes: frozenset[Scope]
    taken_back: frozenset[Scope]
    form: str
    language: str


async def said_there(thread: ThreadId, node: Capabilities) -> SaidThere | None:
    """Return what was said where a report was taken; None where nothing was, or the report is erased."""
    async with node.begin() as work:
        entry = (await work.cases.find([thread])).get(thread)
        if entry is None or not _is_report(entry, node):
            return None
        events = [event for ref in await known_case(thread, work) for event in await work.consents.of_case(ref)]
    try:
        reporters = await reporters_of(thread, node)
    except ThreadErasedError:
        return None
    values: Mapping[str, Any] = next((values for _, values in reporters), {})
    details = [item for item in plain(values.get("consent_details")) or () if item.get("act") == ConsentAct.GIVEN]
    relative = reporter_of(thread)
    own = sorted((event for event in events if event.relative == relative), key=lambda event: (event.effective_at, event.id))
    scopes, taken_back = _open(plain(values.get("consents")) or (), own), withdrawn_there(own)
    if not scopes and not taken_back:
        return None
    how = details[0] if details else {}
    return SaidThere(entry.peer, relative, scopes, taken_back, how.get("form", ""), how.get("language", ""))


def _open(said: Sequence[str], own: Sequence[ConsentEvent]) -> frozenset[Scope]:
    open_now = {scope for scope in Scope if scope.value in said}
    for event in own:
        if event.form is ConsentForm.RELAYED and event.act is ConsentAct.GIVEN:
            open_now |= event.scopes
        else:  # written down here already, or taken back there
            open_now -= event.scopes
    return frozenset(open_now)


async def take_word(message: ConsentChange, node: Capabilities) -> None:
    """Take in that a consent changed on which something rests that this node holds; people are told.

    Where it is about a report its sender handed over here, it is written down as that relative's word. Taken back, it acts at
    once: nothing leaves on it, and copies come back. Copies its sender wants back itself go by the order that follows.

    Raises:
        NotPermittedError: the report it is about arrived and is not filed yet: it is tried again.
    """
    now = node.clock.now()
    entry = await _report_of(message, node)
    event = None if entry is None else _event(entry, message, int(now.timestamp()))
    if entry is not None and event is not None:
        await carry_out(entry.thread_id, event, node, actor=node.pseudonyms.actor("node"))
    async with node.begin() as work:
        await work.alarms.raise_("consent-changed", subject=str(message.message_id), now=now, peer=message.sender)
        if entry is not None:
            kind, subject = NoticeType.WORK_RECEIVED, str(message.message_id)
            await work.notices.add([about(kind, "report", entry.opened_by, now, subject=subject)])


async def _report_of(message: ConsentChange, node: Capabilities) -> CaseEntry | None:
    """Return the one case whose report the change is about; None where it is about something else."""
    async with node.begin() as work:
        found = await work.erasures.find(message.sender, message.body.records)
        entries = list((await work.cases.find(sorted({item.thread_id for item in found.values()}))).values())
    if found and not entries and takes_here(node):
        raise NotPermittedError("a change of a report that is not filed yet")
    if len(entries) != 1 or entries[0].peer != message.sender or not _is_report(entries[0], node):
        return None
    return entries[0]


def _is_report(entry: CaseEntry, node: Capabilities) -> bool:
    return entry.kind == "report" and entry.peer != node.us


def _event(entry: CaseEntry, message: ConsentChange, now: int) -> ConsentEvent | None:
    """Return the word as an event; None where it is about nothing that this version knows."""
    scopes = frozenset(scope for scope in Scope if scope.value in message.body.scopes)
    if not scopes:
        return None
    return ConsentEvent(
        id=message.message_id,
        relative=reporter_of(entry.thread_id),
        act=message.body.act,
        scopes=scopes,
        effective_at=min(message.body.effective_at, now),
        form=ConsentForm.RELAYED,
        language=UNSAID,
        limits=_NOBODY if message.body.act is ConsentAct.NARROWED else Limits(),
        imported=True,
    )

"""What the private port can do: each operation is one exchange function or one read model."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from contracts.codec import b64u_decode
from contracts.disclosure import SourceRecord
from contracts.errors import ClockWrongError, ExchangeError, ThreadErasedError
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, ThreadId
from contracts.messages import AuditRequest, AuditRequestBody, AuditResponse
from contracts.messages.reports import Channel
from contracts.policy import parse_policy
from gateway.console.machine_room import MachineRoom
from gateway.exchange.ask import ask
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.deadlines import ADDRESSEES
from gateway.exchange.deliver import pause_peer, retry_now
from gateway.exchange.desk import DeskRow, send_rows
from gateway.exchange.erasing import Scrub
from gateway.exchange.ports import BeginUnitOfWork
from gateway.exchange.receivers import Hosts
from gateway.exchange.reconcile import give_up
from gateway.exchange.states import InboxState, OutboxState
from gateway.exchange.submit import Draft
from gateway.exchange.telling import Telling
from gateway.exchange.timekeeping import spoken
from gateway.people.errors import NotAllowedError
from gateway.storage.audit_models import AuditModels
from gateway.storage.case_models import CaseModels
from gateway.storage.log import LogCheck, SqlLog
from gateway.storage.read_models import ReadModels, SentMessage
from gateway.storage.seeing import Seen
from gateway.storage.statistics import Statistics
from gateway.storage.work_models import WorkModels
from gateway.telemetry import alarms_open, log_size, metrics, queue_size, register_age
from keys.evidence import BundleParts, build_bundle

OPERATE = Code("operate")
OPERATION_BASIS = Code("federation:operation")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of a source as an adapter read it; `content` identifies it, and is digested before it is kept."""

    row: int
    outcome: str
    reasons: tuple[str, ...]
    records: tuple[SourceRecord, ...]
    content: bytes
    original: tuple[tuple[str, str], ...] = ()
    """Headings and cells as they stood, where somebody asked to see them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One source file as an adapter read it."""

    source: str
    rows: Sequence[SourceRow]
    notes: tuple[str, ...]
    office: Code
    channel: Channel
    language: str
    authority: Code | None
    country: str | None


@dataclass(frozen=True, slots=True)
class Sender:
    """The person who sends, as messages call them, and for which offices they may."""

    actor: ActorPseudonym
    person: str
    may_send_for: Callable[[Code], bool]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the node is ready, component by component."""

    components: dict[str, bool]

    @property
    def ready(self) -> bool:
        """Whether every component is."""
        return all(self.components.values())


@dataclass(frozen=True, slots=True)
class RegisterCopy:
    """The register as proof of who signed something: its files, keysets it no longer carries, when it last verified."""

    files: Mapping[str, bytes]
    keysets: tuple[str, ...]
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class Operations:
    """Everything behind the private port."""

    node: Capabilities
    models: ReadModels
    work: WorkModels
    files: CaseModels
    """Cases as people look at them; `cases` below is the list programs read."""
    log: SqlLog
    read_source: Callable[[str, str, bytes], Reading]
    clean: Callable[[bytes], tuple[str, bytes]]
    """Return the media type and the bytes of a picture or PDF cleaned of all but what can be seen."""
    row_digest: Callable[[bytes], bytes]
    poll_register: Callable[[], Awaitable[bool]]
    copy_register: Callable[[Collection[str]], RegisterCopy]
    health: Callable[[], Health]
    scrub: Scrub
    room: MachineRoom
    look: BeginUnitOfWork
    """Opens a transaction that only reads: it never waits for one that writes."""
    telling: Telling
    hosts: Hosts
    """Where webhooks may go."""
    public_address: str | None
    """Where everybody reaches the page that says whether a sheet holds."""
    phone: str | None
    """What people call who know something."""
    digest: Callable[[str, bytes], bytes]
    """A keyed digest for a purpose: equal content, equal digest on this node; tells nobody else anything."""
    audit: AuditModels
    figures: Statistics
    check_log: Callable[[], Awaitable[LogCheck]]
    """Goes through the whole log as it is stored."""

    async def status(self) -> dict[str, Any]:
        """Return one screen."""
        counts, health, trust, now = await self.models.counts(), self.health(), self.node.trust(), self.node.clock.now()
        head = await self.log.head()
        sections = {
            "Componentes": _section({name: "bien" if fine else "FALLA" for name, fine in health.components.items()}),
            "Bandeja de entrada": _section(counts["inbox"]),
            "Bandeja de salida": _section(counts["outbox"]),
            "Bitácora": _section({**counts["log"], "checkpoint": head.size if head else 0}),
            "Registro": _section(
                {"versión": trust.version, "política": trust.policy.version, "frescura": trust.freshness(now).value}
            ),
            "Reloj": _section({"estado": self._clock()}),
            "Avisos": _section(counts["alarms"]),
            "Respaldos": _section(await self._backups(now)),
        }
        return {
            "node": str(self.node.us),
            "mode": self.node.mode,
            "ready": health.ready,
            "counts": counts,
            "sections": sections,
            "demo": trust.federation.demo,
        }

    def _clock(self) -> str:
        skew = self.node.timekeeper.skew()
        if skew is not None:
            return f"SALTÓ {spoken(skew)}: nada se envía, se acepta ni se vence hasta que esté bien. {ClockWrongError.advice}"
        return "bien" if self.node.timekeeper.sure() else "sin confirmar por el registro"

    async def _backups(self, now: datetime) -> dict[str, Any]:
        taken, restore = await self.models.last_backup(), await self.models.restore()
        age = "ninguno: `paradero backup now`" if taken is None else f"hace {(now - taken).total_seconds() / 3600:.0f} h"
        found: dict[str, Any] = {"último": age}
        if restore is not None:
            waiting = restore["waiting_for"]
            found["restaurado"] = restore["restored"]
            found["conciliación"] = (
                "sin avisar aún"
                if not restore["announced"]
                else f"faltan {len(waiting)}: {', '.join(waiting)}"
                if waiting
                else "terminada"
            )
            found["devueltos"] = restore["returned"]
            found["perdidos"] = restore["lost"]
        return found

    async def policy(self) -> dict[str, Any]:
        """Return the policy in force, and SHA-256 of the register's file it stands in: what a signed paper names it by."""
        policy = self.node.trust().policy
        files = (await asyncio.to_thread(self.copy_register, ())).files
        found = [data for path, data in files.items() if path.startswith("targets/") and path.endswith(".policy.json")]
        # The register may have gone on between the two looks at it; then the digest would be another version's.
        digest = next((sha256(data).hexdigest() for data in found if parse_policy(data) == policy), None)
        told = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {"version": policy.version, "digest": digest, "policy": told}

    async def give_up(self, peer: NodeId, *, actor: ActorPseudonym) -> dict[str, Any]:
        """Stop waiting for what a peer should have given back after a restore."""
        return {"peer": str(peer), "ended": await give_up(peer, self.node, actor=actor)}

    async def outbox(self, state: str) -> dict[str, Any]:
        """Return lanes, and messages in one state."""
        return {"lanes": await self.models.lanes(), "messages": await self.models.outbox(state)}

    async def cases(self, eyes: Seen) -> dict[str, Any]:
        """Return the list of cases, without those that are the work of other offices alone."""
        return {"cases": await self.models.cases(eyes)}

    async def alarms(self) -> dict[str, Any]:
        """Return open alarms."""
        found = await self.models.alarms()
        return {"alarms": [item | {"for": list(ADDRESSEES.get(item["code"], ()))} for item in found]}

    async def imported(self) -> dict[str, Any]:
        """Return rows taken in so far."""
        return {"rows": await self.models.imported()}

    async def message(self, message_id: MessageId) -> dict[str, Any] | None:
        """Return what is known of one message."""
        return await self.models.message(message_id)

    async def pause(self, peer: NodeId, *, paused: bool, actor: ActorPseudonym) -> dict[str, Any] | None:
        """Pause or resume deliveries to one peer; None if the register has none of that name.

        A name typed wrong must not answer "paused" while the messages go on.
        """
        if peer not in self.node.trust().members:
            return None
        await pause_peer(peer, self.node, paused=paused, actor=actor)
        return {"peer": str(peer), "paused": paused}

    async def retry(self, message_id: MessageId, *, actor: ActorPseudonym) -> bool:
        """Try a waiting message now."""
        return await retry_now(message_id, self.node, actor=actor)

    async def import_file(self, mapping: str, name: str, data: bytes, *, by: Sender) -> dict[str, Any]:
        """Read a source file in its sandbox, send what can leave, and account for every row.

        Raises:
            NotAllowedError: it is of an office the person has no post at; nothing was sent.
            ExchangeError: the file as a whole was refused; nothing was sent.
        """
        reading = await asyncio.to_thread(self.read_source, mapping, name, data)
        if not by.may_send_for(reading.office):
            advice = f"La administración da el puesto: `paradero user roles USUARIO desk-clerk@{reading.office}`."
            raise NotAllowedError(f"Usted no tiene puesto en la oficina {reading.office} de ese mapeo.", advice=advice)
        ready = [self._desk_row(reading, row) for row in reading.rows if row.outcome == "imported"]
        sent = {result.row: result for result in await send_rows(ready, self.node, actor=by.actor, person=by.person)}
        rows = []
        for row in reading.rows:
            result = sent.get(row.row)
            rows.append(
                {
                    "row": row.row,
                    "outcome": result.outcome if result else row.outcome,
                    "reasons": [*row.reasons, *(result.reasons if result else ())],
                    "kinds": list(result.kinds) if result else [],
                    "thread_id": str(result.thread_id) if result and result.thread_id else None,
                    "messages": [str(item) for item in result.message_ids] if result else [],
                }
            )
        counts = Counter(str(row["outcome"]) for row in rows)
        return {"total": len(rows), "counts": dict(counts), "rows": rows, "notes": list(reading.notes)}

    def _desk_row(self, reading: Reading, row: SourceRow) -> DeskRow:
        return DeskRow(
            source=reading.source,
            row=row.row,
            key=self.row_digest(row.content),
            records=row.records,
            office=reading.office,
            channel=reading.channel,
            language=reading.language,
            authority=reading.authority,
            country=reading.country,
        )

    async def evidence(self, message_id: MessageId, *, actor: ActorPseudonym) -> bytes | None:
        """Return the evidence bundle of a message we sent and got a receipt for; None while there is none.

        `actor` is the person who asks: the recipient is asked for its part in their name.
        """
        sent = await self.models.sent(message_id)
        if sent is None or sent.receipt is None:
            return None
        if not sent.body:  # handed over, and reduced to its receipt
            raise ThreadErasedError("reduced to its receipt", threads=frozenset({sent.thread_id}))
        kept = await self.node.bodies.open(ThreadId(sent.thread_id), message_id, sent.body)
        receipt = self.node.opener.verify_receipt(sent.receipt, peer=NodeId(sent.lane)).receipt
        leaves = [leaf for leaf in await self.log.leaves_of(message_id) if leaf.event == "msg.sent"]
        if not leaves:
            return None
        recipient = await self._recipient_proof(sent, receipt.log.leaf, actor) if receipt.log else None
        with suppress(ExchangeError):
            await self.poll_register()  # the newest look at the register vouches for the most; an older one still serves
        register = await asyncio.to_thread(self.copy_register, (kept.jws.decode("ascii"), sent.receipt))
        parts = BundleParts(
            message=kept.jws.decode("ascii"),
            receipt=sent.receipt,
            leaf_data=leaves[0].data,
            leaf_disclosures=leaves[0].disclosures,
            sender_proof=await self.log.inclusion(leaves[0].leaf_hash),
            recipient_proof=recipient,
            register=register.files,
            keysets=register.keysets,
            verified_at=int(register.verified_at.timestamp()),
        )
        return build_bundle(parts)

    async def _recipient_proof(self, sent: SentMessage, leaf: str, actor: ActorPseudonym) -> str | None:
        """Ask the recipient for the proof of the leaf its receipt promised; without it the bundle says so."""
        draft = Draft(
            kind=AuditRequest,
            to=NodeId(sent.lane),
            body=AuditRequestBody(leaves=(leaf,)),
            purpose=OPERATE,
            basis=OPERATION_BASIS,
            actor=actor,
            thread_id=self.node.new_thread_id(self.node.clock.now()),
            case_key=f"evidence:{sent.message_id}",
        )
        try:
            reply = await ask(draft, self.node)
        except ExchangeError:
            return None
        if not isinstance(reply, AuditResponse):
            return None
        return next((item.proof for item in reply.body.proofs if b64u_decode(item.leaf) == b64u_decode(leaf)), None)

    async def federation(self) -> dict[str, Any]:
        """Return the register as this node knows it."""
        trust, now = self.node.trust(), self.node.clock.now()
        return {
            "federation": trust.federation.name,
            "demo": trust.federation.demo,
            "preset": trust.federation.preset,
            "version": trust.version,
            "published": trust.published_at.isoformat(),
            "freshness": trust.freshness(now).value,
            "policy": trust.policy.version,
            "members": [
                {
                    "node": str(member.node),
                    "name": member.name,
                    "role": member.role.value,
                    "country": member.country,
                    "standing": trust.standing(member.node, now).value,
                }
                for member in trust.members.values()
            ],
            "problems": [{"kind": item.kind, "node": str(item.node)} for item in trust.problems],
        }

    async def poll(self) -> dict[str, Any]:
        """Fetch the register now."""
        return {"changed": await self.poll_register(), "version": self.node.trust().version}

    async def metrics(self) -> bytes:
        """Return the metrics, gauges brought up to date."""
        counts = await self.models.counts()
        for queue, states in (("inbox", InboxState), ("outbox", OutboxState)):
            for state in states:  # those that nothing is in any more too: a gauge keeps what it was told last
                queue_size.labels(queue=queue, state=state.value).set(counts[queue].get(state.value, 0))
        log_size.set(counts["log"]["size"])
        alarms_open.set(counts["alarms"]["open"])
        register_age.set((self.node.clock.now() - self.node.trust().published_at).total_seconds())
        return metrics()


def _section(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in values.items()]

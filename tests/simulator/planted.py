"""Bugs of the kind that such systems really have. Each must be seen by the simulation, or the simulation is blind."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import and_, update

from gateway.exchange import arrivals, deliver, desk, dispatch, filing
from gateway.exchange.ports import DeliveryOutcome
from gateway.exchange.states import OutboxState
from gateway.storage import outbox_statements
from gateway.storage.audit import SqlAuditStage
from gateway.storage.inbox import SqlInbox
from gateway.storage.outbox import SqlOutbox
from gateway.storage.rows import to_ms
from gateway.storage.tables import inbox
from gateway.workers import loops
from gateway.workers.supervision import Loop
from tests.simulator.weather import Weather

STORM = Weather()


def receipt_before_commit(patch):
    """The receipt leaves while the transaction is still under way."""
    real = arrivals.store_verdicts

    async def hasty(verdicts, node):
        @asynccontextmanager
        async def later():
            yield Nothing()

        receipts = await real(verdicts, replace(node, begin=later))
        task = asyncio.ensure_future(real(verdicts, node))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return receipts

    patch.setattr(arrivals, "store_verdicts", hasty)


class Nothing:
    """A unit of work that stores nothing and says it did."""

    def __getattr__(self, _name):
        return self

    async def seen(self, _keys):
        return {}

    async def store(self, found):
        return frozenset(item.key for item in found)

    async def stage(self, _leaves):
        return None

    async def wake(self, _peer, *, now):
        return None


def leaf_in_a_transaction_of_its_own(patch):
    """The log learns of a message after the message was stored, in another transaction."""
    real, stage, kept = arrivals.store_verdicts, SqlAuditStage.stage, []

    async def without(self, leaves):
        kept.extend(leaf for leaf in leaves if leaf.event == "msg.received")
        await stage(self, [leaf for leaf in leaves if leaf.event != "msg.received"])

    async def split(verdicts, node):
        kept.clear()
        receipts = await real(verdicts, node)
        async with node.begin() as work:
            await stage(work.audit, kept)
        return receipts

    patch.setattr(SqlAuditStage, "stage", without)
    patch.setattr(arrivals, "store_verdicts", split)


def sent_before_the_receipt(patch):
    """A message counts as delivered when it is handed to the network."""

    async def hasty(lane, node, *, owner, pace=None):
        now = node.clock.now()
        async with node.begin() as work:
            claimed = await work.outbox.claim(lane, owner=owner, now=now, lease=timedelta(minutes=6), limit=50)
            outcomes = [DeliveryOutcome(item.message_id, OutboxState.DELIVERED, receipt="") for item in claimed]
            await work.outbox.finish(lane, outcomes, owner=owner, now=now, next_attempt=None)
        if claimed:
            await node.transport.deliver(lane, [item.envelope for item in claimed])
        return len(claimed)

    patch.setattr(loops, "deliver_lane", hasty)


def handling_is_not_idempotent(patch):
    """A report that is handled twice becomes two folios."""

    async def own_cases(_work, _messages):
        return {}

    patch.setattr(filing, "_own_cases", own_cases)


def the_duty_notice_follows_later(patch):
    """The transfer of a child's report and the notice to child protection enter the outbox in two transactions."""
    real, later = desk._send_some, []

    async def enqueue(prepared, work, **_options):
        later.extend(item.outgoing for item in prepared if item.message.type == "duty.notice")
        await work.outbox.put([item.outgoing for item in prepared if item.message.type != "duty.notice"])

    async def split(rows, node, actor):
        later.clear()
        results = await real(rows, node, actor)
        async with node.begin() as work:
            await work.outbox.put(later)
        return results

    patch.setattr(desk, "enqueue", enqueue)
    patch.setattr(desk, "_send_some", split)


def a_loop_ends_with_its_first_error(patch):
    """A long-lived loop is not supervised: one refusal of the database and it is gone, and nobody says so."""
    real = Loop._turn

    async def turn(self, now, sleep):
        before = self.health.failures
        await real(self, now, sleep)
        if self.health.failures > before and self.name == "dispatch":
            await asyncio.Event().wait()

    patch.setattr(Loop, "_turn", turn)


def a_silent_peer_is_given_up(patch):
    """A message that met silence is never tried again."""

    async def after_silence(_lane, node):
        return node.clock.now() + timedelta(days=365)

    patch.setattr(deliver, "_after_silence", after_silence)
    patch.setattr(outbox_statements, "LONGEST_SILENCE", timedelta(days=999))

    async def wake(self, _peer, *, now):
        return None

    patch.setattr(SqlOutbox, "wake", wake)


def the_reply_is_sent_before_the_message_is_done(patch):
    """The answer and the end of the message it answers are two transactions: after a crash between them, two answers."""
    real = dispatch._handled

    async def handled(item, message, node, handle):
        result = await real(item, message, node, handle)
        async with node.begin() as work:
            await dispatch.enqueue(result.replies, work, now=node.clock.now())
        return replace(result, replies=())

    patch.setattr(dispatch, "_handled", handled)


def a_lane_is_never_released(patch):
    """A delivery that ends in silence keeps its lane."""
    real, claim = deliver._finish, SqlOutbox.claim

    async def finish(lane, outcomes, node, *, owner, next_attempt):
        if next_attempt is None:
            await real(lane, outcomes, node, owner=owner, next_attempt=next_attempt)

    async def for_ever(self, lane, **others):
        return await claim(self, lane, **others | {"lease": timedelta(days=1)})

    patch.setattr(deliver, "_finish", finish)
    patch.setattr(SqlOutbox, "claim", for_ever)
    patch.setattr(outbox_statements, "LONGEST_LEASE", timedelta(days=2))


def a_silent_peer_is_asked_without_pause(patch):
    """A peer that is silent is asked again at once, and again."""

    async def after_silence(_lane, node):
        return node.clock.now()

    patch.setattr(deliver, "_after_silence", after_silence)


def a_stale_result_counts(patch):
    """A worker that was stopped past its lease still ends the message, whoever has it now and whatever became of it."""

    async def release(self, keys, _owner, **values):
        for key in keys:
            ours = and_(inbox.c.sender == key.sender, inbox.c.message_id == key.message_id)
            await self._connection.execute(update(inbox).where(ours).values(lease_owner=None, lease_until_ms=None, **values))
        return frozenset(keys)

    async def finish(self, lane, outcomes, *, owner, now, next_attempt):
        await self._record([(lane, outcome) for outcome in outcomes], to_ms(now))
        await self._release_lane(lane, owner, to_ms(now), next_attempt)
        return len(outcomes)

    patch.setattr(SqlInbox, "_release", release)
    patch.setattr(SqlOutbox, "finish", finish)


def a_repeat_earns_a_receipt_of_its_own(patch):
    """Who asks again about a message that is stored gets a new receipt, not the one that was given."""
    real = arrivals._settle_one

    async def settle(verdict, seen, made, fresh, *others):
        key = arrivals._key(verdict)
        receipt = await real(verdict, seen, made, fresh, *others)
        return receipt if key in fresh else made[id(verdict)].receipt

    patch.setattr(arrivals, "_settle_one", settle)


# Each with the promise it breaks and the weather in which it must be seen.
PLANTED = {
    receipt_before_commit: ("R1", STORM),
    sent_before_the_receipt: ("R1", STORM),
    handling_is_not_idempotent: ("R2", STORM),
    the_reply_is_sent_before_the_message_is_done: ("R2", STORM),
    leaf_in_a_transaction_of_its_own: ("R5", STORM),
    a_loop_ends_with_its_first_error: ("R8", STORM),
    a_silent_peer_is_given_up: ("R8", STORM),
    a_lane_is_never_released: ("R8", STORM),
    a_silent_peer_is_asked_without_pause: ("R8", STORM),
    a_stale_result_counts: ("R14", replace(STORM.only("freeze"), freeze=0.5)),
    the_duty_notice_follows_later: ("R22", replace(STORM.only("leave_desk"), leave_desk=0.8)),
    a_repeat_earns_a_receipt_of_its_own: ("R22", STORM.only("hang_up", "lose_reply")),
}

"""Bugs that break on bad lines, bad clocks and stopped processes. Each must turn a test's oracle red."""

import os
from datetime import datetime

from gateway.exchange import timekeeping
from gateway.storage.inbox import SqlInbox
from gateway.storage.outbox import SqlOutbox
from tests.simulator import planted


class Patch:
    """What pytest's monkeypatch is to a test, for a process that ends with its patches."""

    @staticmethod
    def setattr(where, name, value):
        setattr(where, name, value)


def a_silent_peer_is_given_up(patch=Patch) -> None:
    """A message that met silence is never tried again."""
    planted.a_silent_peer_is_given_up(patch)


def sent_before_the_receipt(patch=Patch) -> None:
    """A message counts as delivered when it is handed to the network."""
    planted.sent_before_the_receipt(patch)


def the_wall_clock_is_believed(patch=Patch) -> None:
    """Whatever the wall clock says now decides what has expired and what is refused."""
    patch.setattr(timekeeping.Timekeeper, "skew", lambda _self: None)
    patch.setattr(timekeeping.Timekeeper, "sure", lambda _self: True)


def whoever_finishes_last_wins(patch=Patch) -> None:
    """A worker's result is written whoever holds the lease, and nobody looks whether the message was answered before."""
    # Three nets: the lease, the answers given before, the books of exchanges. Each would hide the hole in the others.
    from sqlalchemy import select, update

    from gateway.exchange import dispatch
    from gateway.storage.rows import to_ms
    from gateway.storage.tables import inbox, outbox

    async def release(self, keys, _owner, **values):
        for key in keys:
            ours = (inbox.c.sender == key.sender) & (inbox.c.message_id == key.message_id)
            await self._connection.execute(update(inbox).where(ours).values(lease_owner=None, lease_until_ms=None, **values))
        return frozenset(keys)

    async def finish(self, lane, outcomes, *, owner, now: datetime, next_attempt):
        known = set((await self._connection.execute(select(outbox.c.message_id).where(outbox.c.lane == lane))).scalars())
        await self._record([(lane, item) for item in outcomes if item.message_id in known], to_ms(now))
        await self._release_lane(lane, owner, to_ms(now), next_attempt)
        return len(outcomes)

    async def answered(_self, _answers):
        return frozenset()

    patch.setattr(SqlInbox, "_release", release)
    patch.setattr(SqlOutbox, "finish", finish)

    async def enqueue(prepared, work, **_options):
        await work.outbox.put([item.outgoing for item in prepared])

    patch.setattr(SqlOutbox, "answered", answered)
    patch.setattr(dispatch, "enqueue", enqueue)


def a_full_batch_every_time(patch=Patch) -> None:
    """A request that was cut goes out again as large as before."""
    from gateway.exchange.deliver import Pace

    patch.setattr(Pace, "note", lambda _self, _lane, *, answered: None)


def suspensions_are_read_at_the_start(patch=Patch) -> None:
    """Who is suspended is looked up once, when the node starts."""
    from keys.register.state import TrustState

    patch.setattr(TrustState, "_suspended", lambda _self, _node, _now: False)


BUGS = {
    bug.__name__: bug
    for bug in (
        a_silent_peer_is_given_up,
        sent_before_the_receipt,
        the_wall_clock_is_believed,
        whoever_finishes_last_wins,
        a_full_batch_every_time,
        suspensions_are_read_at_the_start,
    )
}


def plant(name: str) -> None:
    """Plant a bug; say so in the node's log."""
    BUGS[name]()
    os.write(2, f"PLANTED {name}\n".encode())

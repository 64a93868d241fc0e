"""Fetches attachments from up to four peers side by side; a slow line holds up nobody but its own peer."""

import asyncio
from dataclasses import dataclass, field

from contracts.ids import NodeId
from gateway.exchange.attachment_ports import AttachmentEntry
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.collecting import PEERS_AT_ONCE, claim, collect, look_for_files


@dataclass(slots=True)
class Collector:
    """One slice a peer at a time; what is whole, or must wait, makes room for the next of that peer."""

    node: Capabilities
    wake: asyncio.Event
    _looked: bool = False
    """Whether the files were counted since the process began."""
    _running: dict[NodeId, asyncio.Task[None]] = field(default_factory=dict)

    async def turn(self) -> bool:
        """Start fetching from peers that have something due and nothing under way.

        Raises:
            Exception: what a fetch since the last turn raised; its attachment is due again when its lease lapses.
        """
        if not self._looked:
            await look_for_files(self.node)
            self._looked = True
        for peer in [peer for peer, task in self._running.items() if task.done()]:
            self._running.pop(peer).result()
        if self.node.timekeeper.skew() is not None or len(self._running) >= PEERS_AT_ONCE:
            return False
        for entry in await claim(self.node, but=frozenset(self._running)):
            if entry.peer is not None and len(self._running) < PEERS_AT_ONCE:
                task = asyncio.create_task(self._fetch(entry), name=f"collect {entry.peer}")
                task.add_done_callback(lambda _: self.wake.set())
                self._running[entry.peer] = task
        return False

    async def _fetch(self, entry: AttachmentEntry) -> None:
        await collect(entry, self.node)

    async def close(self) -> None:
        """Stop what is under way; what arrived is kept, the rest is asked for again."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

"""What every scene of the demo needs: the six nodes, who tells, and ways to wait and to look."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import Any

import aiohttp

from gateway.demo.clock import put_ahead
from gateway.demo.founding import DemoFederation
from gateway.demo.narrator import Narrator, StepFailedError
from gateway.demo.processes import DemoNode
from gateway.demo.staff import sign_in

SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Pages:
    """How the commands print two pages, as lines: what would leave of an answer, and who has which data of a case."""

    preview: Callable[[Mapping[str, Any]], Sequence[str]]
    who_has: Callable[[str, Sequence[dict[str, Any]]], Sequence[str]]


@dataclass(slots=True)
class Stage:
    """What every scene needs."""

    federation: DemoFederation
    session: aiohttp.ClientSession
    narrator: Narrator
    pages: Pages

    @property
    def conamigua(self) -> DemoNode:
        """The migrants' council: its desk takes families' reports."""
        return self.federation.nodes["gt.conamigua"]

    @property
    def mbmid(self) -> DemoNode:
        """The search mechanism."""
        return self.federation.nodes["gt.igm.mbmid"]

    @property
    def minex(self) -> DemoNode:
        """The foreign ministry with its consular offices."""
        return self.federation.nodes["gt.minex"]

    @property
    def pgn(self) -> DemoNode:
        """Child protection (Alba-Keneth)."""
        return self.federation.nodes["gt.pgn"]

    @property
    def inacif(self) -> DemoNode:
        """The forensic institute."""
        return self.federation.nodes["gt.inacif"]

    async def until(self, condition: Callable[[], Awaitable[bool]], claim: str) -> None:
        """Wait until `condition` holds.

        Raises:
            StepFailedError: it did not within `SETTLE_SECONDS`.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while not await condition():
            if time.monotonic() > deadline:
                raise StepFailedError(f"{claim}: no ocurrió en {SETTLE_SECONDS:.0f} s")
            await asyncio.sleep(0.1)

    async def pass_time(self, by: timedelta) -> None:
        """Put the clock of all nodes ahead; whoever works there signs in again: a session may have ended meanwhile."""
        await asyncio.to_thread(put_ahead, self.federation.home, by)
        people = [(node, login) for node in self.federation.nodes.values() for login in node.people]
        await asyncio.gather(*(sign_in(node, self.session, login) for node, login in people))

    async def cases(self, node: DemoNode, kind: str) -> list[dict[str, Any]]:
        """Return a node's cases of one kind."""
        answer = await node.get(self.session, "/api/v1/cases")
        return [case for case in answer["cases"] if case["kind"] == kind]

    async def import_file(self, node: DemoNode, fixture: str, mapping: str) -> dict[str, Any]:
        """Import a fixture at a node's desk."""
        data = files("gateway.demo").joinpath("fixtures", fixture).read_bytes()
        return await node.post(self.session, "/api/v1/imports", data, mapping=mapping, name=fixture)


Scene = Callable[[Stage], Awaitable[None]]

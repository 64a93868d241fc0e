"""Long-lived loops. A step that raises ends neither its loop nor another; health says so until it works again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from contracts.errors import ConfigurationError
from gateway.storage.unit_of_work import DiskFailedError
from gateway.telemetry import log, loop_failures

Step = Callable[[], Awaitable[bool]]

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class LoopHealth:
    """How one loop does."""

    failures_in_a_row: int = 0
    failures: int = 0
    last_success: datetime | None = None
    last_error: str | None = None


@dataclass(slots=True)
class Loop:
    """One loop: `step` returns True when there may be more to do at once; else it waits `idle` seconds or for `wake`."""

    name: str
    step: Step
    idle: float
    wake: asyncio.Event | None = None
    close: Callable[[], Awaitable[None]] | None = None
    pace: float = 0.0
    """Seconds it gathers work after it was woken: one turn then does what many small ones would."""
    health: LoopHealth = field(default_factory=LoopHealth)

    async def run(self, now: Callable[[], datetime], sleep: Callable[[float], Awaitable[None]]) -> None:
        """Run for ever.

        Raises:
            DiskFailedError: nothing may go on.
        """
        try:
            while True:
                await self._turn(now, sleep)
        finally:
            if self.close is not None:
                await self.close()

    async def _turn(self, now: Callable[[], datetime], sleep: Callable[[float], Awaitable[None]]) -> None:
        if self.wake is not None:
            self.wake.clear()
        try:
            again = await self.step()
        except DiskFailedError:
            raise
        except Exception as error:  # noqa: BLE001 - supervision: noted, shown, tried again; never silently ended
            await self._failed(error, sleep)
            return
        self.health.failures_in_a_row = 0
        self.health.last_success = now()
        if not again:
            await self._rest(sleep)

    async def _failed(self, error: Exception, sleep: Callable[[float], Awaitable[None]]) -> None:
        health = self.health
        health.failures += 1
        health.failures_in_a_row += 1
        health.last_error = type(error).__name__
        loop_failures.labels(loop=self.name).inc()
        log.error("loop-failed", loop=self.name, error=type(error).__name__, failures=health.failures_in_a_row)
        await sleep(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(health.failures_in_a_row, 10)))

    async def _rest(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        if self.wake is None:
            await sleep(self.idle)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self.idle):
                await self.wake.wait()
        if self.pace and self.wake.is_set():
            await sleep(self.pace)


async def supervise(loops: Sequence[Loop], *, now: Callable[[], datetime], sleep: Callable[[float], Awaitable[None]]) -> None:
    """Run all loops until cancelled; if one ends, which none may, all end with its error."""
    if len({loop.name for loop in loops}) != len(loops):
        raise ConfigurationError("two loops of one name")
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop.run(now, sleep), name=loop.name)

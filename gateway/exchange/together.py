"""Work that callers do for each other: durability is paid per commit, not per message (SPEC 8.1).

Whoever finds nobody at it starts it for all who wait. The task ends when nobody waits any more: nothing to supervise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

MOST = 64
"""How many items one turn takes: a bound on what one transaction holds."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Node = TypeVar("Node")

Work = Callable[[Sequence[Item], Node], Awaitable[Sequence[Result]]]
"""Does many items at once, wholly or not at all, and returns one result each, in order."""

_Waiting = list[tuple[Any, asyncio.Future[Any]]]


@dataclass(slots=True)
class _Queue:
    """Items that wait for one kind of work, and who is at it."""

    waiting: _Waiting = field(default_factory=list)
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Together:
    """Gathers items of concurrent callers, one queue per kind of work."""

    _queues: dict[Any, _Queue] = field(default_factory=dict)

    async def do(self, work: Work[Item, Node, Result], items: Sequence[Item], node: Node) -> list[Result]:
        """Return the result of each item once `work` has returned for it: what `work` commits is durable by then.

        Items that came together go to `work` together. When that fails, each goes alone: one that cannot be done hurts
        only itself. A caller that gives up takes along what nobody has begun, and never what others wait for.

        Raises:
            Exception: what `work` raised for the first of these items it failed for.
        """
        queue = self._queues.setdefault(work, _Queue())
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in items]
        queue.waiting.extend(zip(items, futures, strict=True))
        if queue.task is None:
            # Of its own, and not the caller's: one that leaves must not take the others' transaction with it.
            queue.task = asyncio.create_task(_until_nobody_waits(queue, work, node), name="together")
        try:
            return [await future for future in futures]
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise


async def _until_nobody_waits(queue: _Queue, work: Work[Any, Any, Any], node: object) -> None:
    batch: _Waiting = []
    try:
        while queue.waiting:
            taken, queue.waiting[:MOST] = queue.waiting[:MOST], []
            batch = [entry for entry in taken if not entry[1].cancelled()]
            if batch:
                await _turn(batch, work, node)
    except BaseException as error:
        # The process ends, or this life of it: nobody may wait for ever. Whoever asked hears why.
        for _, future in (*batch, *queue.waiting):
            _fail(future, error)
        queue.waiting.clear()
        if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
            raise
    finally:
        queue.task = None


async def _turn(batch: _Waiting, work: Work[Any, Any, Any], node: object) -> None:
    try:
        results = await work([item for item, _ in batch], node)
    except Exception as error:  # noqa: BLE001 - told to every caller below, never swallowed
        await _each_alone(batch, work, node, error)
        return
    for (_, future), result in zip(batch, results, strict=True):
        _settle(future, result)


async def _each_alone(batch: _Waiting, work: Work[Any, Any, Any], node: object, error: Exception) -> None:
    for item, future in batch:
        if len(batch) == 1:
            _fail(future, error)
            continue
        try:
            [result] = await work([item], node)
        except Exception as single:  # noqa: BLE001 - told to the caller it belongs to
            _fail(future, single)
        else:
            _settle(future, result)


def _settle(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, asyncio.CancelledError):
        future.cancel()
        return
    future.set_exception(error)
    future.exception()  # its caller may have left: nobody is to be told that nobody asked

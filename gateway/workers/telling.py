"""The loops that tell of notices. Each by itself: a mail server that hangs holds up no receiver, and neither the work."""

from collections.abc import Awaitable, Callable, Sequence

from gateway.exchange.capabilities import Capabilities
from gateway.exchange.noticing import look_around
from gateway.exchange.telling import Telling, mail_due, post_due, spread
from gateway.workers.supervision import Loop, Step

LOOK_SECONDS = 60.0


def telling_loops(
    node: Capabilities, telling: Telling, *, idle: float, close: Callable[[], Awaitable[None]] | None = None
) -> Sequence[Loop]:
    """Return the loops; `close` closes the connections to receivers."""

    async def look() -> bool:
        await look_around(node)
        return False

    steps: Sequence[tuple[str, Step, float]] = (
        ("notices", lambda: spread(node, telling), idle),
        ("webhooks", lambda: post_due(node, telling), idle),
        ("mail", lambda: mail_due(node, telling), idle),
        ("look-around", look, LOOK_SECONDS),
    )
    return [
        Loop(name, _by_a_right_clock(node, step), pause, close=close if name == "webhooks" else None)
        for name, step, pause in steps
    ]


def _by_a_right_clock(node: Capabilities, step: Step) -> Step:
    async def turn() -> bool:
        return node.timekeeper.skew() is None and await step()

    return turn

"""An event loop whose time is virtual: when nothing can run, it jumps to the next timer. One thread, no real waiting."""

import asyncio
import selectors


class DeadlockError(Exception):
    """Nothing can run and no timer is set: everything waits for something that will never come."""


class StrayError(Exception):
    """A task that nobody waited for failed."""


class _JumpingSelector(selectors.DefaultSelector):
    loop: "VirtualLoop"

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout is None:
            raise DeadlockError
        if not ready and timeout > 0:
            self.loop.virtual += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Same code, same order, same times: what runs on it is a function of its seed."""

    def __init__(self):
        selector = _JumpingSelector()
        super().__init__(selector)
        selector.loop = self
        self.virtual = 0.0

    def time(self):
        return self.virtual

    def run_in_executor(self, _executor, func, *args):
        """Run what would go to a thread here and now: threads would not replay."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def run(main, *, expected=()):
    """Run a coroutine on a loop of its own, and leave none of its tasks behind.

    A task nobody waits for may end with one of `expected`; anything else it ends with is an error of the run.
    """
    strays = []

    def stray(_loop, context):
        if not isinstance(context.get("exception"), tuple(expected)):
            strays.append(context)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().set_exception_handler(stray)
        result = runner.run(main)
    if strays:
        raise StrayError(strays)
    return result

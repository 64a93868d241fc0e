"""`python -m tests.faults.net_served CONFIG SETTINGS`: a node as a process, changed by a test before it starts.

SETTINGS is JSON: `bug` plants a bug of `tests.faults.net_bugs`; `lease` makes leases short, in seconds; `handle` makes the
work on each message take so many seconds longer; `published` names a folder the register is read from.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from gateway.config import load_config
from gateway.exchange import deliver, dispatch
from gateway.main import node
from gateway.main.serving import serve_node
from gateway.storage.inbox import SqlInbox
from gateway.storage.outbox import SqlOutbox
from keys.register.client import read_folder
from tests.faults import net_bugs


def prepare(settings: dict) -> None:
    """Change what a test asked to be changed, and say so."""
    if (lease := settings.get("lease")) is not None:
        deliver.LEASE = dispatch.LEASE = timedelta(seconds=lease)
    if (slow := settings.get("handle")) is not None:
        _slow_hands(slow)
    if (folder := settings.get("published")) is not None:
        node.register_fetch = lambda _config, _transport: read_folder(Path(folder))
    _tell_of_stale_results()
    if bug := settings.get("bug"):
        net_bugs.plant(bug)


def _tell_of_stale_results() -> None:
    """Write a line whenever a result comes from a worker that no longer holds the lease."""
    release, finish = SqlInbox._release, SqlOutbox.finish

    async def told_release(self, keys, owner, **values):
        ours = await release(self, keys, owner, **values)
        for _ in range(len(keys) - len(ours)):
            os.write(2, b"STALE dispatch\n")
        return ours

    async def told_finish(self, lane, outcomes, **named):
        number = await finish(self, lane, outcomes, **named)
        if number < len(outcomes):
            os.write(2, b"STALE delivery\n")
        return number

    SqlInbox._release, SqlOutbox.finish = told_release, told_finish


def _slow_hands(seconds: float) -> None:
    real = dispatch._handled

    async def handled(item, message, capabilities, handle):
        result = await real(item, message, capabilities, handle)
        await asyncio.sleep(seconds)
        return result

    dispatch._handled = handled


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with the test, however that ends
    prepare(json.loads(sys.argv[2]))
    os.write(2, b"PREPARED\n")
    sys.exit(asyncio.run(serve_node(load_config(Path(sys.argv[1])))))

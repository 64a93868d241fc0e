"""A process that has imported everything a node needs and forks nodes on request: a start without a second of imports.

Speaks lines of JSON: in `{"config": …, "log": …, "bug": …}`, out `{"started": pid}` and, when one ends, `{"ended": pid,
"code": …}`. Its nodes die with it, and it dies with whoever started it.
"""

import asyncio
import ctypes
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path

from contracts.errors import ExchangeError
from gateway.config import load_config
from gateway.main.serving import serve_node
from tests.faults import bugs

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.01


def main() -> None:
    waiting = b""
    while True:
        readable, _, _ = select.select([0], [], [], _LOOK_SECONDS)
        if readable:
            data = os.read(0, 65536)
            if not data:
                os._exit(0)  # at once: there is nothing to tidy, and a loaded machine takes its time over it
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                _say({"started": _fork(json.loads(line))})
        _reap()


def _say(what: dict) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _reap() -> None:
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})
    except ChildProcessError:
        return


def _fork(order: dict) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _become_node(order)
    finally:
        os._exit(1)


def _become_node(order: dict) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for here, there in ((null, 0), (log, 1), (log, 2)):
        os.dup2(here, there)
    os._exit(serve(Path(order["config"]), order.get("bug")))


def serve(config: Path, bug: str | None) -> int:
    """Serve a node, with a planted bug if one is named; return what `python -m gateway.main` would end with."""
    try:
        if bug:
            bugs.plant(bug)
        return asyncio.run(serve_node(load_config(config)))
    except ExchangeError as error:
        sys.stderr.write(f"{error} {error.advice}\n")
        return 3
    except BaseException:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    main()

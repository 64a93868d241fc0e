"""Runs the child and reads what it says, with a deadline and a cap on how much it may say."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread, Timer
from typing import IO, Any

from adapters.tabular.child import EXIT_REFUSED, OUTPUT
from adapters.tabular.refusals import refused

WALL_SECONDS = 20.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Cells:
    """All rows of a table as text, and notes on what was not read."""

    rows: list[tuple[int, list[str]]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a child said, and how it ended. `late`: it took longer than it may; `flood`: it said more than it may."""

    output: bytes
    code: int
    late: bool
    flood: bool


def run_child(module: str, data: bytes, *, seconds: float, most: int) -> Ran:
    """Run one of our own modules as a child with `data` on its stdin, for `seconds` at most, reading `most` bytes at most."""
    late = Event()
    with subprocess.Popen(  # noqa: S603 - our own module, no argument from outside
        [sys.executable, "-s", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PYTHONPATH": str(_ROOT), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    ) as child:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("asked for pipes, got none")
        timer = Timer(seconds, _too_late, (child, late))
        timer.start()
        feeder = Thread(target=_feed, args=(child.stdin, data), daemon=True)
        feeder.start()
        output = child.stdout.read(most + 1)
        if len(output) > most:
            _end(child)
        child.wait()
        timer.cancel()
        feeder.join()
    return Ran(output, child.returncode, late.is_set(), len(output) > most)


def read_cells(
    data: bytes, options: dict[str, Any], *, seconds: float = WALL_SECONDS, module: str = "adapters.tabular.child"
) -> Cells:
    """Return a file's cells, read by a child that can do nothing else.

    Raises:
        SourceRefusedError: the child refused the file, ran out of a limit, or died.
    """
    ran = run_child(module, json.dumps(options).encode() + b"\n" + data, seconds=seconds, most=OUTPUT + 1024)
    if ran.late:
        raise refused("reading-took-too-long")
    if ran.flood:
        raise refused("output-too-large")
    return _parse(ran.output, ran.code)


def _too_late(child: subprocess.Popen[bytes], late: Event) -> None:
    late.set()
    _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _feed(pipe: IO[bytes], data: bytes) -> None:
    with suppress(OSError):  # a child that refuses early reads no further
        pipe.write(data)
    with suppress(OSError):
        pipe.close()


def _parse(output: bytes, code: int) -> Cells:
    if code == EXIT_REFUSED:
        last = next(_messages(output[output.rfind(b"\n", 0, -1) + 1 :]), {})
        row = last.get("row")
        raise refused(str(last.get("refused", "reading-failed")), f"fila {int(row)}" if row else "")
    if code != 0:
        raise refused("reading-failed")
    rows: list[tuple[int, list[str]]] = []
    notes: list[str] = []
    for message in _messages(output):
        if "note" in message:
            notes.append(str(message["note"]))
        else:
            rows += [(int(number), [str(cell) for cell in cells]) for number, cells in message["rows"]]
    return Cells(rows, tuple(dict.fromkeys(notes)))


def _messages(output: bytes) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        try:
            yield json.loads(line)  # noqa: TID251 - what our own child wrote; a line cut short is skipped
        except ValueError:
            continue

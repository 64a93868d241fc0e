"""The demo's clock: the machine's, and as far ahead as the story has put it.

An answer waits for its slot and an erasure for its day. The story does not claim that they passed: it puts the clock of all
six nodes ahead, says so, and lets the nodes do what they do. All read one file, so that none lives at another time.
"""

from datetime import datetime, timedelta
from pathlib import Path

from gateway.main.node import SystemClock
from keys.keystore import write_durably

_FILE = "reloj"


class DemoClock(SystemClock):
    """The clock of every node of the demo in `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def now(self) -> datetime:
        """Return the machine's time, and what the story has added."""
        return super().now() + ahead(self._home)


def ahead(home: Path) -> timedelta:
    """Return how far ahead of the machine's clock the demo's is."""
    try:
        return timedelta(seconds=int((home / _FILE).read_text(encoding="ascii")))
    except FileNotFoundError:
        return timedelta()


def put_ahead(home: Path, by: timedelta) -> timedelta:
    """Put the demo's clock further ahead; return how far it is now. It never goes back."""
    now = ahead(home) + max(by, timedelta())
    write_durably(home / _FILE, str(int(now.total_seconds())).encode())
    return now

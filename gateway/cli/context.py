"""The clock of commands that work on files alone."""

from datetime import datetime

from gateway.main.node import SystemClock


def now() -> datetime:
    """Return the current time."""
    return SystemClock().now()

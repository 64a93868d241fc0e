"""When to try again. Pure: chance comes in as a function."""

from collections.abc import Callable
from datetime import datetime, timedelta

Uniform = Callable[[float, float], float]

LANE_BASE_SECONDS = 0.5
LANE_CAP_SECONDS = 30.0
MESSAGE_BASE_SECONDS = 10.0
MESSAGE_CAP_SECONDS = 3600.0


def next_lane_attempt(failures: int, now: datetime, uniform: Uniform) -> datetime:
    """Return when a silent peer is probed again: full jitter, at most 30 s while messages wait (SPEC 8.6)."""
    return now + timedelta(seconds=uniform(0.0, _capped(LANE_BASE_SECONDS, failures, LANE_CAP_SECONDS)))


def next_message_attempt(attempts: int, now: datetime, uniform: Uniform) -> datetime:
    """Return when one message that met a bare problem is tried again: it backs off alone, to hourly (SPEC 8.6)."""
    ceiling = _capped(MESSAGE_BASE_SECONDS, attempts, MESSAGE_CAP_SECONDS)
    return now + timedelta(seconds=uniform(ceiling / 2, ceiling))


def _capped(base: float, exponent: int, cap: float) -> float:
    return min(cap, base * float(1 << min(exponent, 20)))

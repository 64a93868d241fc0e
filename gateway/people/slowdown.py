"""How long who failed to sign in must wait. Nobody outside can shut anybody out for good (SPEC 13.4).

Failures are counted in buckets: one per account, one per address. A wait is never longer than a minute, an attempt during
it is refused unseen and does not prolong it, and every ten quiet minutes halve the count: an office that shares an address
is not held up by its own typing errors, and an attack is forgotten within two hours of its end. Who signed in from a
device before has a bucket of their own, that of account and device, and none of the others holds them up: a stranger can
guess all day, from anywhere, and whoever works here still comes in. An invitation is 256 bits and needs no bucket.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.people.ports import Failures

LONGEST = timedelta(seconds=60)
HALVED = timedelta(minutes=10)
FORGOTTEN = timedelta(hours=24)
"""When a bucket's row is swept; its count is zero long before."""
BURST = 5
"""Failures after which people are told; then at every doubling."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What failures are counted by, and how many cost nothing."""

    key: bytes
    free: int


def waiting(known: Failures | None, now: datetime) -> int:
    """Return the whole seconds still to wait; 0 when an attempt may be looked at now."""
    if known is None or known.until <= known.last_at:  # it cost nothing: who asked a moment before and comes after it goes on
        return 0
    left = known.until - now
    if left > LONGEST:  # nobody sets that: the clock was ahead when it was written
        return 0
    return max(0, -(-left // timedelta(seconds=1)))


def after_failure(bucket: Bucket, known: Failures | None, now: datetime) -> Failures:
    """Return the bucket with one failure more."""
    count = 1 if known is None else remembered(known, now) + 1
    over = count - bucket.free
    wait = timedelta() if over < 0 else min(LONGEST, timedelta(seconds=2 ** min(over, 10)))
    return Failures(bucket.key, count, now, now + wait)


def remembered(known: Failures, now: datetime) -> int:
    """Return how many of a bucket's failures still count."""
    quiet = max(0, (now - known.last_at) // HALVED)
    return known.count >> min(quiet, 64)


def burst(count: int) -> bool:
    """Return whether this failure is one to be told of: the fifth, the tenth, the twentieth and so on."""
    times, rest = divmod(count, BURST)
    return rest == 0 and times > 0 and times & (times - 1) == 0

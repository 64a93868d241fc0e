"""Whether this machine's clock can be believed (SPEC 8.7).

A wall clock jumps when a battery dies, an operator errs or a virtual machine wakes; what a node then decides by time
(that a message is dead, that a peer's is from the future, that a suspension is over) cannot be taken back. So the
clock is held against a steady one that only counts, and against the register's, which another machine signs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.errors import ClockWrongError
from gateway.exchange.ports import Clock

JUMP = timedelta(minutes=15)
"""More than this between the two clocks is a jump; three times the skew that messages may have."""
AGREES = (timedelta(minutes=-5), JUMP)
"""How old a register just published may look to a clock that is right."""


@dataclass(slots=True)
class Timekeeper:
    """Tells a clock that jumped from one that runs. Without a steady clock beside it, the clock is believed.

    `steady` returns seconds that no setting of the clock changes; `known` is a time that has surely passed; `hosts_register`
    says that no other machine's time comes with the register.
    """

    clock: Clock
    steady: Callable[[], float] | None = None
    known: datetime | None = None
    hosts_register: bool = False
    _right_at_zero: datetime = field(init=False)
    _confirmed: bool = field(init=False)

    def __post_init__(self) -> None:
        now = self.clock.now()
        behind = self.steady is not None and self.known is not None and now < self.known - JUMP and not self.hosts_register
        self._agree(self.known if behind and self.known is not None else now)
        self._confirmed = self.hosts_register or self.steady is None
        if self.known is not None:
            self.told(self.known)

    def skew(self) -> timedelta | None:
        """Return by how much the clock is off since it jumped; None while it is believed."""
        if self.steady is None:
            return None
        skew = self.clock.now() - self._right_at_zero - timedelta(seconds=self.steady())
        return skew if abs(skew) > JUMP else None

    def sure(self) -> bool:
        """Return whether the clock is believed and another machine's agreed with it: enough to end something by time."""
        return self._confirmed and self.skew() is None

    def told(self, published: datetime) -> None:
        """Take note of a register that was published a moment ago; where it agrees, the clock is right from here on."""
        if not self.hosts_register and AGREES[0] <= self.clock.now() - published <= AGREES[1]:
            self._agree(self.clock.now())
            self._confirmed = True

    def check(self) -> None:
        """Refuse to go on by a clock that jumped.

        Raises:
            ClockWrongError: it did; the text says by how much.
        """
        skew = self.skew()
        if skew is not None:
            raise ClockWrongError(f"this machine's clock jumped by {spoken(skew)}")

    def _agree(self, now: datetime) -> None:
        self._right_at_zero = now - timedelta(seconds=self.steady() if self.steady is not None else 0.0)


def spoken(skew: timedelta) -> str:
    """Return a skew as people read it: `+3650 d`, `-1.0 h`."""
    hours = skew.total_seconds() / 3600
    return f"{hours / 24:+.0f} d" if abs(hours) >= 48 else f"{hours:+.1f} h"

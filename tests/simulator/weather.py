"""How often what goes wrong. Probabilities are per call, per request or per commit; seconds are virtual."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Weather:
    """One history's climate. Every float between 0 and 1 is a probability."""

    crash: float = 1 / 3000
    crash_in_transaction: float = 1 / 400
    crash_at_commit: float = 1 / 25
    refuse: float = 1 / 400
    unknown_commit: float = 1 / 25
    lose_request: float = 0.12
    lose_reply: float = 0.2
    arrive_late: float = 0.1
    double: float = 0.25
    shuffle: float = 0.5
    hang_up: float = 0.15
    leave_desk: float = 0.2
    partition: float = 0.15
    flap: float = 0.3
    freeze: float = 1 / 12
    long_down: float = 1 / 15
    wrong_clock: float = 0.5
    storm_seconds: float = 40.0
    rows: int = 12
    lease_seconds: float | None = 20.0

    def only(self, *names):
        """Return this climate with nothing going wrong but `names`."""
        calm = {field.name: 0.0 for field in fields(self) if field.type is float and field.name != "storm_seconds"}
        return Weather(**calm | {name: getattr(self, name) for name in names})


# What must have been seen over a run, or it proved little.
KINDS = (
    "crash-before",
    "crash-after",
    "refuse",
    "unknown-commit",
    "lose-request",
    "lose-reply",
    "arrive-late",
    "double",
    "shuffle",
    "hang-up",
    "leave-desk",
    "cut",
    "flap",
    "freeze",
    "long-down",
    "wrong-clock",
    "answered-in-storm",
    "answered-again",
    "replayed",
    "stale-refused",
)

"""Is the sought person a child? Pure; errs towards the child (domain: unknown and possibly under 18 counts)."""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from contracts.fields import plain

Minority = Literal["yes", "no", "possible"]

ADULT_AGE = 18


def minority(values: Mapping[str, Any], today: date) -> Minority:
    """Return whether the person of a missing-person record is under 18 on `today`.

    `values` are the record's values, plain or stated, in the shapes of the field dictionary (SPEC 6.2). Every age the
    values leave possible is considered; with none given, the answer is "possible".
    """
    youngest, oldest = _possible_ages(values, today)
    if oldest < ADULT_AGE:
        return "yes"
    return "no" if youngest >= ADULT_AGE else "possible"


def _possible_ages(values: Mapping[str, Any], today: date) -> tuple[int, int]:
    born, aged = plain(values.get("birth_date")), plain(values.get("age_range"))
    ranges = [found for found in (_from_birth(born, today), _from_range(aged)) if found]
    if not ranges:
        return 0, 150
    # Two statements that disagree leave both possible: the younger one decides whether a child may be missing.
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _from_range(value: Any) -> tuple[int, int] | None:
    if not isinstance(value, Mapping):
        return None
    low, high = value.get("min"), value.get("max")
    if low is None and high is None:
        return None
    return (0 if low is None else int(low)), (150 if high is None else int(high))


def _from_birth(value: Any, today: date) -> tuple[int, int] | None:
    if not isinstance(value, Mapping):
        return None
    first = value.get("from", value.get("date"))
    last = value.get("to", value.get("date"))
    if first is None or last is None:
        return None
    approximate = 1 if value.get("precision") == "approximate" else 0
    return max(0, _age(_latest(str(last)), today) - approximate), _age(_earliest(str(first)), today) + approximate


def _age(born: date, today: date) -> int:
    return max(0, today.year - born.year - ((today.month, today.day) < (born.month, born.day)))


def _earliest(text: str) -> date:
    parts = [int(part) for part in text.split("-")]
    return date(parts[0], parts[1] if len(parts) > 1 else 1, parts[2] if len(parts) > 2 else 1)


def _latest(text: str) -> date:
    parts = [int(part) for part in text.split("-")]
    if len(parts) > 2:
        return date(*parts)
    if len(parts) == 2:
        return date(parts[0], parts[1], monthrange(parts[0], parts[1])[1])
    return date(parts[0], 12, 31)

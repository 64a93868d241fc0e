"""Small numbers are not shown, and nothing that is shown gives them away. Pure.

A number from 1 to 4 tells of one person, or of few. It is hidden; and so is as much besides as it takes for no total, less
what is shown of it, to tell a hidden number, nor that it is small. Nought is shown: it tells of nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SMALL = 5
"""The smallest number that is shown, but for nought."""
_FAR = 1 << 60
Place = tuple[int, int]
Rule = tuple[Place, tuple[Place, ...]]
"""A total, and the places it is the sum of."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as it may be shown: None is hidden. `across`: the sum of each row; `down`: of each column; `whole`: of all."""

    cells: tuple[tuple[int | None, ...], ...]
    across: tuple[int | None, ...]
    down: tuple[int | None, ...]
    whole: int | None


def shown(numbers: Sequence[Sequence[int]], *, columns: bool = True) -> Grid:
    """Return what may be shown of a table and its sums. Without `columns` only rows are summed: what is in two counts twice."""
    height, width = len(numbers), len(numbers[0]) if numbers else 0
    values = {(row, column): number for row, line in enumerate(numbers) for column, number in enumerate(line)}
    values |= {(row, width): sum(numbers[row]) for row in range(height)}
    if columns:
        values[height, width] = sum(sum(line) for line in numbers)
        values |= {(height, column): sum(line[column] for line in numbers) for column in range(width)}
    hidden = _hide(values, list(_rules(height, width, columns=columns)))

    def told(row: int, column: int) -> int | None:
        return None if (row, column) in hidden else values.get((row, column))

    return Grid(
        cells=tuple(tuple(told(row, column) for column in range(width)) for row in range(height)),
        across=tuple(told(row, width) for row in range(height)),
        down=tuple(told(height, column) for column in range(width)),
        whole=told(height, width),
    )


def nested(numbers: Sequence[int]) -> tuple[int | None, ...]:
    """Return what may be shown of numbers each of which is part of the one before: what a stage lost may be small too."""
    found: list[int | None] = []
    last: int | None = None
    for number in numbers:
        lost = 0 if last is None else last - number
        safe = not _small(number) and not _small(lost)
        found.append(number if safe else None)
        last = number if safe else last
    return tuple(found)


def _small(number: int) -> bool:
    return 0 < number < SMALL


def _rules(height: int, width: int, *, columns: bool) -> Iterator[Rule]:
    for row in range(height + columns):
        yield (row, width), tuple((row, column) for column in range(width))
    for column in range(width + 1 if columns else 0):
        yield (height, column), tuple((row, column) for row in range(height))


def _hide(values: Mapping[Place, int], rules: Sequence[Rule]) -> frozenset[Place]:
    hidden = {place for place, value in values.items() if _small(value)}
    while True:
        lows, highs = _known(values, hidden, rules)
        given_away = (
            place for place in sorted(hidden) if lows[place] == highs[place] or (_small(values[place]) and highs[place] < SMALL)
        )
        more = next((found for place in given_away for found in [_besides(place, values, hidden, rules)] if found), None)
        if more is None:
            return frozenset(hidden)
        hidden.add(more)


def _besides(place: Place, values: Mapping[Place, int], hidden: set[Place], rules: Sequence[Rule]) -> Place | None:
    """Return what to hide besides: the smallest number beside this one; where there is none a sum, or any other."""
    lines = [(total, parts) for total, parts in rules if place == total or place in parts]
    beside = {other for _, parts in lines for other in parts if other not in hidden and values[other]}
    totals = {total for total, _ in lines if total not in hidden and values[total]}
    found = beside - {place} or totals - {place} or {other for other, value in values.items() if value} - hidden
    return min(found, key=lambda other: (values[other], other), default=None)


def _known(values: Mapping[Place, int], hidden: set[Place], rules: Sequence[Rule]) -> tuple[dict[Place, int], dict[Place, int]]:
    """Return the least and the most each place can be, to whoever knows what is shown and that what is hidden is not nought."""
    lows = {place: 1 if place in hidden else value for place, value in values.items()}
    highs = {place: _FAR if place in hidden else value for place, value in values.items()}
    moved = True
    while moved:
        moved = False
        for total, parts in rules:
            low, high = sum(lows[part] for part in parts), sum(highs[part] for part in parts)
            moved |= _tighten(total, low, high, lows, highs)
            for part in parts:
                rest_low, rest_high = low - lows[part], high - highs[part]
                moved |= _tighten(part, lows[total] - rest_high, highs[total] - rest_low, lows, highs)
                low, high = rest_low + lows[part], rest_high + highs[part]
    return lows, highs


def _tighten(place: Place, low: int, high: int, lows: dict[Place, int], highs: dict[Place, int]) -> bool:
    moved = low > lows[place] or high < highs[place]
    lows[place], highs[place] = max(low, lows[place]), min(high, highs[place])
    return moved

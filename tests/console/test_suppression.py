"""Small numbers stay hidden from somebody who subtracts: every table is attacked by a solver that knows nothing of how it was made."""

import random
from itertools import product

import pytest

from gateway.console import suppression
from gateway.console.suppression import SMALL, nested, shown

SEED = 20261126


TOP = 9


def row_fits(parts, total):
    """Every way to fill one row so that it makes its total, where that is shown."""
    choices = [range(1, TOP) if part is None else (part,) for part in parts]
    return [filled for filled in product(*choices) if total is None or sum(filled) == total]


def given_away(numbers, grid, *, columns):
    """Hidden numbers that trying everything finds: what is shown adds up, and what is hidden is at least one."""
    width = len(numbers[0])
    true = {(r, c): value for r, line in enumerate(numbers) for c, value in enumerate(line)}
    open_ones = {place for place in true if grid.cells[place[0]][place[1]] is None}
    possible = {place: set() for place in open_ones}
    for chosen in product(*(row_fits(line, total) for line, total in zip(grid.cells, grid.across, strict=True))):
        sums = [sum(line[c] for line in chosen) for c in range(width)]
        if columns and not (fits(sums, grid.down) and fits([sum(sums)], [grid.whole])):
            continue
        for place in list(open_ones):
            possible[place].add(chosen[place[0]][place[1]])
            if safe(true[place], possible[place]):
                open_ones.discard(place)
        if not open_ones:
            return []
    return [(place, possible[place]) for place in sorted(open_ones)]


def fits(sums, told):
    return all(one is None or one == other for one, other in zip(told, sums, strict=True))


def safe(true, possible):
    return len(possible) > 1 and (true >= SMALL or max(possible) >= SMALL)


def tables(count):
    chance = random.Random(SEED)
    for _ in range(count):
        height, width = chance.choice([(1, 2), (1, 3), (1, 4), (2, 2), (2, 3)])
        yield [[chance.choice([0, 0, 1, 2, 3, 4, 5, 6, 7]) for _ in range(width)] for _ in range(height)], chance.random() < 0.6


def test_no_small_number_is_shown_and_none_can_be_worked_out():
    tried = hidden = 0
    for numbers, columns in tables(150):
        grid = shown(numbers, columns=columns)
        told = [value for line in (*grid.cells, grid.across, grid.down if columns else ()) for value in line]
        assert not [value for value in told if value is not None and 0 < value < SMALL], (SEED, numbers)
        assert given_away(numbers, grid, columns=columns) == [], (SEED, numbers, grid)
        tried, hidden = tried + 1, hidden + sum(value is None for line in grid.cells for value in line)
    print(f"seed {SEED}: {tried} tables, {hidden} numbers hidden")
    assert hidden > 100


def test_control_hiding_only_what_is_small_gives_it_away(monkeypatch):
    monkeypatch.setattr(suppression, "_besides", lambda *_: None)
    assert any(given_away(numbers, shown(numbers, columns=columns), columns=columns) for numbers, columns in tables(40))


def test_what_is_not_small_is_shown_with_its_sums():
    grid = shown([[10, 20], [30, 0]])
    assert grid.cells == ((10, 20), (30, 0))
    assert (grid.across, grid.down, grid.whole) == ((30, 30), (40, 20), 60)
    assert shown([]).cells == ()
    assert shown([[0, 0]]).across == (0,)


def test_a_total_does_not_betray_the_one_number_that_is_hidden():
    grid = shown([[10, 3, 20]], columns=False)
    assert grid.cells[0].count(None) >= 2
    assert grid.across == (33,)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((40, 38, 30, 30), (40, None, 30, 30)),
        ((3, 3, 3, 0), (None, None, None, 0)),
        ((20, 20, 9, 6), (20, 20, 9, None)),
        ((0, 0), (0, 0)),
    ],
)
def test_what_a_stage_lost_is_not_told_where_it_is_few(numbers, told):
    assert nested(numbers) == told

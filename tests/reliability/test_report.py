"""The report cannot say more than the ledger: untried, broken and blind are each told."""

import pytest

from tests.reliability import ledger, report
from tests.reliability.promises import PROMISES


@pytest.fixture
def own_ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("PARADERO_LEDGER", str(tmp_path / "own" / "ledger.jsonl"))
    return lambda: report.read(ledger.path().read_text().splitlines())


def keep_all():
    for name, promise in PROMISES.items():
        if promise.later is None:
            ledger.note(name, "tried", unit="times", trials=300, failures=0, seed=1, figures={"recovery ms": 12})
            ledger.control(name, "A planted bug.", seen=True)


def test_a_run_that_kept_everything_misses_nothing(own_ledger):
    keep_all()
    assert list(report.missing(own_ledger())) == []


def test_untried_broken_and_blind_are_told(own_ledger):
    keep_all()
    ledger.note("R2", "tried", unit="times", trials=10, failures=1)
    ledger.control("R3", "Another bug.", seen=False)
    told = list(report.missing(own_ledger()))
    assert told == ["R2: tried: 1 of 310 broke it", "R3: planted and not seen: Another bug."]
    assert any("nothing was tried" in line for line in report.missing(report.read([])))


def test_the_bound_is_that_of_clopper_and_pearson():
    assert report.bound(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300), rel=1e-6)
    assert report.bound(1, 100) == pytest.approx(0.04656, rel=1e-3)  # tables of the exact interval
    assert report.bound(0, 0) == report.bound(5, 5) == 1.0


def test_the_report_shows_every_promise_with_its_figures(own_ledger):
    keep_all()
    text = report.write(own_ledger(), machine="2026-01-01, a machine", commit="abc", size="night")
    for name, promise in PROMISES.items():
        assert name in text
        assert promise.statement in text
    assert "| tried | 300 times | 0 | 0.99 % | 1 | recovery ms 12 |" in text


def test_an_unknown_promise_is_refused(own_ledger):
    with pytest.raises(KeyError):
        ledger.note("R99", "tried", unit="times", trials=1, failures=0)

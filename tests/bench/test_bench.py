"""The bench runs end to end and its result has its shape. No number is asserted: a test is no measurement."""

import json
import subprocess
import sys

import pytest

from tests.bench.exchange import VARIANTS
from tests.bench.report import judged


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_quick_bench_writes_result_table_and_plot(tmp_path):
    command = [sys.executable, "-m", "tests.bench.exchange", "--quick", "--output", str(tmp_path)]
    subprocess.run(command, check=True, timeout=880)
    found = json.loads((tmp_path / "exchange.json").read_text())
    assert found["quick"] is True
    assert {"date", "machine", "exchanges", "bounds", "primitives", "idle", "ratios", "targets"} <= set(found)
    for variants in found["exchanges"].values():
        assert set(variants) == set(VARIANTS)
        for row in variants.values():
            assert all(value >= 0 for value in row.values())
            assert row["bytes"] > 0
    assert all(name in (tmp_path / "exchange.md").read_text() for name in VARIANTS)
    assert (tmp_path / "exchange.svg").read_text().startswith("<svg")


def test_a_target_missed_or_not_measured_is_said_so():
    missed = {item["what"]: item["met"] for item in judged({"idle": {"cpu_percent": 2.0, "resident_mb": 80.0}})}
    assert missed["Idle, % of a core"] is False
    assert missed["Idle, MB resident"] is True
    assert missed["Start to ready, seconds"] is None

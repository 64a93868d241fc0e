"""The bench against the peers: how it judges, and that it runs end to end. No number is asserted: a test is no measurement."""

import json
import subprocess
import sys

import pytest

from gateway.federation.limits import AddressBudget
from tests.bench.peers import judging
from tests.bench.peers.__main__ import IN_FLIGHT, OURS, PEERS, SIZES, rest, text, variant
from tests.bench.peers.environments import HERE, PeerMissingError, find_python, prepare


def _row(cpu, size, padding=0):
    return {
        "cpu_ms": cpu, "cpu_ms_send": cpu / 2, "cpu_ms_receive": cpu / 2, "bytes": size, "padding": padding, "per_second": 1,
        "p50_ms": 1, "p99_ms": 1, "payload": 4000,
    }  # fmt: skip


def _found(rows, peers):
    found = {
        "date": "2026-01-01T00:00:00+00:00", "quick": False, "repetitions": 3, "peers": peers, "acapy_admin_cpu_ms": None,
        "machine": {"cores": 2, "system": "Linux", "python": "3.11", "load": 0.0, "load_end": 0.0},
        "exchanges": {name: {at: kept[0] for at, kept in variants.items()} for name, variants in rows.items()},
        "ratios": judging.compared(rows),
    }  # fmt: skip
    return found | {"targets": judging.judged(found)}


def _told(**missing):
    told = {"missing": None, "about": "x", "durable": True, "receipt": True, "how": "x"}
    return {"paradero": OURS} | {peer.NAME: told | {"missing": missing.get(peer.NAME)} for peer in PEERS}


def test_ratios_are_taken_inside_each_repetition_and_their_median_counts():
    # The machine grew three times slower in the second repetition: only a comparison across repetitions would see it.
    ours = [_row(2, 8000), _row(6, 8000), _row(2, 8000)]
    theirs = [_row(20, 10_000), _row(60, 10_000), _row(26, 10_000)]
    found = judging.ratios(ours, theirs)
    assert found["cpu"] == pytest.approx(0.1)
    assert found["fewer"] == pytest.approx(10)
    assert found["bytes"] == pytest.approx(0.8)


def test_padding_is_taken_off_as_it_travels_and_never_hidden():
    ours, theirs = [_row(1, 8000, padding=900)] * 3, [_row(1, 8000)] * 3
    found = judging.ratios(ours, theirs)
    assert found["bytes"] == pytest.approx((8000 - 1600) / 8000)
    assert found["bytes_padded"] == pytest.approx(1)


def test_the_bound_of_the_bytes_is_where_the_ratio_is_what_is_wanted():
    ours, theirs = (_row(1, 4000 * size + besides) for size, besides in ((16 / 9, 3000), (1, 6000)))
    told = judging.bound_of_bytes(ours, theirs)
    assert (told["ours"], told["theirs"]) == (pytest.approx(3000), pytest.approx(6000))
    assert (told["up_to"] * 16 / 9 + 3000) / (told["up_to"] + 6000) == pytest.approx(0.8)


@pytest.mark.parametrize(("cpu", "met"), [(4.9, False), (5.1, True)])
def test_a_target_is_met_or_missed_by_the_numbers(cpu, met):
    at = judging.TARGETED
    rows = {"paradero": {at: [_row(1, 1)] * 3}, "acapy": {at: [_row(cpu, 1)] * 3}}
    found = {item["what"]: item["met"] for item in _found(rows, _told())["targets"]}
    assert [found[what] for what in found if what.startswith("ACA-Py")] == [met]
    assert [found[what] for what in found if what.startswith("AS2")] == [None]


def test_a_peer_that_cannot_be_had_is_said_so():
    at = judging.TARGETED
    found = _found({"paradero": {at: [_row(1, 1)] * 3}}, _told(as2="PeerMissingError: no such package"))
    table = judging.table(found)
    assert "**NOT MEASURED: PeerMissingError: no such package**" in table
    assert "not measured" in table
    assert judging.plot(found).startswith("<svg")


def test_a_peer_without_a_python_or_whose_pins_do_not_install_has_a_reason(tmp_path):
    with pytest.raises(PeerMissingError, match=r"no Python 3\.90 or newer"):
        find_python((3, 90))
    pins = tmp_path / "pins.txt"
    pins.write_text("no-hash-here==1\n")
    with pytest.raises(PeerMissingError, match="pip install"):
        prepare("as2", cache=tmp_path / "cache", pins=pins)
    assert not (tmp_path / "cache/as2/pins.sha256").exists()


def test_every_peer_is_pinned_with_hashes():
    for peer in PEERS:
        pins = (HERE / f"{peer.NAME}.txt").read_text()
        named = [line for line in pins.splitlines() if line and not line.startswith(" ")]
        assert named
        assert all("==" in line for line in named)
        assert pins.count("--hash=sha256:") >= len(named)


def test_the_payload_has_its_length_and_is_the_same_in_every_run():
    assert [len(text(length)) for length in (1, 41, 42, 43, 436, 30_284)] == [1, 41, 42, 43, 436, 30_284]
    assert text(5000)[:436] == text(436)


def test_the_bench_rests_until_the_door_takes_as_much_again():
    budget = AddressBudget()
    assert rest(budget.bytes_per_second * 40, 30) == pytest.approx(10)
    assert rest(budget.bytes_per_second, 30) == 0
    with pytest.raises(RuntimeError, match="more than the door takes"):
        rest(budget.burst + 1, 30)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_quick_run_writes_result_table_and_plot(tmp_path):
    command = [sys.executable, "-m", "tests.bench.peers", "--quick", "--output", str(tmp_path)]
    subprocess.run(command, check=True, timeout=880)
    found = json.loads((tmp_path / "peers.json").read_text())
    assert found["quick"] is True
    assert set(found["peers"]) == {"paradero", *(peer.NAME for peer in PEERS)}
    assert set(found["exchanges"]["paradero"]) == {variant(size, number) for size in SIZES for number in IN_FLIGHT}
    for peer in PEERS:
        told = found["peers"][peer.NAME]
        if told["missing"]:  # without the network there are none, and the result says why
            assert peer.NAME not in found["exchanges"]
            continue
        assert set(found["exchanges"][peer.NAME]) == {variant(size, number) for size in peer.SIZES for number in peer.IN_FLIGHT}
        assert {"durable", "receipt", "how"} <= set(told)
        for row in found["exchanges"][peer.NAME].values():
            assert row["bytes"] > row["payload"]
    assert (tmp_path / "peers.md").read_text().startswith("# ")
    assert (tmp_path / "peers.svg").read_text().startswith("<svg")

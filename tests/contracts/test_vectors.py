"""Golden bytes (SPEC 12): what stands in the repository is what the code makes, for every type."""

import subprocess
import sys
from pathlib import Path

import pytest

from contracts.codec import decode_message, encode_message, parse_object
from contracts.messages import MESSAGE_TYPES
from contracts.receipts import decode_receipt
from contracts.vectors import examples, golden
from tests.contracts.make_vectors import FOLDER, ROOT, TEMPLATES, differences, template_files


def test_nothing_has_drifted() -> None:
    assert differences(golden.golden_files()) == []
    assert differences(template_files(), TEMPLATES) == []


def test_drift_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "b.json").write_bytes(b"{}")
    assert differences({"a.json": b"{}", "schemas/b.json": b"{}"}, tmp_path) == []
    assert differences({"a.json": b"{ }", "c.json": b"{}"}, tmp_path) == [
        "c.json: missing",
        "schemas/b.json: nothing makes it",
        "a.json: differs",
    ]


@pytest.mark.parametrize("name", sorted(MESSAGE_TYPES))
def test_each_type_has_its_vector(name: str) -> None:
    data = (FOLDER / f"{name}.json").read_bytes()
    message = decode_message(data)
    assert message.type == name
    assert message == examples.messages()[name]
    assert encode_message(message) == data


def test_no_vector_without_a_type() -> None:
    others = {"receipt-accepted", "receipt-rejected", "receipt-unopened", "ping-padded"}
    assert {path.stem for path in FOLDER.glob("*.json")} == set(MESSAGE_TYPES) | others
    for name in others - {"ping-padded"}:
        assert decode_receipt((FOLDER / f"{name}.json").read_bytes()) == golden.receipts()[name]


def test_the_padded_vector() -> None:
    data = (FOLDER / "ping-padded.json").read_bytes()
    assert len(data) == golden.PADDED_LENGTH
    assert decode_message(data) == examples.messages()["ping"]
    assert list(parse_object(data))[-1] == "pad"


def test_the_examples_are_an_exercise_of_invented_people() -> None:
    for message in examples.messages().values():
        assert message.mode == "exercise"


def test_the_generator_checks_from_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "tests/contracts/make_vectors.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "as generated" in done.stdout

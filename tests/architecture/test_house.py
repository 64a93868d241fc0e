"""Habits of the repository that no linter knows."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import contracts

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TRACKED = [
    ROOT / name
    for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
]
TEXT = [
    path
    for path in TRACKED
    if path.suffix in {".py", ".md", ".toml", ".json", ".sh", ".conf", ".service", ""} and path.is_file()
]


def test_the_four_packages_are_ours_and_not_namesakes_from_an_index():
    assert Path(contracts.__file__).is_relative_to(ROOT)
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["gateway", "adapters", "contracts", "keys"]


def test_every_dependency_says_why_it_is_there():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    start = lines.index("dependencies = [")
    for number in range(start + 1, lines.index("]", start)):
        if lines[number].strip().startswith('"'):
            assert lines[number - 1].strip().startswith("#"), lines[number]


def test_every_locked_package_has_hashes_and_no_index_is_named():
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text()
        assert "--index" not in text
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9].*==", text, re.MULTILINE)
        assert len(pins) > 20
        assert len(re.findall(r"^[a-z0-9].*\\\n    --hash=sha256:", text, re.MULTILINE)) == len(pins)


def test_the_runtime_lock_is_part_of_the_development_lock():
    def pins(name):
        return set(re.findall(r"^([a-z0-9._-]+==[^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


@pytest.mark.parametrize("name", ["utils", "common", "helpers", "manager", "service", "misc"])
def test_no_drawer_that_nobody_sorts(name):
    assert [path for path in TRACKED if path.stem == name and path.suffix == ".py"] == []


def test_no_new_suppression_without_code_and_reason():
    bare = re.compile(r"# type: ignore(?!\[[a-z-]+(?:,\s*[a-z-]+)*\]\s+# \S)|# noqa(?!: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)* - \S)")
    found = []
    for path in TEXT:
        if path.suffix == ".py" and not str(path.relative_to(ROOT)).startswith("tests/"):
            found += [
                f"{path.relative_to(ROOT)}:{n}" for n, line in enumerate(path.read_text().splitlines(), 1) if bare.search(line)
            ]
    assert found == []


def test_no_mocks():
    needles = ["unittest." + "mock", "Magic" + "Mock", "mocker" + "."]
    found = [path for path in TEXT if path.suffix == ".py" and any(needle in path.read_text() for needle in needles)]
    assert found == []


def cited(text):
    """What a text cites that nobody can look up: a section of the protocol, a decision, or a paper that is not here."""
    spec, records = (ROOT / "docs/SPEC.md").read_text(), (ROOT / "docs/decisions/README.md").read_text()
    sections = set(re.findall(r"^#+ (\d+(?:\.\d+)*)", spec, re.MULTILINE)) | set(re.findall(r"\*\*(\d+\.\d+)\b", spec))
    decisions = set(re.findall(r"^(\d+)\. \*\*", records, re.MULTILINE))
    missing = [f"SPEC {number}" for number in re.findall(r"\bSPEC (\d+(?:\.\d+)*)", text) if number not in sections]
    missing += [f"decision {number}" for number in re.findall(r"\bdecision (\d+)", text) if number not in decisions]
    return missing + re.findall(r"\bruling \d+", text)


def test_what_the_code_cites_can_be_looked_up():
    found = {path.relative_to(ROOT): cited(path.read_text()) for path in TEXT if path.suffix in {".py", ".md"}}
    assert {path: missing for path, missing in found.items() if missing} == {}


def test_control_a_citation_of_nothing_is_seen():
    assert cited("As SPEC 5 and decision 4 have it.") == []
    nothing = [" ".join(pair) for pair in (("SPEC", "99.1"), ("decision", "999"), ("ruling", "20"))]
    assert cited(", ".join(nothing)) == nothing

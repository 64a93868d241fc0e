"""The arrows of the house hold, and each contract is seen to break when a forbidden import is added to a copy."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "adapters", "contracts", "keys")

# contract id -> (file that gets the import, the forbidden line)
BREAKS = {
    "packages": ("contracts/ids.py", "import keys.tree"),
    "gateway": ("gateway/exchange/retry.py", "import gateway.storage.tables"),
    "exchange": ("gateway/exchange/retry.py", "import aiohttp"),
    "pure": ("contracts/ids.py", "import socket"),
    "cryptography": ("gateway/exchange/retry.py", "import cryptography"),
    "keys": ("keys/tree.py", "import aiohttp"),
    "adapters": ("adapters/registry.py", "import keys.tree"),
    "crossing": ("gateway/config.py", "import adapters.registry"),
    "sql": ("gateway/exchange/retry.py", "import sqlalchemy"),
    "federation": ("gateway/federation/problems.py", "import gateway.storage.tables"),
    "read-models": ("gateway/console/private.py", "import gateway.storage.unit_of_work"),
    "private-keys": ("gateway/exchange/retry.py", "import keys.model"),
    "rings": ("contracts/errors.py", "import contracts.codec"),
}


def lint(folder: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    if contract:
        command += ["--contract", contract]
    # The copy must be linted, not the checkout that an editable install points to.
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_every_contract_has_a_break():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["id"] for contract in contracts} == set(BREAKS)


def test_the_house_keeps_its_contracts(copy):
    result = lint(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("contract", sorted(BREAKS))
def test_a_forbidden_import_breaks_its_contract(copy, contract):
    name, line = BREAKS[contract]
    path = copy / name
    original = path.read_text()
    path.write_text(f"{original}\n{line}\n")
    try:
        result = lint(copy, contract)
    finally:
        path.write_text(original)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout


def test_a_module_outside_the_layers_is_noticed(copy):
    stray = copy / "gateway" / "leftovers.py"
    stray.write_text('"""Nowhere."""\n')
    try:
        assert lint(copy, "gateway").returncode == 1
    finally:
        stray.unlink()

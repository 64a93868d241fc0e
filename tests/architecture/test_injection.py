"""Clock and chance are injected: nothing outside the composition root (and `keys`, for keys and nonces) makes its own."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("time", "time"),
    ("time", "monotonic"),
    ("uuid", "uuid4"),
    ("uuid", "uuid7"),
    ("os", "urandom"),
    ("asyncio", "sleep"),
}
FORBIDDEN_MODULES = {"random", "uuid"}
ALLOWED = {
    "gateway/main/node.py": "the composition root makes the clock and the chance",
    "gateway/storage/sqlite_driver.py": "the wait for another process to let go of a file is real, as the driver's own was",
    "gateway/web.py": "deadlines against slow clients measure the real line, not the node's clock",
    "gateway/storage/scrub.py": "the wait for another checkpoint of a file is real, as SQLite's own waits are",
    "gateway/main/logcheck.py": "gives others their turn between entries; no time is measured",
    "gateway/console/public.py": "the budget of an address measures the real line, as that of the federation port does",
    "gateway/federation/limits.py": "budgets per address measure the real line, not the node's clock",
    "keys/register/tuf_client.py": "sets python-tuf's reference time",
}


def uses(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines that read a clock or make chance themselves."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if (owner, node.attr) in FORBIDDEN:
                found.append((node.lineno, f"{owner}.{node.attr}"))
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names if alias.name in FORBIDDEN_MODULES]
        if isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
            found.append((node.lineno, node.module))
    return found


def modules():
    for package in ("contracts", "keys", "adapters", "gateway"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if name not in ALLOWED and not name.startswith("gateway/demo/"):
                yield name


@pytest.mark.parametrize("name", list(modules()))
def test_no_clock_and_no_chance_of_its_own(name):
    found = uses(ast.parse((ROOT / name).read_text()))
    if name.startswith("keys/"):
        found = [use for use in found if use[1] != "os.urandom"]  # keys, nonces and salts are not injected
    assert found == []


@pytest.mark.parametrize(
    "bad", ["import time\nx = time.time()", "from random import choice", "x = datetime.now(UTC)", "uuid.uuid4()"]
)
def test_the_check_itself_bites(bad):
    assert uses(ast.parse(bad))

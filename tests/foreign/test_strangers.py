"""The foreign implementation is foreign: its modules import nothing of ours, or it would prove nothing."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
MODULES = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith(("test_", "__")))
OURS = {"contracts", "keys", "gateway", "adapters"}


def imported(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "." * node.level for node in nodes if isinstance(node, ast.ImportFrom)}
    return {
        name
        for name in names
        if name.split(".")[0] in OURS or (name.startswith(("tests", ".")) and not name.startswith("tests.foreign"))
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_it_imports_nothing_of_ours(path):
    assert imported(path.read_text()) == set()


def test_positive_control_an_import_of_ours_is_seen():
    assert imported("def f():\n    from keys.tree import root\nimport contracts.codec\nfrom tests.keys import x") == {
        "keys.tree",
        "contracts.codec",
        "tests.keys",
    }

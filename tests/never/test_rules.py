"""Every rule of the never list is proven by a test that exists, or says what it waits for; none is both, none is lost."""

import ast
import re
from pathlib import Path

from tests.never.rules import PROVEN, WAITS

TESTS = Path(__file__).parents[1]
NAMED = [*(f"N{number}" for number in range(1, 11)), *(f"E{number}" for number in range(1, 16))]


def missing(proven):
    """Proofs that name a test which is not there."""
    found = []
    for rule, proof in proven.items():
        file, _, name = proof.partition("::")
        path = TESTS / file
        functions = (
            {
                node.name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            if path.is_file()
            else set()
        )
        if name not in functions:
            found.append(rule)
    return found


def test_every_rule_is_in_exactly_one_of_the_two():
    assert set(PROVEN).isdisjoint(WAITS)
    named = {rule.split()[0] for rule in (*PROVEN, *WAITS)}
    assert [name for name in NAMED if name not in named] == []
    assert all(WAITS.values())


def test_every_proof_is_a_test_that_exists():
    assert missing(PROVEN) == []
    assert missing({"x": "never/test_rules.py::test_nobody_wrote", "y": "never/test_nowhere.py::test_x"}) == [
        "x",
        "y",
    ]  # control


def test_every_file_of_the_never_list_has_its_control():
    files = {proof.partition("::")[0] for proof in PROVEN.values() if proof.startswith("never/")}
    for file in sorted(files - {"never/test_canary.py"}):
        assert re.search(r"def test_control_", (TESTS / file).read_text()), file

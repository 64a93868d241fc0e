"""A unit of work never waits for a peer or an institution: no awaiting them inside `async with …begin()`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = {"transport", "adapter", "refresh_trust", "ask", "deliver", "sleep"}


def waits(tree: ast.AST) -> list[int]:
    """Line numbers of awaits on something slow inside a transaction."""
    found = []
    for block in ast.walk(tree):
        if not isinstance(block, ast.AsyncWith):
            continue
        if not any(
            isinstance(i.context_expr, ast.Call) and ast.unparse(i.context_expr.func).endswith("begin") for i in block.items
        ):
            continue
        for node in ast.walk(block):
            if isinstance(node, ast.Await) and SLOW & names(node):
                found.append(node.lineno)
    return found


def names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} | {
        n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)
    }


@pytest.mark.parametrize("path", sorted((ROOT / "gateway").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_network_inside_a_transaction(path):
    assert waits(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "bad",
    [
        "async def f():\n  async with begin() as w:\n    await transport.deliver(x)",
        "async def f():\n  async with node.begin() as w:\n    await node.transport.ask(x)",
        "async def f():\n  async with node.begin() as w:\n    if x:\n      await node.refresh_trust()",
    ],
)
def test_the_check_itself_bites(bad):
    assert len(waits(ast.parse(bad))) == 1

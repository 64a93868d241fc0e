"""A report of sizes: smells, not laws. `make sizes`. Fails only on a function over 60 lines or a file over 600."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "keys", "adapters", "gateway")
LOOK_FILE, NEVER_FILE = 400, 600
LOOK_FUNCTION, NEVER_FUNCTION = 40, 60


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0


def measure(root: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return (lines, file) and (lines, file:function) of everything, longest first."""
    files, functions = [], []
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            if "migrations" in path.parts or "vectors" in path.parts:
                continue  # lists of tables and of examples are as long as what they list
            name, text = str(path.relative_to(root)), path.read_text()
            files.append((text.count("\n"), name))
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    functions.append((code_lines(node), f"{name}:{node.lineno} {node.name}"))
    return sorted(files, reverse=True), sorted(functions, reverse=True)


def main() -> int:
    """Print the report; 1 when something is over the hard bound."""
    files, functions = measure(ROOT)
    big_files = [(n, name) for n, name in files if n > LOOK_FILE]
    big_functions = [(n, name) for n, name in functions if n > LOOK_FUNCTION]
    lengths = sorted(n for n, _ in functions)
    print(
        f"{len(files)} files, {len(functions)} functions; median function {lengths[len(lengths) // 2]} lines, p95 {lengths[len(lengths) * 95 // 100]}"
    )
    for n, name in big_files:
        print(f"look: {n} lines  {name}")
    for n, name in big_functions:
        print(f"look: {n} lines  {name}")
    over = [n for n, _ in big_files if n > NEVER_FILE] + [n for n, _ in big_functions if n > NEVER_FUNCTION]
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())

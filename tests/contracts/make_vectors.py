"""Write the golden files of contracts/vectors, or with --check say which differ.

Run from the root of the repository: ``python tests/contracts/make_vectors.py [--check]``.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "contracts" / "vectors"


def differences(expected: dict[str, bytes], folder: Path = FOLDER) -> list[str]:
    """Return a line per file that is missing, differs, or that nothing makes."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.json"))}
    lines = [f"{name}: missing" for name in sorted(expected.keys() - found.keys())]
    lines += [f"{name}: nothing makes it" for name in sorted(found.keys() - expected.keys())]
    lines += [f"{name}: differs" for name in sorted(expected.keys() & found.keys()) if expected[name] != found[name]]
    return lines


def main(arguments: list[str]) -> int:
    """Write or check; the exit code is 1 when a check found differences."""
    sys.path.insert(0, str(ROOT))
    from contracts.vectors.golden import golden_files

    expected = golden_files()
    if "--check" in arguments:
        lines = differences(expected)
        sys.stdout.write("".join(f"{line}\n" for line in lines) or "contracts/vectors: as generated\n")
        return 1 if lines else 0
    for path in FOLDER.rglob("*.json"):
        path.unlink()
    for name, content in expected.items():
        path = FOLDER / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    sys.stdout.write(f"contracts/vectors: {len(expected)} files written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Write the golden files of contracts/vectors and the policy templates, or with --check say which differ.

Run from the root of the repository: ``python tests/contracts/make_vectors.py [--check]`` (or ``make vectors``).

A template's ``.json`` is built from the ``.toml`` beside it, and ``.sha256`` is its digest: whoever changes the source runs
this, looks at the difference line by line (``paradero policy diff`` says it in words), and commits the three together.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "contracts" / "vectors"
TEMPLATES = ROOT / "contracts" / "templates"


def differences(expected: dict[str, bytes], folder: Path = FOLDER) -> list[str]:
    """Return a line per file that is missing, differs, or that nothing makes."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in generated(folder)}
    lines = [f"{name}: missing" for name in sorted(expected.keys() - found.keys())]
    lines += [f"{name}: nothing makes it" for name in sorted(found.keys() - expected.keys())]
    lines += [f"{name}: differs" for name in sorted(expected.keys() & found.keys()) if expected[name] != found[name]]
    return lines


def main(arguments: list[str]) -> int:
    """Write or check; the exit code is 1 when a check found differences."""
    sys.path.insert(0, str(ROOT))
    from contracts.vectors.golden import golden_files

    expected = {FOLDER: golden_files(), TEMPLATES: template_files()}
    if "--check" in arguments:
        lines = [line for folder, files in expected.items() for line in differences(files, folder)]
        sys.stdout.write("".join(f"{line}\n" for line in lines) or "contracts: as generated\n")
        return 1 if lines else 0
    for folder, files in expected.items():
        for path in generated(folder):
            path.unlink()
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    sys.stdout.write(f"contracts: {sum(map(len, expected.values()))} files written\n")
    return 0


def generated(folder: Path) -> list[Path]:
    """Return the files of a folder that only this program writes."""
    return sorted([*folder.rglob("*.json"), *folder.rglob("*.sha256")])


def template_files(folder: Path = TEMPLATES) -> dict[str, bytes]:
    """Return what each template's source builds: the policy and its digest."""
    from contracts.policy.drafting import build_policy, policy_digest

    files: dict[str, bytes] = {}
    for source in sorted(folder.glob("*.toml")):
        built = build_policy(source.read_text(encoding="utf-8"))
        files[f"{source.stem}.json"] = built
        files[f"{source.stem}.sha256"] = f"{policy_digest(built)}  {source.stem}.json\n".encode()
    return files


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

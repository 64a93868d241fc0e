"""What is installed: declared, locked, whole; and the deploy folder says what the program does."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from gateway.config import NodeConfig, load_config
from gateway.federation.server import MAX_BODY
from gateway.web import Deadlines

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "adapters", "contracts", "keys")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXAMPLE = (ROOT / "deploy" / "paradero.example.toml").read_text()
NGINX = (ROOT / "deploy" / "nginx.conf").read_text()
# Loaded by SQLAlchemy, by the name in a database URL.
DRIVERS = {"aiosqlite", "asyncpg"}
IMPORTED_AS = {"PIL": "pillow"}


def imported():
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.partition(".")[0])
    return {IMPORTED_AS.get(name, name) for name in found - set(sys.stdlib_module_names) - set(PACKAGES)}


def declared():
    lines = PROJECT["dependencies"] + [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    return {re.match(r"[a-z0-9-]+", line).group().replace("-", "_") for line in lines}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    assert imported() - declared() == set()
    assert declared() - imported() == DRIVERS


def test_every_development_dependency_says_why_it_is_there():
    text = (ROOT / "pyproject.toml").read_text()
    group = text[text.index("dev = [") : text.index("[project.scripts]")]
    assert [line for line in group.splitlines() if line.strip().startswith('"') and "# " not in line] == []


def pins(name):
    return set(re.findall(r"^([a-z0-9._-]+==[^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE))


def test_what_builds_the_wheel_is_locked_too():
    assert "hatchling" in {pin.partition("==")[0] for pin in pins("requirements-build.lock")}
    assert pins("requirements-build.lock") <= pins("requirements-dev.lock")
    locked, developed = (
        {pin.partition("==")[0].replace("-", "_") for pin in pins(f"requirements{part}.lock")} for part in ("", "-dev")
    )
    paper = {"weasyprint"}  # few nodes print sheets: it is locked where it is tried
    assert declared() - paper <= locked
    assert paper <= developed


def test_the_wheel_holds_the_code_and_the_data_and_nothing_else(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True, capture_output=True
    )
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert {name for name in tracked if (ROOT / name).is_file()} <= names
    assert {name for name in names if not name.startswith((*(f"{package}/" for package in PACKAGES), "paradero-"))} == set()
    assert not [name for name in names if name.startswith("tests/") or name.endswith((".pyc", ".db", ".age"))]


# -- the example configuration --------------------------------------------------------------------------------------------


def uncommented():
    lines = [re.sub(r"^# (?=[a-z_]+ = )", "", line) for line in EXAMPLE.splitlines()]
    return tomllib.loads("\n".join(lines))


def options(model, section=()):
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and hasattr(kind, "model_fields"):
            yield from options(kind, (*section, field.alias or name))
        else:
            yield (*section, field.alias or name), field


def test_the_example_shows_every_option_with_its_default_or_an_example_that_loads(tmp_path):
    shown = uncommented()
    for path, field in options(NodeConfig):
        value = shown
        for part in path:
            assert part in value, f"{'.'.join(path)} is not in the example"
            value = value[part]
        if not field.is_required() and field.default not in (None, ()):
            assert value == field.default, f"{'.'.join(path)}: the example does not show the default"
    known = {path for path, _ in options(NodeConfig)}
    assert {(name,) for name, value in shown.items() if not isinstance(value, dict)} <= known
    for text in (EXAMPLE, re.sub(r"(?m)^# (?=[a-z_]+ = )", "", EXAMPLE)):
        path = tmp_path / "p.toml"
        path.write_text(text)
        load_config(path)


def test_every_path_is_relative_to_the_file(tmp_path):
    wanted = [path for path, field in options(NodeConfig) if "Path" in str(field.annotation)]
    names = "|".join(path[-1] for path in wanted)
    everything = re.sub(r"(?m)^# (?=[a-z_]+ = )", "", EXAMPLE)
    (tmp_path / "p.toml").write_text(re.sub(rf'(?m)^({names}) = "[^"]*"', r'\1 = "here"', everything))
    config = load_config(tmp_path / "p.toml").model_dump(by_alias=True)
    for path in wanted:
        value = config
        for part in path:
            value = value[part]
        assert value == tmp_path.resolve() / "here", ".".join(path)
    assert len(wanted) > 10


def test_control_a_default_that_drifted_is_seen():
    drifted = EXAMPLE.replace("# poll_seconds = 30.0", "# poll_seconds = 31.0")
    assert drifted != EXAMPLE
    shown = tomllib.loads(re.sub(r"(?m)^# (?=[a-z_]+ = )", "", drifted))
    assert shown["register"]["poll_seconds"] != NodeConfig.model_fields["register_"].default.poll_seconds


# -- the front and the unit -----------------------------------------------------------------------------------------------


def nginx(name):
    [value] = re.findall(rf"^\s*{name}\s+([^;]+);", NGINX, re.MULTILINE)
    return value


def test_the_fronts_deadlines_and_limits_are_the_nodes_own():
    defaults = NodeConfig.model_fields["federation"].default
    assert nginx("client_header_timeout") == f"{defaults.header_seconds:.0f}s"
    assert nginx("proxy_read_timeout") == f"{defaults.request_seconds:.0f}s"
    assert nginx("client_max_body_size") == "1m"
    assert MAX_BODY == 1024 * 1024
    assert nginx("limit_conn paradero_address") == str(defaults.max_connections_per_address)
    assert nginx("ssl_protocols") == "TLSv1.3"
    # A line the node is about to close must not be taken for a delivery: nobody repeats it.
    upstream = int(re.search(r"keepalive_timeout (\d+)s;\s+# below", NGINX).group(1))
    assert upstream < Deadlines().header_seconds == defaults.header_seconds
    assert f"server {'127.0.0.1'}:{defaults.port};" in NGINX


@pytest.mark.parametrize(
    "path", ["/v1/inbox", "/k3v9w2m8/v1/ask", "/a/b/v1/log/checkpoint", "/x/v1/trust/metadata/timestamp.json"]
)
def test_the_front_lets_every_door_through_whatever_its_secret_part(path):
    patterns = re.findall(r"location ~ (\S+) \{", NGINX)
    assert [pattern for pattern in patterns if re.match(pattern, path)]


@pytest.mark.parametrize("path", ["/api/v1/status", "/metrics", "/readyz", "/healthz", "/v1/inbox/x", "/v1/trust/root.key"])
def test_the_front_lets_nothing_else_through(path):
    patterns = re.findall(r"location ~ (\S+) \{", NGINX)
    assert [pattern for pattern in patterns if re.match(pattern, path)] == []


def test_the_page_of_installation_names_files_and_commands_that_exist():
    page = (ROOT / "docs" / "install.md").read_text()
    for name in re.findall(r"\(((?:\.\./)?[a-z/.]+\.(?:md|toml))\)", page):
        assert (ROOT / "docs" / name).is_file(), name
    for name in re.findall(r"(?:-r |paradero-source/|`)((?:deploy/|requirements)[\w./-]+)", page):
        assert (ROOT / name).is_file(), name
    assert not [line for line in page.splitlines() if line.startswith("sudo ")], "sudo is not on a bare Debian"

"""Names, logins, passwords, invitations and tokens leave no trace: logs, metrics, problems, addresses, the log of leaves, the disk."""

import asyncio
import io
import json
import logging
import re
import sys

import pytest
import structlog

from gateway import telemetry
from gateway.people import accounts, sign_in
from gateway.telemetry import configure_logging
from tests.people.world import ADMIN, NODE, OFFICE, open_world, password_of

LOGIN, NAME = "zanate.ficticia", "Quetzalina Ficticia Zanate"
TYPED = ("clave-que-nadie-debe-ver-81", "usuario.inventado.77")


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def service_log(monkeypatch):
    """What the node writes for its administrators, from DEBUG on."""
    said = io.StringIO()
    structlog.reset_defaults()
    configure_logging("debug")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(said))
    logging.getLogger().setLevel(logging.DEBUG)
    # A logger keeps the level and the stream of its first line: every module gets a fresh one.
    for module in [one for name, one in sys.modules.items() if name.startswith("gateway.")]:
        if getattr(module, "log", None) is telemetry.log and module is not telemetry:
            monkeypatch.setattr(module, "log", structlog.get_logger())
    monkeypatch.setattr(telemetry, "log", structlog.get_logger())
    yield said
    structlog.reset_defaults()
    logging.getLogger().setLevel(logging.WARNING)


async def life(world):
    """Everything a person can do, well and badly; returns what must never be seen."""
    await world.bootstrap()
    await world.open_office()
    invited = await world.ask(ADMIN, "user", "add", LOGIN, "--name", NAME, "--role", f"officer@{OFFICE}")
    await world.accept(LOGIN, invited["invitation"])
    first = world.token(LOGIN)
    await world.login(LOGIN, password=TYPED[0], home="elsewhere", code=3)
    await world.login(TYPED[1], password=TYPED[0], home="elsewhere", code=3)
    await world.call("POST", "/api/v1/session", None, {"login": TYPED[0], "password": TYPED[0]})
    await world.call("POST", "/api/v1/session", None, {"login": LOGIN, "password": 7})
    await world.call("POST", "/api/v1/session", None, {LOGIN: password_of(LOGIN)})
    await world.call("GET", f"/api/v1/{TYPED[1]}", first)
    for _ in range(6):
        await world.call("POST", "/api/v1/session", None, {"login": LOGIN, "password": TYPED[0]})
    given = f"{password_of(LOGIN)}\n{TYPED[0]}\n"
    await world.cli(LOGIN, "user", "set-password", "--password-stdin", given=given)
    await world.login(ADMIN)
    await world.cli(ADMIN, "user", "roles", LOGIN, "--role", f"desk-clerk@{OFFICE}")
    second = await world.ask(ADMIN, "user", "invite", LOGIN)
    await world.cli(ADMIN, "user", "disable", LOGIN)
    secrets = [
        first,
        invited["invitation"],
        second["invitation"],
        world.token(ADMIN),
        password_of(ADMIN),
        password_of(LOGIN),
        *TYPED,
    ]
    return [LOGIN, ADMIN, NAME, "Quetzalina", "Zanate", *secrets]


def found_in(text, needles):
    folded = text.casefold()
    return [needle for needle in needles if needle.casefold() in folded]


async def test_no_trace_in_service_log_metrics_and_the_log_of_leaves(world, service_log):
    needles = await life(world)
    status, metrics = await world.call("GET", "/metrics")
    assert status == 200
    leaves = json.dumps(await world.leaves(), ensure_ascii=False)
    assert "user.disable a:" in leaves, "control: they are told of, by pseudonym"
    for name, text in {"service log": service_log.getvalue(), "metrics": metrics, "leaves": leaves}.items():
        assert found_in(text, needles) == [], name


async def test_no_secret_is_on_the_disk(world, tmp_path):
    needles = await life(world)
    secrets = needles[5:]
    await asyncio.sleep(0)
    files = [path for path in (tmp_path / NODE).rglob("*") if path.is_file()]
    assert any(path.name.startswith("paradero.db") for path in files)
    everything = b"".join(path.read_bytes() for path in files)
    assert [secret for secret in secrets if secret.encode() in everything] == []
    # Control: what may be there is found: the name, in the node's own database.
    assert NAME.encode() in everything


async def test_no_text_of_an_error_holds_what_was_typed(world):
    await world.bootstrap()
    by = (await sign_in.sign_in(ADMIN, password_of(ADMIN), sign_in.Knock("x"), world.desk)).principal
    odd = "Zanate Perdido, 2547 33001 0101"
    attempts = [
        sign_in.sign_in(odd, odd, sign_in.Knock(odd, odd, odd), world.desk),
        sign_in.resolve(odd, world.desk),
        accounts.add_person(odd, odd, ["auditor"], by, world.desk),
        accounts.add_person("bien", odd, [odd], by, world.desk),
        accounts.add_person("bien", odd + "\n\0" + odd * 9, ["auditor"], by, world.desk),
        accounts.accept(odd, odd, odd, sign_in.Knock(odd), world.desk),
        accounts.disable(odd, by, world.desk),
        accounts.set_posts(odd, [odd], by, world.desk),
        accounts.change_password(odd, odd, by, world.desk),
    ]
    for attempt in attempts:
        with pytest.raises(Exception) as refused:  # noqa: PT011 - whatever it is, its text is what matters
            await attempt
        assert found_in(f"{refused.value} {getattr(refused.value, 'advice', '')}", ["zanate", "2547"]) == []


async def test_no_login_or_name_is_in_an_address(world):
    """Every path and query the commands ask for."""
    asked = []
    original = world.api._door.refusal

    async def noting(request):
        asked.append(str(request.rel_url))
        return await original(request)

    world.api._door.refusal = noting
    needles = await life(world)
    assert len(asked) > 20
    own = f"/api/v1/{TYPED[1]}"  # typed into an address by the test itself
    assert found_in(" ".join(path for path in asked if path != own), needles) == []


async def test_control_a_login_that_is_logged_is_seen(world, service_log):
    from gateway.console import private

    private.log.warning("sign-in", code=LOGIN)  # fits the shape of a code: only not logging it keeps it out
    assert found_in(service_log.getvalue(), [LOGIN]) == [LOGIN]


def test_nothing_about_people_is_logged_at_all():
    """The modules that see names and passwords have no logger to write them with."""
    from pathlib import Path

    import gateway.people

    [folder] = gateway.people.__path__
    for path in (
        *Path(folder).glob("*.py"),
        Path(folder).parent / "console" / "people.py",
        Path(folder).parent / "console" / "access.py",
    ):
        assert not re.search(r"telemetry|logging|structlog|print\(", path.read_text()), path

"""Coming in and going out, by the command line against a running node; each defence with a control that sees it missing."""

import json
import stat
from dataclasses import replace

import pytest

from gateway.people import sign_in as module
from tests.people.world import ADMIN, OFFICE, open_world, password_of

CLERK, OFFICER = "v.ficticia", "o.ficticia"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        await found.bootstrap()
        await found.open_office()
        yield found


async def test_the_first_administrator_is_made_once_and_only_while_there_is_nobody(world):
    again = await world.cli("x", "user", "bootstrap", "otra", "--name", "Otra", "--password-stdin",
                            given="una clave que nadie sabe\n", code=6)  # fmt: skip
    assert "ya tiene personas" in again.output
    assert (await world.ask(ADMIN, "whoami"))["posts"] == ["node-admin"]


async def test_a_person_comes_in_by_invitation_and_then_by_password(world):
    invitation = await world.invited(OFFICER, f"officer@{OFFICE}")
    await world.login(OFFICER, code=3)  # no password yet
    await world.accept(OFFICER, invitation)
    assert (await world.ask(OFFICER, "whoami"))["login"] == OFFICER
    await world.cli(OFFICER, "logout")
    await world.login(OFFICER)
    told = await world.ask(OFFICER, "whoami")
    assert told["posts"] == [f"officer@{OFFICE}"]
    assert told["actor"].startswith("a:")


async def test_an_invitation_is_good_once_for_one_person_and_for_a_day(world):
    first = await world.invited(OFFICER, f"officer@{OFFICE}")
    other = await world.invited(CLERK, f"desk-clerk@{OFFICE}")
    await world.accept(CLERK, first, code=3)
    await world.accept(OFFICER, first)
    await world.accept(OFFICER, first, code=3)
    world.clock.forward(hours=25)
    await world.accept(CLERK, other, code=3)
    # A second invitation takes the place of the first.
    await world.login(ADMIN)
    second = (await world.ask(ADMIN, "user", "invite", CLERK))["invitation"]
    third = (await world.ask(ADMIN, "user", "invite", CLERK))["invitation"]
    await world.accept(CLERK, second, code=3)
    await world.accept(CLERK, third)


async def test_a_bad_password_does_not_use_the_invitation_up(world):
    invitation = await world.invited(OFFICER, f"officer@{OFFICE}")
    refused = await world.accept(OFFICER, invitation, password="corta", code=2)
    assert "demasiado corta" in refused.output
    await world.accept(OFFICER, invitation)


async def test_an_invitation_somebody_made_up_is_refused_before_any_work(world):
    hashed = []

    class Counting:
        async def hash(self, password):
            hashed.append(password)
            return "x"

    world.api._people._desk = replace(world.desk, passwords=Counting())
    body = {"login": OFFICER, "invitation": "A" * 43, "password": password_of(OFFICER)}
    for invitation in ("A" * 43, "x", ""):
        assert (await world.call("POST", "/api/v1/session/invitation", None, body | {"invitation": invitation}))[0] == 401
    assert hashed == []
    # Control: a real one is hashed for.
    real = await world.invited(OFFICER, f"officer@{OFFICE}")
    assert (await world.call("POST", "/api/v1/session/invitation", None, body | {"invitation": real}))[0] == 200
    assert hashed == [password_of(OFFICER)]


async def test_a_wrong_password_and_an_unknown_user_are_told_the_same(world):
    wrong = await world.login(ADMIN, home="x", password="otra clave cualquiera", code=3)
    nobody = await world.login("nadie.ficticia", home="x", password="otra clave cualquiera", code=3)
    assert wrong.output == nobody.output


async def test_the_session_file_is_its_owners_alone_and_for_one_node(world):
    [path] = (world.home(ADMIN) / "paradero").glob("*.session")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    kept = json.loads(path.read_text())
    assert (kept["node"], kept["address"]) == ("gt.conamigua", world.base)
    path.chmod(0o644)
    assert "chmod 600" in (await world.cli(ADMIN, "whoami", code=3)).output
    path.chmod(0o600)
    # The same file for another address is not found, and one that was moved there is refused.
    path.write_text(json.dumps(kept | {"address": "http://127.0.0.1:1"}))
    assert "no es una sesión de este nodo" in (await world.cli(ADMIN, "whoami", code=3)).output


# -- sessions end ---------------------------------------------------------------------------------------------------------


async def dead(world, token) -> bool:
    status, _ = await world.call("GET", "/api/v1/session", token)
    assert status in {200, 401}
    return status == 401


async def test_a_token_stolen_before_going_out_opens_nothing_after(world):
    token = world.token(ADMIN)
    assert not await dead(world, token)
    await world.cli(ADMIN, "logout")
    assert await dead(world, token)


async def test_a_session_ends_when_nothing_is_done_and_at_the_latest_after_a_working_day(world):
    token = world.token(ADMIN)
    world.clock.forward(minutes=19)
    assert not await dead(world, token)  # and that was use
    world.clock.forward(minutes=19)
    assert not await dead(world, token)
    world.clock.forward(minutes=21)
    assert await dead(world, token)
    await world.login(ADMIN)
    token = world.token(ADMIN)
    for _ in range(31):
        world.clock.forward(minutes=15)
        assert not await dead(world, token)
    world.clock.forward(minutes=15)
    assert await dead(world, token)


async def test_a_clock_that_was_set_back_lengthens_no_session(world):
    token = world.token(ADMIN)
    world.clock.forward(minutes=-30)
    assert await dead(world, token)


@pytest.mark.parametrize("how", ["disable", "roles", "invite", "set-password"])
async def test_a_session_ends_with_what_it_rested_on(world, how):
    await world.hire(OFFICER, f"officer@{OFFICE}")
    await world.login(ADMIN)
    token = world.token(OFFICER)
    assert not await dead(world, token)
    if how == "set-password":
        given = f"{password_of(OFFICER)}\notra clave, y bien larga\n"
        await world.cli(OFFICER, "user", "set-password", "--password-stdin", given=given)
    elif how == "roles":
        await world.cli(ADMIN, "user", "roles", OFFICER, "--role", f"desk-clerk@{OFFICE}")
    else:
        await world.cli(ADMIN, "user", how, OFFICER)
    assert await dead(world, token)
    if how == "set-password":
        await world.login(OFFICER, code=3)
        await world.login(OFFICER, password="otra clave, y bien larga")
    elif how == "roles":
        await world.login(OFFICER)
    else:
        await world.login(OFFICER, code=3)


async def test_a_role_taken_in_mid_session_is_gone_at_once(world):
    await world.hire(OFFICER, f"officer@{OFFICE}")
    await world.cli(OFFICER, "outbox", "list")
    token = world.token(OFFICER)
    assert (await world.call("GET", "/api/v1/cases", token))[0] == 200
    await world.cli(ADMIN, "user", "roles", OFFICER, "--role", f"desk-clerk@{OFFICE}")
    assert (await world.call("GET", "/api/v1/cases", token))[0] == 401
    await world.login(OFFICER)
    assert (await world.call("GET", "/api/v1/cases", world.token(OFFICER)))[0] == 403


async def test_a_disabled_person_neither_comes_in_nor_stays(world):
    await world.hire(OFFICER, f"officer@{OFFICE}")
    await world.cli(ADMIN, "user", "disable", OFFICER)
    await world.login(OFFICER, code=3)
    assert (await world.cli(ADMIN, "user", "disable", OFFICER, code=6)).exit_code == 6
    # Enabled again it is the same person, and the old password stays dead.
    invitation = (await world.ask(ADMIN, "user", "enable", OFFICER))["invitation"]
    await world.login(OFFICER, code=3)
    await world.accept(OFFICER, invitation)


async def test_a_token_that_somebody_chose_is_never_a_session(world):
    """Session fixation: what is presented at sign-in neither becomes the session nor outlives it."""
    chosen = "A" * 43
    body = {"login": ADMIN, "password": password_of(ADMIN)}
    status, answer = await world.call("POST", "/api/v1/session", chosen, body)
    assert status == 200
    assert answer["token"] != chosen
    assert await dead(world, chosen)
    # Signing in again gives another token, and the one presented ends.
    status, second = await world.call("POST", "/api/v1/session", answer["token"], body)
    assert second["token"] != answer["token"]
    assert await dead(world, answer["token"])
    assert not await dead(world, second["token"])
    status, _ = await world.call("POST", "/api/v1/session", None, body | {"token": chosen})
    assert status == 422


async def test_a_guess_at_the_current_password_costs_the_session(world):
    token = world.token(ADMIN)
    body = {"current": "no es ésta, seguro", "new": "una nueva que vale"}
    assert (await world.call("POST", "/api/v1/session/password", token, body))[0] == 401
    assert await dead(world, token)
    await world.login(ADMIN)


async def test_a_terminal_left_alone_is_not_enough_for_what_is_sensitive(world):
    world.clock.forward(minutes=4)
    await world.invited(CLERK, f"desk-clerk@{OFFICE}")
    world.clock.forward(minutes=2)
    refused = await world.cli(ADMIN, "user", "disable", CLERK, code=5)
    assert "paradero login" in refused.output
    await world.cli(ADMIN, "user", "list")
    await world.login(ADMIN)
    await world.cli(ADMIN, "user", "disable", CLERK)


async def test_going_out_forgets_the_session_even_when_the_node_had_ended_it(world):
    world.clock.forward(hours=9)
    await world.cli(ADMIN, "logout", code=3)
    assert list((world.home(ADMIN) / "paradero").glob("*.session")) == []
    await world.cli(ADMIN, "logout", code=6)


async def test_an_administrator_who_forgot_gets_in_by_the_machine(world):
    token = world.token(ADMIN)
    invitation = (await world.ask("root", "user", "recover", ADMIN))["invitation"]
    assert await dead(world, token)
    await world.login(ADMIN, code=3)
    await world.accept(ADMIN, invitation, password="la clave que no olvido")
    await world.hire(OFFICER, f"officer@{OFFICE}")
    await world.cli("root", "user", "recover", OFFICER, code=4)


async def test_without_a_terminal_no_password_is_asked_and_none_is_an_argument(world):
    refused = await world.cli("x", "login", ADMIN, code=2)
    assert "--password-stdin" in refused.output
    assert (await world.cli("x", "login", ADMIN, "--password", "x", code=2)).exit_code == 2
    await world.cli("x", "login", ADMIN, "--password-stdin", given="", code=2)


# -- guessing -------------------------------------------------------------------------------------------------------------


async def guess(world, login=ADMIN, **more) -> int:
    body = {"login": login, "password": "una que no es, número"} | more
    return (await world.call("POST", "/api/v1/session", None, body))[0]


async def guesses_looked_at(world, hours: float, each: float = 5.0) -> int:
    looked, end = 0, world.clock.now().timestamp() + hours * 3600
    while world.clock.now().timestamp() < end:
        looked += await guess(world) == 401
        world.clock.forward(seconds=each)
    return looked


async def quick(world):
    """Passwords that cost nothing to check: the wait is what is tried here."""

    class Plain:
        async def verify(self, password, kept):
            return kept is not None and password == password_of(ADMIN)

        async def hash(self, password):
            return "x"

        def outdated(self, kept):
            return False

    fast = replace(world.desk, passwords=Plain())
    for api in (world.api._people, world.api._door, world.api):
        api._desk = fast


async def test_whoever_guesses_is_slowed_down_and_told_how_long(world):
    await quick(world)
    assert [await guess(world) for _ in range(5)] == [401] * 5
    status, answer = await world.call("POST", "/api/v1/session", None, {"login": ADMIN, "password": "otra vez no es"})
    assert status == 429
    assert "Espere 1 s" in answer["advice"]
    looked = await guesses_looked_at(world, 1)
    assert looked <= 66, "at most one a minute, and a few before that"
    refused = await world.login(ADMIN, home="elsewhere", code=7)
    assert "Espere" in refused.output


async def test_the_wait_outlives_a_restart(world):
    await quick(world)
    for _ in range(12):
        await guess(world)
        world.clock.forward(seconds=61)
    await guess(world)
    node = await world.federation.reopen("gt.conamigua")
    with pytest.raises(module.WaitError):
        await module.sign_in(ADMIN, password_of(ADMIN), module.Knock("elsewhere"), node.people)


async def test_an_office_that_shares_an_address_is_not_held_up_by_its_typing_errors(world):
    await quick(world)
    for number in range(100):  # one every twelve minutes, all day, by different people
        assert await guess(world, login=f"p{number}.ficticia") == 401
        world.clock.forward(minutes=12)
    await world.login(ADMIN, home="a new machine")


async def test_whoever_works_here_comes_in_all_through_the_guessing(world):
    """From a device they signed in from before; from a new one a minute after the guessing ends."""
    await quick(world)
    await world.cli(ADMIN, "logout")
    for _ in range(40):
        await guess(world)
        world.clock.forward(seconds=3)
    assert await guess(world) in {401, 429}
    await world.login(ADMIN)  # the device's mark is beside the session
    assert await guess(world) == 429, "the guesser waits all the same"
    world.clock.forward(seconds=61)
    await world.login(ADMIN, home="a new machine")


async def test_a_right_password_does_not_pay_for_guesses_at_others(world):
    await quick(world)
    for number in range(40):
        await guess(world, login=f"otra{number}.ficticia")
        await world.call("POST", "/api/v1/session", None, {"login": ADMIN, "password": password_of(ADMIN)})
    assert await guess(world, login="nueva.ficticia") == 429


async def test_guesses_made_side_by_side_count_like_guesses_in_a_row(world):
    import asyncio

    await quick(world)
    outcomes = await asyncio.gather(*(guess(world) for _ in range(60)))
    assert outcomes.count(401) <= 6
    assert outcomes.count(429) >= 54


async def test_a_mark_of_another_device_opens_no_bucket_of_its_own(world):
    await quick(world)
    for _ in range(7):
        await guess(world, device="B" * 42 + "A")
    assert await guess(world, device="C" * 42 + "A") == 429
    # Nor does somebody else's mark.
    await world.hire(OFFICER, f"officer@{OFFICE}")
    [path] = (world.home(OFFICER) / "paradero").glob("*.device")
    [mark] = json.loads(path.read_text()).values()
    assert await guess(world, device=mark) == 429


async def test_bursts_are_in_the_log_by_pseudonym_and_a_stranger_cannot_fill_it(world):
    await quick(world)
    before = len(await world.leaves())
    for number in range(60):
        await guess(world, login=f"inventada{number}")
        world.clock.forward(seconds=61)
    await guess(world)
    leaves = (await world.leaves())[before:]
    assert 0 < len(leaves) <= 5, "one at 5, 10, 20, 40 failures of the address"
    for _ in range(12):
        await guess(world)
        world.clock.forward(seconds=61)
    told = [leaf for leaf in await world.leaves() if leaf.get("detail", "").startswith("sign-in.failures a:")]
    person = next(item.person for item in await world.desk.reader.people() if item.person.login == ADMIN)
    assert {leaf["detail"].partition(" ")[2] for leaf in told} == {world.desk.pseudonym(person.person_id)}
    assert [leaf["outcome"] for leaf in told] == ["5", "10"]


# -- controls: each defence taken away is seen ----------------------------------------------------------------------------


async def test_control_a_session_that_does_not_time_out_is_seen(world):
    from datetime import timedelta

    token = world.token(ADMIN)
    endless = replace(world.desk, limits=replace(world.desk.limits, idle=timedelta(days=9)))
    world.api._door._desk = endless
    world.clock.forward(minutes=21)
    assert not await dead(world, token)


async def test_control_failures_that_are_not_counted_are_seen(world, monkeypatch):
    await quick(world)
    monkeypatch.setattr(module, "waiting", lambda *_: 0)
    assert [await guess(world) for _ in range(30)] == [401] * 30


async def test_control_sessions_that_survive_a_change_of_roles_are_seen(world, monkeypatch):
    from gateway.storage.people import SqlSessions

    async def keep(*_):
        return 0

    await world.hire(OFFICER, f"officer@{OFFICE}")
    monkeypatch.setattr(SqlSessions, "end_all", keep)
    token = world.token(OFFICER)
    await world.cli(ADMIN, "user", "roles", OFFICER, "--role", f"desk-clerk@{OFFICE}")
    assert not await dead(world, token)


async def test_control_going_out_that_only_deletes_the_file_is_seen(world, monkeypatch):
    from gateway.storage.people import SqlSessions

    async def keep(*_):
        return False

    token = world.token(ADMIN)
    monkeypatch.setattr(SqlSessions, "end", keep)
    await world.cli(ADMIN, "logout")
    assert not await dead(world, token)


async def test_control_a_sign_in_that_takes_the_token_it_is_given_is_seen(world, monkeypatch):
    from keys.passwords import secret_digest

    chosen = "A" * 42 + "E"
    monkeypatch.setattr(module, "new_secret", lambda _random, use=b"": (chosen, secret_digest(chosen, use)))
    body = {"login": ADMIN, "password": password_of(ADMIN)}
    status, answer = await world.call("POST", "/api/v1/session", chosen, body)
    assert (status, answer["token"]) == (200, chosen)
    assert not await dead(world, chosen)

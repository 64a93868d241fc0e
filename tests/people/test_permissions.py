"""Who may do what: the table, and every route of a running node with every role, against a file written by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from gateway.console.access import Doorkeeper, Face, Open, Route, face_of
from gateway.people import roles
from gateway.people.accounts import parse_posts
from gateway.people.errors import InvalidError
from gateway.people.roles import ABOUT_CASES, ACTS, OFFICE_ROLES, PERMISSIONS, SENSITIVE, Permission, Role, check_table, permits
from gateway.people.sign_in import Carrier
from tests.console.visitor import Visitor
from tests.people.hired import hired_at
from tests.people.world import OFFICE, open_world

ROLES = ("desk-clerk", "officer", "office-head", "data-protection", "node-admin", "network-registry", "auditor")


def matrix():
    """{(method, path): "open", or {role: whether it is let in}}."""
    found = {}
    for line in (Path(__file__).parent / "matrix.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            method, path, *words = line.split()
            found[method, path] = (
                "open" if words == ["open"] else dict(zip((*ROLES, "machine"), map("yes".__eq__, words), strict=True))
            )
    return found


def filled(path):
    return (
        path.replace("{peer}", "gt.pgn")
        .replace("{message_id}", "01990000-0000-7000-8000-000000000001")
        .replace("{attachment_id}", "01990000-0000-7000-8000-000000000001")
        .replace("{sheet}", "01990000-0000-7000-8000-000000000004")
        .replace("{thread}", "01990000-0000-7000-8000-000000000004")
        .replace("{hook}", "01990000-0000-7000-8000-000000000003")
        .replace("{code}", "x")
        .replace("{case}", "x")
        .replace("{secret}", "x")
        .replace("{name}", "x")
        .replace("{thread}", "01990000-0000-7000-8000-000000000003")
        .replace("{update}", "01990000-0000-7000-8000-000000000005")
        .replace("{event}", "01990000-0000-7000-8000-000000000004")
        .replace("{record}", "custody")
        .replace("{field}", "sex")
        .replace("{role}", "health")
        .replace("{draft}", "01990000-0000-7000-8000-000000000003")
        .replace("{section}", "persona")
        .replace("{thread}", "01990000-0000-7000-8000-000000000004")
        .replace("{person}", "01990000-0000-7000-8000-000000000003")
        .replace("{departure}", "01990000-0000-7000-8000-000000000002")
    )


ENDS = {("DELETE", "/api/v1/session"), ("POST", "/api/v1/session/password"), ("POST", "/salir"), ("POST", "/cuenta/clave")}
"""After these a session is over."""


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        yield found


async def verdicts(world):
    """What the running node says to every role on every route it has."""
    tokens = {}
    found = {}
    for route in world.api.routes():
        for role in (*ROLES, "machine"):
            if (role, route.face) not in tokens:
                tokens[role, route.face] = await token_for(world, role, route.face)
            found[route.method, route.path, role] = await status_of(world, route, tokens[role, route.face])
            if (route.method, route.path) in ENDS:
                del tokens[role, route.face]
        for token in (None, "wrong", "A" * 43):
            found[route.method, route.path, token] = await status_of(world, route, token)
    return found


async def token_for(world, role, face):
    if role == "machine":
        return world.operator_token
    post = f"{role}@{OFFICE}" if role in OFFICE_ROLES else role
    return await hired_at(world.desk, post, login=f"p{len(await world.desk.reader.people())}", carrier=face.value)


async def status_of(world, route, token):
    """The status of one request; that of a page that sends somebody to the door is 401, as the API says it."""
    path = filled(route.path)
    if route.face is Face.API:
        return (await world.call(route.method, path, token))[0]
    page = await Visitor(world.base, session=token or "").ask(route.method, path)
    return 401 if page.location.startswith("/entrar?sigue=") or (page.location == "/entrar" and path == "/") else page.status


@pytest.mark.timeout(300)
async def test_every_route_lets_in_exactly_the_roles_the_matrix_says(world):
    expected = matrix()
    assert {(route.method, route.path) for route in world.api.routes()} == set(expected), "a route is missing in matrix.txt"
    found = await verdicts(world)
    wrong = []
    for (method, path), cells in expected.items():
        strangers = [found[method, path, token] for token in (None, "wrong", "A" * 43)]
        if cells == "open":
            # 422, 401, 429: what would let somebody in is not there. 303: the language goes into a cookie. 404: no such file.
            page = face_of(path) is Face.PAGE
            assert set(strangers) <= ({200, 303, 401, 404, 429} if page else {200, 503, 422}), path
            continue
        assert strangers == [401] * 3, path
        for role, allowed in cells.items():
            status = found[method, path, role]
            refused = {401, 403} if role == "machine" else {403}
            if (status in {401, 403} if allowed else status not in refused) or status >= 500:
                wrong.append((method, path, role, status))
    assert wrong == []


SIGNED = {
    ("POST", "/api/v1/requests"), ("POST", "/api/v1/identity-checks"), ("POST", "/api/v1/requests/{message_id}/alive"),
    ("POST", "/api/v1/held/{message_id}/confirm"), ("POST", "/api/v1/held/{message_id}/approve"),
    ("POST", "/api/v1/referrals"), ("POST", "/api/v1/findings"),
}  # fmt: skip
"""What goes out under a program's holder's name: at the pages, the form that signs asks for the same."""


async def asked_again(world, token):
    """The acts of an officer, beside what is sensitive by itself, that say to sign in again first."""
    found = set()
    for route in world.api.routes():
        mine = isinstance(route.needs, Permission) and route.needs not in SENSITIVE and permits(route.needs, [Role.OFFICER])
        if route.face is Face.API and route.method == "POST" and mine:
            _, problem = await world.call("POST", filled(route.path), token, {})
            if str(problem.get("type", "")).endswith(":sign-in-again"):
                found.add((route.method, route.path))
    return found


async def test_a_program_left_alone_lets_nothing_go_out_under_its_holders_name(world):
    token = await hired_at(world.desk, f"officer@{OFFICE}", login="s.ficticia")
    assert await asked_again(world, token) == set()
    world.clock.forward(minutes=6)
    assert await asked_again(world, token) == SIGNED
    brought = {"records": [{"type": "missing-person", "values": {"sex": "male"}}]}
    for act, news in (("update", {"progress": "in-progress"}), ("done", {"outcome": "done"})):
        path = filled(f"/api/v1/referrals/{{message_id}}/{act}")
        status, problem = await world.call("POST", path, token, news | brought)
        assert (status, problem["type"].rpartition(":")[2]) == (403, "sign-in-again"), act
        assert (await world.call("POST", path, token, news))[0] == 404, "news without a record says nothing about anybody"


async def test_control_a_port_that_does_not_ask_again_is_seen(world, monkeypatch):
    monkeypatch.setattr("gateway.console.access.lately", lambda *_: None)
    token = await hired_at(world.desk, f"officer@{OFFICE}", login="s.ficticia")
    world.clock.forward(minutes=6)
    assert await asked_again(world, token) == set()


async def test_what_is_not_there_is_told_to_nobody_who_did_not_sign_in(world):
    auditor = await hired_at(world.desk, "auditor", login="a.ficticia")
    for path in ("/api/v1/nothing", "/api/v1/", "/api/v1/cases/x"):
        assert (await world.call("GET", path))[0] == 401
        assert (await world.call("GET", path, auditor))[0] == 404
    seen = Visitor(world.base, session=await hired_at(world.desk, "auditor", login="b.ficticia", carrier=Carrier.COOKIE))
    for path in ("/nada", "/bandeja/x", "/apis"):
        assert (await Visitor(world.base).get(path)).location.startswith("/entrar?sigue=/"), path
        assert (await seen.get(path)).status == 404, path
    assert (await world.call("PUT", "/api/v1/cases"))[0] == 401
    assert (await world.call("HEAD", "/api/v1/cases"))[0] == 401


async def test_the_operators_token_opens_the_state_of_the_node_and_nothing_else(world):
    assert (await world.call("GET", "/api/v1/status", world.operator_token))[0] == 200
    for path in ("cases", "outbox", "imports", "people", "federation", "alarms", "session"):
        assert (await world.call("GET", f"/api/v1/{path}", world.operator_token))[0] in {401, 403}, path


async def test_control_a_permission_given_to_one_role_too_many_is_seen(world, monkeypatch):
    loose = dict(PERMISSIONS) | {Permission.CASES_READ: PERMISSIONS[Permission.CASES_READ] | {Role.NODE_ADMIN}}
    monkeypatch.setattr("gateway.people.sign_in.PERMISSIONS", loose)
    token = await hired_at(world.desk, "node-admin", login="t.ficticia")
    assert (await world.call("GET", "/api/v1/cases", token))[0] == 200
    assert matrix()["GET", "/api/v1/cases"]["node-admin"] is False


# -- a route without a permission does not start --------------------------------------------------------------------------


async def handler(_request):
    return web.Response()


@pytest.mark.parametrize("needs", [None, "cases.read", True, "", Role.OFFICER])
async def test_a_route_that_does_not_say_what_it_needs_does_not_start(world, needs):
    door = Doorkeeper(world.desk, token="x")
    with pytest.raises(RuntimeError, match="does not say what it needs"):
        door.admit([Route("GET", "/api/v1/new", handler, needs)], web.Application())
    with pytest.raises(TypeError):
        Route("GET", "/api/v1/new", handler)


async def test_a_route_that_came_in_another_way_does_not_start(world):
    door, application = Doorkeeper(world.desk, token="x"), web.Application()
    door.admit([Route("GET", "/healthz", handler, Open.EVERYBODY)], application)
    door.check(application)  # control
    application.router.add_get("/aside", handler)
    with pytest.raises(RuntimeError, match="was not admitted"):
        door.check(application)
    with pytest.raises(RuntimeError, match="twice"):
        Doorkeeper(world.desk, token="x").admit([Route("GET", "/api/a", handler, Open.EVERYBODY)] * 2, web.Application())
    for path, face in (("/a", Face.API), ("/api/a", Face.PAGE), ("/healthz", Face.PAGE)):
        with pytest.raises(RuntimeError, match="another face"):
            Doorkeeper(world.desk, token="x").admit([Route("GET", path, handler, Open.EVERYBODY, face)], web.Application())


# -- the table ------------------------------------------------------------------------------------------------------------


def test_no_role_holds_everything_administrators_read_no_cases_and_auditors_do_not_act():
    for role in Role:
        assert not all(permits(permission, [role]) for permission in Permission), role
    for role in set(Role) - OFFICE_ROLES:
        assert not [permission for permission in ABOUT_CASES if permits(permission, [role])], role
    assert not [permission for permission in ACTS if permits(permission, [Role.AUDITOR])]
    assert not [permission for permission in set(Permission) - {Permission.STATUS_READ} if permits(permission, [Role.MACHINE])]


WRONG = {
    "a permission without a row": {Permission.CASES_READ: None},
    "a permission of nobody": {Permission.CASES_READ: frozenset()},
    "an administrator who reads cases": {Permission.CASES_READ: PERMISSIONS[Permission.CASES_READ] | {Role.NODE_ADMIN}},
    "an auditor who acts": {Permission.OUTBOX_OPERATE: frozenset({Role.NODE_ADMIN, Role.AUDITOR})},
    "a machine that acts": {Permission.FEDERATION_POLL: frozenset({Role.NODE_ADMIN, Role.MACHINE})},
    "an officer who hires": {Permission.PEOPLE_MANAGE: frozenset({Role.NODE_ADMIN, Role.OFFICE_HEAD})},
    "a role that may do everything": {permission: frozenset({Role.OFFICER}) for permission in Permission},
    "a role that may do nothing": {permission: held - {Role.AUDITOR} for permission, held in PERMISSIONS.items()},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_table_that_is_wrong_does_not_start(wrong):
    check_table(PERMISSIONS)  # control
    table = {key: held for key, held in (dict(PERMISSIONS) | WRONG[wrong]).items() if held is not None}
    with pytest.raises(RuntimeError):
        check_table(table)


@pytest.mark.parametrize(
    "held",
    [
        ["node-admin", "officer@x"], ["auditor", "officer@x"], ["auditor", "node-admin"], ["network-registry", "desk-clerk@x"],
        ["data-protection", "office-head@x"], ["machine"], ["officer"], ["node-admin@x"], ["officer@"], ["@x"], ["nobody"], ["officer@X y"],
    ],
)  # fmt: skip
def test_what_must_be_apart_is_not_joined_in_one_person_and_what_is_no_post_is_refused(held):
    with pytest.raises(InvalidError):
        parse_posts(held)


def test_one_person_may_work_at_several_offices():
    assert len(parse_posts(["officer@a", "officer@b", "office-head@b", "officer@a"])) == 3
    assert parse_posts(["node-admin", "network-registry"])


async def test_a_clerk_sends_for_their_own_office_only(world):
    world.mappings()
    text = b"Nombres,Apellidos,Edad\nFicticio,Caal,30\n"
    here = await hired_at(world.desk, f"desk-clerk@{OFFICE}", login="aqui")
    there = await hired_at(world.desk, "officer@otra", login="alla")
    assert (await send(world, here, text))[0] == 200
    status, answer = await send(world, there, text)
    assert status == 403
    assert OFFICE in answer["title"]
    assert f"desk-clerk@{OFFICE}" in answer["advice"]


async def send(world, token, text):
    import json

    import aiohttp

    headers = {"Authorization": f"Bearer {token}"}
    url = f"{world.base}/api/v1/imports?mapping=reportes_conamigua"
    async with aiohttp.ClientSession() as session, session.post(url, data=text, headers=headers) as answer:
        return answer.status, json.loads(await answer.text())


async def test_a_head_sees_the_people_of_their_office_and_nobody_elses(world):
    head = await hired_at(world.desk, f"office-head@{OFFICE}", login="r.ficticia")
    await hired_at(world.desk, f"officer@{OFFICE}", login="aqui")
    await hired_at(world.desk, "officer@otra", login="alla")
    admin = await hired_at(world.desk, "node-admin", login="t.ficticia")
    _, seen = await world.call("GET", "/api/v1/people", head)
    assert {row["login"] for row in seen["people"]} == {"r.ficticia", "aqui"}
    _, everybody = await world.call("GET", "/api/v1/people", admin)
    assert {"r.ficticia", "aqui", "alla", "t.ficticia"} <= {row["login"] for row in everybody["people"]}


def test_a_principal_of_two_offices_is_asked_about_each():
    from datetime import UTC, datetime

    from contracts.ids import ActorPseudonym, Code
    from gateway.people.ports import Post
    from gateway.people.sign_in import Principal

    now = datetime(2026, 11, 26, tzinfo=UTC)
    posts = frozenset({Post(Role.OFFICER, Code("a")), Post(Role.DESK_CLERK, Code("b"))})
    person = Principal(None, None, "", ActorPseudonym("a:ficticia"), posts, now, now)
    assert person.may_at(Permission.CASES_READ, Code("a"))
    assert not person.may_at(Permission.CASES_READ, Code("b"))
    assert person.may_at(Permission.REPORTS_SEND, Code("b"))
    assert person.offices(Permission.REPORTS_SEND) == {"a", "b"}
    head = replace(person, posts=frozenset({Post(Role.NODE_ADMIN, None)}))
    assert head.offices(Permission.PEOPLE_MANAGE) is None
    assert roles.compatible([Role.OFFICER, Role.DESK_CLERK])

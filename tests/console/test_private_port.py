"""The private port: default deny on every route, foreign hosts refused, errors with advice and without values."""

import json
import shutil
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from contracts.policy import load_template, parse_policy
from contracts.policy.drafting import policy_digest
from gateway.console.private import PrivateApi
from gateway.web import Caps, Deadlines, Watch
from tests.people.hired import hired_at
from tests.simulator.federation import simulated_federation

FIXTURES = Path(__file__).parents[2] / "gateway" / "demo" / "fixtures"


@pytest.fixture
async def client(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.conamigua") as federation:
        node = federation.nodes["gt.conamigua"]
        watch = Watch(Deadlines(), Caps())
        api = PrivateApi(node.operations, node.people, token="ficha-de-prueba", hosts=("127.0.0.1",), watch=watch)
        async with TestClient(TestServer(api.application(), host="127.0.0.1")) as found:
            found.api = api
            found.federation = federation
            found.officer = await signed_in(node, "o.ficticia", "officer@huehuetenango")
            found.technician = await signed_in(node, "t.ficticia", "node-admin")
            yield found


async def signed_in(node, login, post):
    return {"Authorization": f"Bearer {await hired_at(node.people, post, login=login)}"}


async def test_every_read_of_an_officer_answers(client):
    for path in ("status", "outbox", "cases", "alarms", "imports", "federation", "policy", "offices", "session"):
        answer = await client.get(f"/api/v1/{path}", headers=client.officer)
        assert answer.status == 200, path
        assert answer.headers["Cache-Control"] == "no-store"


async def test_the_policy_it_tells_is_the_one_in_force(client):
    answer = await client.get("/api/v1/policy", headers=client.officer)
    told = await answer.json()
    in_force = client.federation.nodes["gt.conamigua"].capabilities.trust().policy
    assert told["version"] == in_force.version
    assert parse_policy(json.dumps(told["policy"]).encode()) == in_force
    assert told["digest"] == policy_digest(load_template("first-policy"))


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1"])
async def test_another_host_name_is_refused(client, host):
    answer = await client.get("/healthz", headers={"Host": host})
    assert answer.status == 421


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "outbox?state=nope", 422),
        ("POST", "outbox/lanes/NOT A NODE/pause", 422),
        ("POST", "outbox/lanes/gt.minexx/pause", 404),
        ("POST", "outbox/01990000-0000-7000-8000-000000000001/retry", 404),
        ("GET", "messages/nope", 404),
        ("GET", "messages/01990000-0000-7000-8000-000000000001/evidence", 404),
        ("POST", "imports?mapping=../../etc/passwd", 422),
        ("POST", "imports?mapping=unknown", 422),
        ("GET", "nothing", 404),
    ],
)
async def test_bad_input_is_a_problem_with_a_title(client, method, path, status):
    answer = await client.request(
        method, f"/api/v1/{path}", headers=client.technician if "lanes" in path or "retry" in path else client.officer
    )
    assert answer.status == status
    body = await answer.json(content_type=None)
    assert body["title"]


async def test_metrics_name_no_person(client):
    text = await (await client.get("/metrics")).text()
    assert "paradero_log_leaves" in text


async def test_an_import_of_many_rows_is_answered_for_row_by_row(client):
    mappings = client.federation.nodes["gt.conamigua"].config.data / "mappings"
    mappings.mkdir(parents=True, exist_ok=True)
    shutil.copy(FIXTURES / "reportes_conamigua.toml", mappings)
    # Rows that wait for a person: nothing is sealed, and the answer is long all the same.
    text = "Nombres,Apellidos,Edad\n" + "".join(f"Ficticio {number},Caal,30\n" for number in range(6000))
    answer = await client.post("/api/v1/imports?mapping=reportes_conamigua", data=text.encode(), headers=client.officer)
    body = await answer.read()
    assert answer.status == 200, body[:200]
    assert len(body) > 512 * 1024
    assert json.loads(body)["counts"] == {"to-complete": 6000}

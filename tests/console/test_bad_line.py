"""The line breaks while somebody sends: the answer is there once, whoever sends the form again; and the line is as bad as it says."""

import re
import ssl
import time
from urllib.parse import urlencode

import aiohttp
import pytest

from gateway.console.access import SESSION_COOKIE
from gateway.console.pages.forms import TOKEN, token_of
from tests.console.line import line_to
from tests.console.test_answering import MBMID, arrived, asked, officer, prepared
from tests.console.test_intake import clerk, filled
from tests.gateway.test_answers import at_slot
from tests.gateway.test_exchange import table
from tests.people.world import NODE, open_world

QUICK = {"bits": 10**8, "round_trip": 0.02, "loss": 0.0}


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID, "gt.pgn") as found:
        yield found


async def sent(visitor, base, path, fields=()):
    """Send a form over the line; return the status, or None when no answer came."""
    session = visitor.cookies[SESSION_COOKIE]
    headers = {"Cookie": f"{SESSION_COOKIE}={session}", "Sec-Fetch-Site": "same-origin"}
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    data = urlencode([*dict(fields).items(), (TOKEN, token_of(session))])
    try:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.post(base + path, data=data, headers=headers, ssl=trusting, allow_redirects=False) as answer,
        ):
            return answer.status
    except aiohttp.ClientError:
        return None


async def broken_and_again(visitor, port, path, fields=()):
    """Send, with the answer lost on the way; then once more over a line that holds."""
    async with line_to(port, **QUICK) as (line, base):
        line.far.lose_answers = True
        first = await sent(visitor, base, path, fields)
        line.far.lose_answers = False
        return first, await sent(visitor, base, path, fields)


async def test_an_answer_whose_receipt_was_lost_and_that_is_sent_again_leaves_once(world):
    visitor, request = await officer(world), await asked(world)
    review = await prepared(visitor, request)
    assert await broken_and_again(visitor, world.port, review) == (None, 303)
    await at_slot(world.federation)
    assert len(await arrived(world)) == 1


async def test_no_information_sent_again_is_said_once(world):
    visitor, request = await officer(world), await asked(world)
    path = f"/s/{request}/sin-informacion"
    as_of = re.search(r'name="hasta" value="([^"]+)"', (await visitor.get(path)).text)[1]
    fields = {"fuente": "registro-de-la-oficina", "hasta": as_of}
    assert await broken_and_again(visitor, world.port, path, fields) == (None, 303)
    await at_slot(world.federation)
    assert len(await arrived(world)) == 1


async def test_a_report_of_a_family_sent_again_is_one_report(world):
    visitor = await clerk(world)
    draft = await filled(visitor)
    assert await broken_and_again(visitor, world.port, f"{draft}/revisar") == (None, 303)
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'report.transfer'") == [(1,)]


async def test_control_the_first_sending_took_effect_although_no_answer_came(world):
    # What is sent again above had been done: a node that did it twice would show two.
    visitor = await clerk(world)
    draft = await filled(visitor)
    async with line_to(world.port, **QUICK) as (line, base):
        line.far.lose_answers = True
        assert await sent(visitor, base, f"{draft}/revisar") is None
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'report.transfer'") == [(1,)]


async def test_the_line_takes_the_time_it_says(world):
    visitor = await officer(world)
    async with line_to(world.port, bits=64_000, round_trip=0.4, loss=0.0) as (line, base):
        started = time.monotonic()
        assert await sent(visitor, base, "/salir") == 303
        took = time.monotonic() - started
    # Three times there and back (TCP, TLS, the question), and the bytes.
    least = 3 * 0.4 + max(line.carried.values()) * 8 / 64_000
    assert least * 0.9 < took < least + 20, (took, line.carried)
    assert line.connections == 1

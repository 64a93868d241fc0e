"""Attachments by pages: streamed in and cleaned, seen only when asked for and drawn anew, taken out as an act with a name."""

import html
import re

import pytest

from contracts.attachments import MAX_CONTENT
from gateway.console.access import SESSION_COOKIE
from gateway.console.pages import uploads
from gateway.console.pages.forms import token_of
from tests.adapters.pictures import CANARY, photograph
from tests.console.test_answering import ANSWER, MBMID, arrived, asked, officer
from tests.console.test_cases import text_of
from tests.console.visitor import OURS
from tests.gateway.test_answers import at_slot
from tests.gateway.test_exchange import table
from tests.people.world import NODE, OFFICE, open_world

BOUNDARY = "frontera-de-prueba"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


def part(name, data, more=""):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()
    return head + (data.encode() if isinstance(data, str) else data) + b"\r\n"


async def upload(visitor, *parts, token=None, headers=OURS):
    own = token_of(visitor.cookies[SESSION_COOKIE]) if token is None else token
    body = b"".join((part("ficha", own), *parts, f"--{BOUNDARY}--\r\n".encode()))
    sent = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} | headers
    return await visitor.ask("POST", "/adjuntos/nuevo", headers=sent, data=body)


def picture(data=None):
    return part("archivo", photograph() if data is None else data, f'; filename="{CANARY}.jpg"')


async def added(visitor, request, grade="mark"):
    page = await upload(visitor, part("para", request), part("grado", grade), picture())
    assert page.status == 303, text_of(page)
    return re.fullmatch(r"/adjuntos/([^?]+)\?hecho=agregado", page.location)[1]


async def test_an_officer_adds_a_picture_to_an_answer_and_it_leaves_clean(world):
    visitor, request = await officer(world), await asked(world, "sex", "attachments")
    assert f'href="/adjuntos/nuevo?para={request}"' in (await visitor.get(f"/s/{request}")).text
    assert request in (await visitor.get(f"/adjuntos/nuevo?para={request}")).text
    attachment = await added(visitor, request)
    page = await visitor.get(f"/adjuntos/{attachment}")
    assert "<img" not in page.text  # nothing is loaded before somebody asks
    assert CANARY not in page.text
    assert "listo; ningún mensaje lo nombra todavía" in text_of(page)
    assert attachment[-12:] in (await visitor.get("/adjuntos")).text
    form = await visitor.get(f"/s/{request}/responder/unidentified-person")
    assert f'<option value="{attachment}">' in form.text
    ways = re.search(r'<select id="s-attachments".*?</select>', form.text, re.DOTALL)[0]
    [way] = [found for found in re.findall(r'value="([^"]*)"', ways) if found]  # as the policy lets it, or not at all
    filled = ANSWER | {"v-attachments": attachment, "s-attachments": way}
    review = await visitor.post(f"/s/{request}/responder/unidentified-person", filled)
    assert review.status == 303, html.unescape(review.text)
    signed = await visitor.post(review.location)
    other = await officer(world, "s.ficticia")
    departure = signed.location.rpartition("/")[2]
    [(content,)] = await table(world.node, "SELECT content FROM departures")
    assert (await other.post(f"/espera/{departure}/aprobar", {"contenido": content})).status == 303
    await at_slot(world.federation)
    [found] = await arrived(world)
    assert "attachments" in {item.field for record in found.records for item in record.disclosed}
    for path in world.node.config.data.rglob("*"):
        assert CANARY not in path.name
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


async def test_a_picture_is_drawn_anew_and_who_looked_is_in_the_log_first(world):
    visitor, request = await officer(world), await asked(world, "attachments")
    attachment = await added(visitor, request, "face")
    before = text_of(await visitor.get(f"/adjuntos/{attachment}"))
    assert "Puede mostrar a una persona herida" in before
    assert f'src="/adjuntos/{attachment}/imagen"' in (await visitor.get(f"/adjuntos/{attachment}?ver=si")).text
    assert not [leaf for leaf in await world.leaves() if str(leaf.get("detail", "")).startswith("attachment.seen")]
    status, kind, data = await raw(visitor, f"/adjuntos/{attachment}/imagen")
    assert (status, kind.partition(";")[0]) == (200, "image/jpeg")
    assert data[:3] == b"\xff\xd8\xff"
    assert CANARY.encode() not in data
    [leaf] = [leaf for leaf in await world.leaves() if str(leaf.get("detail", "")).startswith("attachment.seen")]
    assert leaf["actor"]


async def test_a_copy_leaves_under_a_name_of_nobody_and_only_with_a_fresh_sign_in(world):
    visitor, request = await officer(world), await asked(world, "attachments")
    attachment = await added(visitor, request)
    answer = await raw(visitor, f"/adjuntos/{attachment}/copia", headers_too=True)
    assert f'filename="adjunto-{attachment[-8:]}.jpg"' in answer[3]["Content-Disposition"]
    assert [leaf for leaf in await world.leaves() if str(leaf.get("detail", "")).startswith("attachment.saved")]
    world.clock.forward(minutes=10)
    assert (await visitor.get(f"/adjuntos/{attachment}/copia")).location == f"/confirmar?sigue=/adjuntos/{attachment}/copia"


async def raw(visitor, path, *, headers_too=False):
    import aiohttp

    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    async with aiohttp.ClientSession() as http, http.get(visitor.base + path, headers={"Cookie": cookies}) as answer:
        found = answer.status, answer.headers.get("Content-Type", ""), await answer.read()
        return (*found, answer.headers) if headers_too else found


async def test_bad_uploads_are_told_and_keep_nothing(world, monkeypatch):
    visitor, request = await officer(world), await asked(world, "attachments")
    monkeypatch.setattr("gateway.console.pages.attached.MAX_CONTENT", 200_000)
    mark = part("grado", "mark")
    for expected, parts in (
        (422, (mark,)), (422, (picture(),)), (422, (part("grado", "alma"), picture())), (422, (mark, picture(b"no es una imagen"))),
        (422, (mark, picture(b""))), (413, (mark, picture(b"x" * 300_000))), (404, (part("para", "nada"), mark, picture())),
        (404, (part("para", "01990000-0000-7000-8000-000000000001"), mark, picture())), (413, (part("grado", "x" * 5000), picture())),
        (422, (part("grado", "ma\0rk"), picture())), (422, tuple(part("grado", "mark") for _ in range(20))),
    ):  # fmt: skip
        page = await upload(visitor, *parts)
        assert page.status == expected, (expected, text_of(page)[:300])
        assert CANARY not in page.text
    assert (await upload(visitor, mark, picture(), token="ajena")).status == 419
    assert (await upload(visitor, mark, picture(), headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await visitor.post("/adjuntos/nuevo", {"grado": "mark"})).status == 422
    assert await table(world.node, "SELECT count(*) FROM attachments") == [(0,)]
    assert request
    assert MAX_CONTENT == 25 * 1024 * 1024


async def test_control_a_file_before_the_token_would_be_taken(world, monkeypatch):
    """Were the token not looked at, what another session's form carries would be kept."""
    visitor = await officer(world)
    monkeypatch.setattr(uploads, "_check", lambda *_args: None)
    assert (await upload(visitor, part("grado", "mark"), picture(), token="ajena")).status == 303


async def test_what_is_another_offices_is_not_there(world):
    visitor, request = await officer(world), await asked(world, "attachments")
    other = await officer(world, "x.ficticia", "officer@otra")
    head = await officer(world, "j.ficticia", f"office-head@{OFFICE}")
    attachment = await added(visitor, request)
    assert await moved(world, request)
    for path in ("", "?ver=si", "/imagen", "/copia"):
        assert (await raw(other, f"/adjuntos/{attachment}{path}"))[0] == 404, path
    assert attachment[-12:] not in (await other.get("/adjuntos")).text
    assert attachment[-12:] in (await head.get("/adjuntos")).text
    assert (await other.post(f"/adjuntos/{attachment}/descartar")).status == 404
    assert (await upload(other, part("para", request), part("grado", "mark"), picture())).status == 404
    assert (await visitor.post(f"/adjuntos/{attachment}/descartar")).location == "/adjuntos?hecho=descartado"
    assert (await visitor.get(f"/adjuntos/{attachment}/imagen")).status == 404


async def moved(world, request):
    """Give the work of a request to the office of these suites."""
    from tests.people.hired import hired_at

    token = await hired_at(world.desk, f"office-head@{OFFICE}", login="m.ficticia")
    status, _ = await world.call("POST", f"/api/v1/inbox/{request}/move", token, {"office": OFFICE})
    return status == 200


async def test_what_no_exchange_has_yet_is_seen_by_who_added_it_alone(world):
    visitor, other = await officer(world), await officer(world, "x.ficticia")
    page = await upload(visitor, part("grado", "face"), picture())
    address = page.location.partition("?")[0]
    assert (await visitor.get(address)).status == 200  # at once, whether the log has given it its place or not
    await world.leaves()
    assert (await visitor.get(address)).status == 200
    for path in ("", "/imagen", "/copia"):
        assert (await raw(other, address + path))[0] == 404, path
    assert address not in (await other.get("/adjuntos")).text
    assert address in (await visitor.get("/adjuntos")).text

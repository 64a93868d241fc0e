"""A bundle on the page and a bundle at the command line: the same verdict, step by step, and nothing of it is kept."""

import html
import json
import random
import re
import tempfile
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.console.pages import verifying
from gateway.console.pages.forms import TOKEN, token_of
from gateway.people.sign_in import Carrier
from keys.bundles import build_bundle, redact_bundle
from keys.evidence import verify_bundle
from tests.console.visitor import OURS, Page, Visitor, _text
from tests.keys.evidence_world import WITNESS_KEY
from tests.keys.evidence_world import World as Exchanged
from tests.people.hired import hired_at
from tests.people.world import open_world

SEED = 20261126
MUTATED = 200
MARKS = {"ok": "✓", "failed": "✗", "absent": "–"}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    return Exchanged(tmp_path_factory.mktemp("evidence"))


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        yield found


async def visitor_of(world, post="auditor", login="a.ficticia"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def send(visitor, data, *, token=None, fields=(), headers=OURS, name="constancia-Ficticia.json", last=False):
    """Send a file as the page's form does: the token first, unless `last`."""
    own = token_of(visitor.cookies["__Host-paradero"]) if token is None else token
    form = aiohttp.FormData(default_to_multipart=True)
    parts = [(TOKEN, own, None), *((key, value, None) for key, value in fields)]
    if data is not None:
        parts.append(("archivo", data, name))
    for key, value, file in reversed(parts) if last else parts:
        form.add_field(key, value, filename=file)
    sent = dict(headers) | {"Accept-Language": visitor.language, "Accept-Encoding": "gzip"}
    sent["Cookie"] = "; ".join(f"{key}={value}" for key, value in visitor.cookies.items())
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as http,
        http.post(f"{visitor.base}/auditoria/verificar", data=form, headers=sent, allow_redirects=False) as answer,
    ):
        raw = await answer.read()
        return Page(answer.status, answer.headers, _text(raw, answer.headers.get("Content-Encoding")), len(raw))


def words(page):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.text)))


def steps_of(page):
    """What the page says of each step: (mark, text)."""
    [listed] = re.findall(r'<ol class="checks">(.*?)</ol>', page.text, re.DOTALL)
    said = re.findall(r"<li><strong[^>]*>(.) [^<]*</strong>: (.*?)</li>", listed, re.DOTALL)
    return [(mark, re.sub(r" \(posición .*?\)$", "", html.unescape(text))) for mark, text in said]


def expected(data, folder):
    """What `paradero verify` says of the same bytes: (whether it verifies, its steps)."""
    file = folder / "constancia.json"
    file.write_bytes(data)
    result = CliRunner().invoke(app, ["verify", str(file), "--json"])
    said = json.loads(result.stdout)
    assert result.exit_code == (0 if said["ok"] else 8)
    return said["ok"], [(MARKS[step["outcome"]], step["text"]) for step in said["steps"]]


def mutated(data, chance):
    """One bundle with something wrong, or something harmless, at random."""
    value = json.loads(data)
    way = chance.randrange(5)
    if way == 0:
        place = chance.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
    if way == 1:
        return data[: chance.randrange(len(data))]
    if way == 2:
        del value[chance.choice(sorted(value))]
    elif way == 3:
        text = chance.choice([name for name in ("receipt", "message", "recipient_proof") if name in value])
        place = chance.randrange(len(value[text]))
        value[text] = value[text][:place] + chance.choice("Aa0-_") + value[text][place + 1 :]
    else:
        name = chance.choice(sorted(value["register"]))
        chosen = value["register"][name]
        place = chance.randrange(len(chosen))
        value["register"][name] = chosen[:place] + chance.choice("Aa0-_") + chosen[place + 1 :]
    return json.dumps(value).encode()


async def test_a_good_bundle_is_checked_in_words_with_its_places_and_what_it_does_not_prove(world, exchange):
    data, visitor = build_bundle(exchange.parts(witness=WITNESS_KEY)), await visitor_of(world)
    page = await send(visitor, data, fields=[("huella", exchange.fingerprint)])
    told = words(page)
    assert page.status == 200
    assert "La constancia se comprueba" in told
    assert "Lo que esto no demuestra" in told
    for sentence in ("Que lo dicho sea verdad.", "Que no se haya enviado otra cosa", "sea la que dice el papel"):
        assert sentence in told
    assert re.search(r"posición \d+ de \d+", told)
    assert "✓ bien : La huella de la raíz es la que se comparó" in told
    assert "Lo que esto no demuestra" in (await visitor.get("/auditoria/verificar")).text
    english = Visitor(world.base, session=visitor.cookies["__Host-paradero"], language="en")
    assert "What this does not prove" in (await send(english, data)).text
    assert "La constancia se comprueba" in words(await send(visitor, redact_bundle(data)))


@pytest.mark.timeout(300)
async def test_the_page_and_the_command_line_agree_on_200_mutated_bundles(world, exchange, tmp_path):
    chance, visitor = random.Random(SEED), await visitor_of(world)
    honest = build_bundle(exchange.parts(witness=WITNESS_KEY))
    refused = passed = 0
    for number in range(MUTATED):
        data = mutated(honest, chance)
        page = await send(visitor, data)
        if not data:
            continue
        assert page.status == 200, (SEED, number)
        ok, steps = expected(data, tmp_path)
        assert steps_of(page) == steps, (SEED, number)
        assert ("La constancia se comprueba" in page.text) is ok, (SEED, number)
        if not ok:
            assert "Falló este paso" in page.text, (SEED, number)
            assert re.search(r"(Llame a|Pida el archivo|Compare la huella)", page.text), (SEED, number)
        refused, passed = refused + (not ok), passed + ok
    print(f"seed {SEED}: {refused} refused, {passed} passed")
    assert refused > MUTATED * 3 // 4


async def test_control_a_page_that_passes_everything_would_disagree(world, exchange, monkeypatch, tmp_path):
    honest = build_bundle(exchange.parts())
    good = verify_bundle(honest, now=world.clock.now())
    monkeypatch.setattr(verifying, "verify_bundle", lambda *_args, **_more: good)
    visitor = await visitor_of(world)
    broken = honest[:-40]
    assert steps_of(await send(visitor, broken)) != expected(broken, tmp_path)[1]


def kept(folder):
    return {path: path.stat().st_size for path in Path(folder).rglob("*") if path.is_file() and "paradero.db" not in path.name}


def scratch():
    return set(Path(tempfile.gettempdir()).glob("paradero-verify-*"))


async def test_nothing_of_it_is_kept(world, exchange, tmp_path):
    data, visitor = build_bundle(exchange.parts()), await visitor_of(world)
    before, leaves, left = kept(tmp_path), await world.leaves(), scratch()
    assert "se comprueba" in (await send(visitor, data)).text
    assert kept(tmp_path) == before
    assert await world.leaves() == leaves
    assert scratch() <= left


async def test_a_file_that_is_none_and_one_that_is_too_big_are_refused_in_words(world, monkeypatch):
    visitor = await visitor_of(world)
    assert "Elija el archivo" in (await send(visitor, None)).text
    assert (await send(visitor, b"")).status == 422
    monkeypatch.setattr(verifying, "MAX_BUNDLE_BYTES", 1000)
    page = await send(visitor, b"x" * 200_000)
    assert page.status == 422
    assert "demasiado grande" in page.text
    for data in (b"{}", b"not json", b"\0" * 50, b'{"format":"x"}', b"[" * 900):
        page = await send(visitor, data)
        assert page.status == 200
        assert "El archivo tiene la forma de una constancia" in page.text
        assert "inválid" not in page.text.partition("Lo que esto")[0].lower()


async def test_a_strangers_file_is_not_read(world, exchange):
    data, visitor = build_bundle(exchange.parts()), await visitor_of(world)
    for token in ("", "x", "A" * 43):
        assert (await send(visitor, data, token=token)).status == 419
    assert (await send(visitor, data, last=True)).status == 419  # the file before the token
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert (await send(visitor, data, headers=headers)).status == 403
    gone = Visitor(world.base, session="A" * 43)
    assert (await send(gone, data)).status == 401
    assert (await visitor.post("/auditoria/verificar", {"archivo": "x"})).status == 422
    assert (await send(visitor, data, fields=[(f"f{number}", "x") for number in range(9)])).status == 422
    assert (await send(visitor, data, fields=[("huella", "x" * 9000)])).status == 422
    assert (await send(visitor, data)).status == 200  # control


@pytest.mark.parametrize(
    "body",
    [b"", b"--x", b"--x--\r\n", b"--x\r\n\r\n", b"\0" * 100, b"--x\r\nContent-Disposition: form-data\r\n\r\ny\r\n--x--\r\n"],
)
async def test_bytes_that_are_no_form_are_refused(world, body):
    visitor = await visitor_of(world)
    headers = OURS | {"Content-Type": "multipart/form-data; boundary=x"}
    page = await visitor.ask("POST", "/auditoria/verificar", headers=headers, data=body.decode("latin-1"))
    assert page.status in {419, 422}

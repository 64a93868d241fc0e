"""An officer reads a request and answers it by pages: nothing leaves that was not chosen, and once, whatever is sent again."""

import html
import re

import pytest

from contracts.disclosure import SourceRecord
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from contracts.messages import SearchResult
from gateway.console.pages.answers import likeness
from gateway.console.pages.requests import REASONS
from gateway.console.pages.values import said
from gateway.console.words import LANGUAGES
from gateway.console.words import words as in_language
from gateway.exchange.searching import Question, ask_search
from gateway.people.sign_in import Carrier
from tests.console.visitor import Visitor
from tests.gateway.test_answers import at_slot
from tests.gateway.test_bookkeeping import opened_messages
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import ADULT, by
from tests.people.hired import hired_at
from tests.people.world import NODE, OFFICE, open_world, password_of

MBMID = "gt.igm.mbmid"
ANSWER = {
    "v-sex": "female", "s-sex": "exact", "v-age_range": "30 a 34", "v-height_cm": "1.60 m", "s-height_cm": "exact",
    "v-found_place": "San Benito, Petén", "v-possible_minor": "no", "voluntad": "contact", "como": "interview",
    "resultado": "match", "expediente": "paciente-7",
}  # fmt: skip


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


async def officer(world, login="o.ficticia", post=f"officer@{OFFICE}"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def asked(world, *want, values=ADULT, case_ref="caso-1", to=NODE):
    mbmid = world.federation.nodes[MBMID].capabilities
    question = Question(
        to=NodeId(to),
        want=tuple(Code(name) for name in want or ("sex", "age_range", "height_cm", "found_place")),
        purpose=Code("locate-missing"),
        basis=Code("gt:codigo-migracion:198-207"),
        case_ref=case_ref,
        records=(SourceRecord(RecordType.MISSING_PERSON, values),),
    )
    sent = await ask_search(question, mbmid, by=by(mbmid))
    await world.federation.settle()
    return str(sent.message.message_id)


async def arrived(world, kind="search.response"):
    return await opened_messages(world.federation.nodes[MBMID], kind)


async def prepared(visitor, request, record="unidentified-person", **changed):
    """Fill the form in; return the address of the page to check it on."""
    page = await visitor.post(f"/s/{request}/responder/{record}", ANSWER | changed)
    assert page.status == 303, html.unescape(page.text)
    return page.location


def strip_of(page):
    """The picture of what was asked, held and leaves: its numbers, which are also what its description says."""
    numbers = {name: int(value) for name, value in re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", page)}
    if numbers:
        said = "Preguntan {Preguntan} campos; tenemos {Tenemos}; salen {Saldrán}".format(**numbers)
        assert f'aria-label="{said}"' in page
        widths = re.findall(r'<rect class="p[123]"[^>]* width="(\d+)"', page)
        most = max(numbers["Preguntan"], numbers["Tenemos"])
        assert [int(width) for width in widths] == [numbers[name] * 318 // most for name in ("Preguntan", "Tenemos", "Saldrán")]
    return numbers


async def test_an_officer_finds_it_reads_it_and_answers_field_by_field(world):
    visitor, request = await officer(world), await asked(world)
    inbox = await visitor.get("/bandeja")
    assert "1 por atender" in inbox.text
    assert f'href="/s/{request}"' in inbox.text
    assert "Ficticia" not in inbox.text.replace("<span>Ficticia</span>", "").replace("· Ficticia</span>", "")
    shown = html.unescape((await visitor.get(f"/s/{request}")).text)
    for words in ("firma comprobada", "mujer", "Qué preguntan", "vence el", "Responder"):
        assert words in shown
    form = html.unescape((await visitor.get(f"/s/{request}/responder/unidentified-person")).text)
    assert 'name="s-sex"' in form
    assert re.search(r'<select id="s-sex"[^>]*>\s*<option value="" selected>No sale', form)
    review = await prepared(visitor, request)
    page = html.unescape((await visitor.get(review)).text)
    assert "Saldrán 2 de 4 campos preguntados." in page
    assert strip_of(page) == {"Preguntan": 4, "Tenemos": 4, "Saldrán": 2, "No saldrán": 2}
    assert "San Benito" not in page
    assert "mujer" in page
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'search.response'") == [(0,)]
    signed = await visitor.post(review)
    assert signed.location == review.replace("revisar", "enviada")
    sent = html.unescape((await visitor.get(signed.location)).text)
    assert "Respuesta firmada" in sent
    assert strip_of(sent) == strip_of(page)
    again = await visitor.post(review)  # the same form, sent once more
    assert again.location == signed.location
    await at_slot(world.federation)
    [found] = await arrived(world)
    assert {item.field for record in found.records for item in record.disclosed} == {"sex", "height_cm"}
    assert found.body.result is SearchResult.MATCH


async def test_what_is_checked_is_read_from_the_bytes_that_are_signed(world):
    visitor, request = await officer(world), await asked(world)
    review = await prepared(visitor, request)
    page = html.unescape((await visitor.get(review)).text)
    [sealed] = await table(world.node, "SELECT content FROM departures")
    digest = re.search(r"<code>([0-9a-f]{64})</code>", page)[1]
    await visitor.post(review)
    await at_slot(world.federation)
    [kept] = await table(
        world.federation.nodes[MBMID], "SELECT thread_id, message_id, body FROM inbox WHERE kind = 'search.response'"
    )
    from hashlib import sha256

    from contracts.ids import MessageId

    opened = await world.federation.nodes[MBMID].capabilities.bodies.open(kept[0], MessageId(kept[1]), kept[2])
    assert sha256(opened.payload.rstrip(b" ")).hexdigest() == digest or digest in page
    assert sealed


async def test_what_is_held_is_compared_with_what_they_said_before_anything_is_decided(world):
    visitor, request = await officer(world), await asked(world)
    page = await visitor.post(f"/s/{request}/responder/unidentified-person", ANSWER | {"v-age_range": "50", "paso": "comparar"})
    assert page.status == 200
    assert "= coincide" in page.text
    assert "≠ distinto" in page.text
    assert await table(world.node, "SELECT count(*) FROM departures") == [(0,)]


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "expected"),
    [
        ("age", {"min": 30, "max": 34}, {"min": 34, "max": 40}, "like"), ("age", {"min": 30, "max": 33}, {"min": 34, "max": 40}, "other"),
        ("date", {"date": "1999", "precision": "year"}, {"date": "1999-03", "precision": "month"}, "like"),
        ("date", {"date": "1998", "precision": "year"}, {"date": "1999-03", "precision": "month"}, "other"),
        ("date", {"from": "1998", "to": "1999", "precision": "range"}, {"date": "1999", "precision": "year"}, "other"),
        ("place", {"country": "GT"}, {"country": "GT", "department": "17"}, "like"), ("place", {"country": "MX"}, {"country": "GT"}, "other"),
        ("names", ["Ana Ficticia"], ["ficticia"], "like"), ("name", "Xol", "Shol", "other"), ("choice", "female", "female", "same"),
    ],
)  # fmt: skip
def test_what_is_alike_is_said_so(kind, ours, theirs, expected):
    assert likeness(kind, ours, theirs) == expected


async def test_nothing_chosen_tells_the_result_alone(world):
    visitor, request = await officer(world), await asked(world)
    review = await prepared(visitor, request, **{"s-sex": "", "s-height_cm": ""})
    page = html.unescape((await visitor.get(review)).text)
    assert "Saldrán 0 de 4 campos preguntados." in page
    await visitor.post(review)
    await at_slot(world.federation)
    [found] = await arrived(world)
    assert (found.body.result, found.records) == (SearchResult.MATCH, ())


async def test_a_field_leaves_more_coarsely_when_the_officer_says_so(world):
    visitor, request = await officer(world), await asked(world)
    changed = {"s-found_place": "department", "s-sex": "", "s-height_cm": "", "v-height_cm": ""}
    review = await prepared(visitor, request, **changed)
    page = html.unescape((await visitor.get(review)).text)
    assert strip_of(page) == {"Preguntan": 4, "Tenemos": 3, "Saldrán": 1, "No saldrán": 3}
    assert "Petén" in page
    assert "San Benito" not in page


@pytest.mark.parametrize(("wish", "result"), [("alive-only", SearchResult.MATCH), ("silence", SearchResult.NO_MATCH)])
async def test_what_the_person_found_wants_decides_before_what_the_officer_chose(world, wish, result):
    visitor, request = await officer(world), await asked(world)
    review = await prepared(visitor, request, voluntad=wish)
    page = html.unescape((await visitor.get(review)).text)
    assert ("igual que si no hubiera nadie" in page) is (wish == "silence")
    nothing = {"Preguntan": 4, "Tenemos": 4, "Saldrán": 0, "No saldrán": 4}
    assert strip_of(page) == ({} if wish == "silence" else nothing)
    await visitor.post(review)
    await at_slot(world.federation)
    [found] = await arrived(world)
    assert (found.body.result, found.records) == (result, ())
    assert await table(world.node, "SELECT wish FROM wish_events") == [(wish,)]


async def test_who_was_not_asked_is_asked_first(world):
    visitor, request = await officer(world), await asked(world)
    page = await visitor.post(f"/s/{request}/responder/unidentified-person", ANSWER | {"voluntad": "undecided"})
    assert page.location == f"/s/{request}/prorroga"
    page = await visitor.post(f"/s/{request}/responder/unidentified-person", {**ANSWER, "voluntad": ""})
    assert page.status == 422
    assert "Diga qué autorizó la persona localizada" in html.unescape(page.text)


async def test_a_child_and_the_dead_interrupt_and_need_another_person(world):
    visitor, request = await officer(world), await asked(world)
    gate = await visitor.get(f"/s/{request}/responder/unidentified-remains")
    assert "puede haber fallecido" in gate.text or gate.status == 404
    young = ANSWER | {"v-age_range": "9 a 11"}
    page = await visitor.post(f"/s/{request}/responder/unidentified-person", young)
    assert page.status == 200
    assert "segunda aprobación" in page.text
    carried = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
    onward = {html.unescape(name): html.unescape(value) for name, value in carried if name not in {"ficha", "sigue"}}
    assert onward["v-age_range"] == "9 a 11"
    review = (await visitor.post(f"/s/{request}/responder/unidentified-person", onward)).location
    assert "segunda aprobación" in (await visitor.get(review)).text
    sent = (await visitor.post(review)).location
    assert "Todavía no sale" in (await visitor.get(sent)).text
    [waiting] = re.findall(r'href="(/espera/[^"]+)"', (await visitor.get("/espera")).text)
    own = await visitor.get(waiting)
    assert "la segunda aprobación la da otra persona" in own.text
    second = await officer(world, "s.ficticia")
    page = await second.get(waiting)
    content = re.search(r'name="contenido" value="([0-9a-f]+)"', page.text)[1]
    assert (await second.post(f"{waiting}/aprobar", {"contenido": "0" * 64})).status == 409
    assert (await second.post(f"{waiting}/aprobar", {"contenido": content})).status == 303
    await at_slot(world.federation)
    assert len(await arrived(world)) == 1


async def test_free_text_waits_until_somebody_has_read_it(world):
    visitor, request = await officer(world), await asked(world, "sex", "facility")
    review = await prepared(visitor, request, **{"v-facility": "Albergue Ficticio", "s-facility": "exact"})
    await visitor.post(review)
    second = await officer(world, "s.ficticia")
    [waiting] = re.findall(r'href="(/espera/[^"]+)"', (await second.get("/espera")).text)
    page = await second.get(waiting)
    assert "Albergue Ficticio" in page.text
    places = re.findall(r'name="texto" value="([^"]+)"', page.text)
    assert (await second.post(f"{waiting}/soltar")).status == 422
    assert (await second.post(f"{waiting}/soltar", [("texto", place) for place in places])).status == 303
    assert (await second.post(f"{waiting}/soltar", [("texto", place) for place in places])).location.endswith("hecho=ya")
    dropped = await second.post(f"{waiting}/descartar")
    assert dropped.location == "/espera?hecho=descartada"
    assert (await second.post(f"{waiting}/descartar")).location == "/espera?hecho=ya"


async def test_somebody_who_left_the_screen_alone_signs_with_their_password(world):
    await world.bootstrap()
    await world.open_office()
    await world.hire("o.ficticia", f"officer@{OFFICE}")
    visitor, request = Visitor(world.base), await asked(world)
    await visitor.post("/entrar", {"usuario": "o.ficticia", "clave": password_of("o.ficticia")})
    review = await prepared(visitor, request)
    world.clock.forward(minutes=6)
    assert 'type="password"' in (await visitor.get(review)).text
    for given in ({}, {"clave": "no es, y es larga"}):
        page = await visitor.post(review, given)
        assert page.status == 422
        assert "No se envió nada" in html.unescape(page.text)
    assert await table(world.node, "SELECT state FROM departures") == [("shown",)]
    assert (await visitor.post(review, {"clave": password_of("o.ficticia")})).location.endswith(review.split("/")[-1])
    assert (await visitor.get("/cuenta")).status == 200  # the session was renewed, and is the browser's
    assert await table(world.node, "SELECT state FROM departures") == [("waiting",)]


async def test_nobody_signs_or_sees_what_another_was_shown_and_two_officers_answer_once(world):
    one, other, request = await officer(world), await officer(world, "s.ficticia"), await asked(world)
    first, second = await prepared(one, request), await prepared(other, request)
    assert (await other.get(first)).status == 404
    assert (await other.post(first)).status == 404
    assert (await one.post(first)).status == 303
    assert (await other.post(second)).location.endswith("hecho=ya")
    assert (await other.get(first.replace("revisar", "enviada"))).status == 404
    assert (await other.post(f"/s/{request}/responder/unidentified-person", ANSWER)).location.endswith("hecho=ya")
    await at_slot(world.federation)
    assert len(await arrived(world)) == 1


async def test_no_information_is_a_short_form_and_is_said_once(world):
    visitor, request = await officer(world), await asked(world)
    page = await visitor.get(f"/s/{request}/sin-informacion")
    as_of = re.search(r'name="hasta" value="([^"]+)"', page.text)[1]
    assert (await visitor.post(f"/s/{request}/sin-informacion", {"hasta": as_of})).status == 422
    late = [("hasta", "2031-01-01T10:00"), ("fuente", "registro-de-la-oficina")]
    assert (await visitor.post(f"/s/{request}/sin-informacion", late)).status == 422
    given = [("hasta", as_of), ("fuente", "registro-de-la-oficina"), ("fuente", "inventada")]
    assert (await visitor.post(f"/s/{request}/sin-informacion", given)).location == f"/s/{request}?hecho=sin-informacion"
    assert (await visitor.post(f"/s/{request}/sin-informacion", given)).location == f"/s/{request}?hecho=ya"
    await at_slot(world.federation)
    [found] = await arrived(world)
    assert found.body.result is SearchResult.NO_MATCH
    assert "request.no-information registro-de-la-oficina" in [leaf.get("outcome") for leaf in await world.leaves()]


async def test_more_time_more_fields_and_no_answer_are_each_said_once(world):
    visitor, request = await officer(world), await asked(world)
    page = await visitor.get(f"/s/{request}/prorroga")
    given = dict(re.findall(r'name="(vez|hasta)" value="([^"]+)"', page.text))
    early = await visitor.post(f"/s/{request}/prorroga", given | {"hasta": "2001-01-01T10:00"})
    assert early.status == 422
    for expected in ("prorroga", "ya", "ya"):
        assert (await visitor.post(f"/s/{request}/prorroga", given)).location == f"/s/{request}?hecho={expected}"
    assert f"/s/{request}/responder" in (await visitor.get(f"/s/{request}")).text  # more time is no answer
    await at_slot(world.federation)
    assert len(await arrived(world, "case.status")) == 1
    visitor = await officer(world, "s.ficticia")  # twenty minutes went by
    assert (await visitor.post(f"/s/{request}/rechazo", {"motivo": "inventado"})).status == 422
    assert (await visitor.post(f"/s/{request}/rechazo", {"motivo": "no-access"})).location.endswith("hecho=rechazo")
    assert (await visitor.post(f"/s/{request}/rechazo", {"motivo": "no-access"})).location.endswith("hecho=ya")


@pytest.mark.parametrize(
    ("reason", "done", "told"),
    [(code, "rechazo", SearchResult.CANNOT_ANSWER) for code in REASONS if code != "other"]
    + [("other", "rechazo-otro", SearchResult.NO_MATCH)],
)
async def test_what_the_page_says_of_a_refusal_is_what_the_other_side_reads(world, reason, done, told):
    """That nobody could look must not be read as that there is nobody (E12)."""
    visitor, request = await officer(world), await asked(world)
    sent = await visitor.post(f"/s/{request}/rechazo", {"motivo": reason})
    assert sent.location.endswith(f"hecho={done}")
    await at_slot(world.federation)
    [found] = await arrived(world)
    assert found.body.result is told


async def test_how_a_person_said_what_they_want_is_never_made_up(world):
    visitor, request = await officer(world), await asked(world)
    page = await visitor.post(f"/s/{request}/responder/unidentified-person", ANSWER | {"como": ""})
    assert (page.status, "Diga cómo lo dijo la persona." in html.unescape(page.text)) == (422, True)
    unasked = await visitor.post(f"/s/{request}/responder/unidentified-person", ANSWER | {"voluntad": "undecided", "como": ""})
    assert unasked.location == f"/s/{request}/prorroga"
    assert not [leaf for leaf in await world.leaves() if str(leaf.get("detail", "")).startswith("wish.recorded")]


async def test_what_somebody_typed_is_never_a_tag(world):
    visitor, bad = await officer(world), '"><img src=x onerror=alert(1)>'
    request = await asked(world, values=ADULT | {"given_names": [bad[:40]]})
    for path in ("", "/responder/unidentified-person", "/sin-informacion"):
        assert "<img" not in (await visitor.get(f"/s/{request}{path}")).text
    page = await visitor.post(
        f"/s/{request}/responder/unidentified-person", ANSWER | {"v-found_place": bad, "expediente": bad, "voluntad": bad}
    )
    assert page.status == 422
    assert "<img" not in page.text


async def test_pages_are_small(world):
    visitor, request = await officer(world), await asked(world)
    first = await visitor.get("/bandeja")
    files = re.findall(r'"(/estatico/[^"]+)"', first.text)
    weight = first.size + sum([(await visitor.get(path)).size for path in set(files)])
    assert weight <= 40 * 1024
    assert len(set(files)) + 1 <= 6
    for path in (f"/s/{request}", f"/s/{request}/responder/unidentified-person", await prepared(visitor, request), "/espera"):
        assert (await visitor.get(path)).size <= 15 * 1024, path


async def test_control_text_that_is_not_escaped_would_be_seen(world, monkeypatch):
    from gateway.console.pages import site

    bad = "<img src=x>"
    visitor, request = await officer(world), await asked(world, values=ADULT | {"given_names": [bad]})
    safe = (await visitor.get(f"/s/{request}")).text
    [pages] = [route.handler.__self__ for route in world.api.routes() if route.path == "/bandeja"]
    for environment in map(pages._looks.environment, LANGUAGES):
        environment.cache.clear()
        monkeypatch.setattr(environment, "autoescape", False)
    page = await visitor.post(f"/s/{request}/responder/unidentified-person", ANSWER | {"expediente": '"' + bad, "voluntad": ""})
    assert bad in page.text
    assert bad not in safe
    assert site


async def test_control_a_form_counted_every_time_would_say_it_twice(world, monkeypatch):
    visitor, request = await officer(world), await asked(world)
    page = await visitor.get(f"/s/{request}/prorroga")
    given = dict(re.findall(r'name="(vez|hasta)" value="([^"]+)"', page.text))

    async def always(_self, _request):
        return True

    monkeypatch.setattr("gateway.console.pages.requests.RequestPages.first_time", always)
    first = (await visitor.post(f"/s/{request}/prorroga", given)).location
    assert first.endswith("hecho=prorroga")
    assert not (await visitor.post(f"/s/{request}/prorroga", given)).location.endswith("hecho=ya")


async def test_looking_changes_nothing_but_the_log(world):
    visitor, request, other = await officer(world), await asked(world), await asked(world, "sex", case_ref="caso-2")
    review = await prepared(visitor, request)
    signed = (await visitor.post(await prepared(visitor, other))).location
    waits = re.findall(r'href="(/espera/[^"]+)"', (await visitor.get("/espera")).text)
    before = await everything(world.node)
    ends = ("", "/responder", "/responder/unidentified-person", "/sin-informacion", "/prorroga", "/aclaracion", "/rechazo")
    paths = ["/", "/bandeja", "/espera", "/cuenta", "/confirmar", "/entrar", review, signed, *waits]
    for path in [*paths, *(f"/s/{request}{end}" for end in ends)]:
        assert (await visitor.get(path)).status in {200, 303}, path
    assert await everything(world.node) == before


async def everything(node):
    """Every row of every table, but the log's and what says when a session was last used."""
    names = await table(node, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    looked_at = {name for (name,) in names} - {
        "leaf_staging",
        "leaves",
        "log_head",
        "log_nodes",
        "log_tiles",
        "sessions",
        "devices",
    }
    return {name: sorted(map(str, await table(node, f"SELECT * FROM {name}"))) for name in sorted(looked_at)}


async def test_what_is_changed_again_keeps_what_was_chosen_from_a_list(world):
    visitor, request = await officer(world), await asked(world)
    review = await prepared(visitor, request)
    form = html.unescape((await visitor.get(f"/s/{request}/responder/unidentified-person?desde={review.split('/')[-1]}")).text)
    assert re.search(r'id="v-sex".*?<option value="female" selected>', form, re.DOTALL)
    assert 'name="v-age_range" value="30 a 34"' in form


@pytest.mark.parametrize(("lang", "expected"), [("es", "tatuaje, antebrazo, izquierda"), ("en", "tattoo, forearm, left")])
def test_marks_that_were_chosen_from_a_list_are_said_in_words(lang, expected):
    value = [{"type": "tattoo", "region": "forearm", "side": "left"}]
    assert said("items", value, in_language(lang)) == expected
    assert said("items", value, None) == "tattoo: forearm: left"  # what the form reads again


@pytest.mark.parametrize(
    ("code", "lang", "expected"),
    [
        ("shelter", "es", "albergue"), ("shelter", "en", "shelter"), ("ice", "es", "custodia de ICE, Estados Unidos"),
        ("centro-de-retorno", "es", "centro de retorno"), ("unknown", "es", "no se sabe"),
    ],
)  # fmt: skip
def test_a_choice_is_said_in_words_and_never_as_a_code(code, lang, expected):
    assert said("choice", code, in_language(lang)) == expected

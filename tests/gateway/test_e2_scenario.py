"""E2, an ordinary report at a desk and its immediate transfer: what the clerk, the MBMID and two estranged parents live."""

import json
from datetime import datetime, timedelta

import pytest

from gateway.exchange.deadlines import deadline_turn
from tests.gateway.story import MBMID, CommandLine, desk_mapping, leaves_of, opened, sent, told_in, told_story
from tests.gateway.test_exchange import table
from tests.gateway.test_recall import erase
from tests.promises.canaries import files

DESK, PNC, MSPAS = "gt.conamigua", "gt.pnc", "gt.mspas"
CLERK, POLICE = "desk-clerk@huehuetenango", "desk-clerk@cuilco"
HEADINGS = "Nombres,Apellidos,Edad,Sexo,Idioma,Último contacto,Lugar del último contacto,Destino,Reportante,Parentesco,Teléfono,Dirección"
SON = "Ficticio Zanatuk,Caalzanatuk,27,M,chuj,2026-10-15,Reynosa,Nashvillezanatuk"
MOTHER = f"{SON},Ficticia Madrezanatuk,Madre,+50255550100,Aldea Zanatukaldea"
FATHER = f"{SON},Ficticio Padrezanatuk,Padre,+50255550200,Otra Zanatukaldea"
S4 = ("nashvillezanatuk", "madrezanatuk", "55550100", "zanatukaldea")


def sheet(*rows):
    return "\n".join((HEADINGS, *rows)) + "\n"


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, MBMID, DESK, PNC, MSPAS) as found:
        desk_mapping(found.federation.nodes[DESK], "libro", "huehuetenango")
        desk_mapping(found.federation.nodes[PNC], "libro", "cuilco")
        yield found


async def takes(story, row=MOTHER, *, at=DESK, who=CLERK):
    [answer] = await story.reports("libro", sheet(row), at=at, who=who, login="ventanilla.ficticia")
    assert answer["outcome"] == "imported", answer
    return answer


async def always(_office):
    return None


async def cases(story, at=MBMID, kind="report"):
    who = "officer@huehuetenango" if at == DESK else "officer@igm"
    found = (await story.ok("GET", "cases", at=at, who=who))["cases"]
    return sorted((case for case in found if case["kind"] == kind), key=lambda case: case["opened"])


def plain(text):
    return text.casefold()


async def test_the_transfer_is_signed_acknowledged_with_a_folio_and_the_clerk_loses_sight_of_it(story):
    answer = await takes(story)
    assert answer["kinds"] == ["report.transfer"]
    await story.federation.settle()
    [case] = await cases(story)
    assert (case["folio"], case["peer"], case["delayed_by"]) == ("MBMID-2026-000001", DESK, None)
    [own] = await cases(story, DESK, "report-sent")
    assert (own["state"], own["folio"]) == ("acknowledged", case["folio"])
    # S1 to S4 went to the MBMID, whole
    [transfer] = await opened(story.node, "report.transfer")
    given = {item.field for record in transfer.records for item in record.disclosed}
    assert {"given_names", "intended_destination", "name", "phones", "address"} <= given
    # -- never: the clerk can re-read the case later: of every route a clerk is let in by, none tells a word of it
    ids = answer["messages"][0]
    for path in ("cases", "requests", "held", "inbox", "outbox", f"messages/{ids}", f"messages/{ids}/evidence"):
        assert (await story.call("GET", path, at=DESK, who=CLERK, login="ventanilla.ficticia"))[0] == 403, path
    for path in ("status", "imports", "offices", "session"):
        assert (await story.call("GET", path, at=DESK, who=CLERK, login="ventanilla.ficticia"))[0] == 200, path
    assert "zanatuk" not in plain(story.seen_at(DESK, "ventanilla.ficticia"))


async def test_the_desks_copy_is_reduced_to_its_receipt_and_a_norm_of_its_own_keeps_it(story):
    desk = story.federation.nodes[DESK]
    answer = await takes(story)
    await story.federation.settle()
    [message] = answer["messages"]
    length = f"SELECT length(body), length(envelope) FROM outbox_bodies WHERE message_id = '{message}'"
    officer = {"at": DESK, "who": "officer@huehuetenango"}
    assert (await story.call("GET", f"messages/{message}/evidence", **officer))[0] == 200
    await erase(story.federation, hours=6 * 24, step=24)
    assert (await table(desk, length))[0][0] > 0  # until then the MBMID may have to ask for it again
    await erase(story.federation, hours=3 * 24, step=24)
    assert await table(desk, length) == [(0, 0)]
    # what is left: ids, the signed receipt, the names of what left; nothing of anybody
    left = await story.ok("GET", f"messages/{message}", **officer)
    assert (left["state"], bool(left["receipt"])) == ("delivered", True)
    assert (await story.call("GET", f"messages/{message}/evidence", **officer))[0] == 404
    [own] = await cases(story, DESK, "report-sent")
    assert (own["state"], own["folio"]) == ("acknowledged", "MBMID-2026-000001")
    assert any(leaf.get("detail") == "copies.reduced 1" for leaf in await leaves_of(desk))
    await story.federation.publish()
    [again] = await story.reports("libro", sheet(MOTHER), at=DESK, who=CLERK)
    assert again["outcome"] == "duplicate"
    # the MBMID has it whole
    assert [transfer.records for transfer in await opened(story.node, "report.transfer")]


async def test_control_a_desk_that_forgets_nothing_and_one_whose_norm_keeps_it(story, monkeypatch):
    desk = story.federation.nodes[DESK]
    for forget in (True, False):
        with monkeypatch.context() as patch:
            if forget:

                async def keeps(_threads, _work, _node):
                    return None

                patch.setattr("gateway.exchange.filing.handed_over", keeps)
            await story.federation.publish()
            [message] = (await takes(story, MOTHER if forget else FATHER))["messages"]
            await story.federation.settle()
        if not forget:
            [(thread,)] = await table(desk, f"SELECT thread_id FROM outbox WHERE message_id = '{message}'")
            body = {"thread": thread, "basis": "gt:codigo-migracion:198-207"}
            await story.ok("POST", "erasure/keep", body, at=DESK, who="data-protection")
        await erase(story.federation, hours=10 * 24, step=24)
        kept = await table(desk, f"SELECT length(body) > 0 FROM outbox_bodies WHERE message_id = '{message}'")
        assert [bool(row[0]) for row in kept] == [True]


async def test_an_unacknowledged_report_is_never_reduced(story):
    desk = story.federation.nodes[DESK]
    [message] = (await takes(story))["messages"]
    story.federation.network.down.add(MBMID)
    await erase(story.federation, hours=10 * 24, step=24, reachable=False)
    [(state, kept)] = await table(
        desk, f"SELECT state, length(body) FROM outbox JOIN outbox_bodies USING (message_id) WHERE message_id = '{message}'"
    )
    assert kept > 0
    # -- never: lost silently. It expired, and people are told
    assert state == "dead"
    assert "message-dead" in {alarm["code"] for alarm in (await story.ok("GET", "alarms", at=DESK))["alarms"]}


async def test_nine_hours_without_a_link(story, monkeypatch, capsys, tmp_path):
    federation, desk = story.federation, story.federation.nodes[DESK]
    federation.network.down.add(MBMID)
    began = federation.clock.now()
    [message] = (await takes(story))["messages"]
    told = []
    for _ in range(9 * 4):
        await federation.turn()
        await deadline_turn(desk.capabilities, always)
        alarms = (await story.ok("GET", "alarms", at=DESK, login="jefa", who="office-head@huehuetenango"))["alarms"]
        told.append({alarm["code"] for alarm in alarms if alarm["code"].startswith("deadline")})
        federation.clock.forward(minutes=15)
    # a sealed outbox, and automatic retry
    waiting = await story.ok("GET", f"messages/{message}", at=DESK, login="jefa", who="office-head@huehuetenango")
    assert waiting["state"] == "waiting"
    assert waiting["attempts"] > 3
    for path in files(desk.config.data):
        assert b"zanatuk" not in path.read_bytes().lower(), path
    # somebody is to telephone: not before four hours have passed, and then once
    first = next(number for number, codes in enumerate(told) if "deadline-passed" in codes)
    assert 4 * 60 <= first * 15 <= 4 * 60 + 15
    inbox = await story.ok("GET", "inbox", at=DESK, login="jefa", who="office-head@huehuetenango")
    [item] = [item for item in inbox["work"] if item["machine"] == "report"]
    assert (item["id"], item["section"], item["state_es"]) == (message, "Vencidas", "En espera de enlace")
    # the link is back
    federation.network.down.clear()
    await federation.settle()
    [case] = await cases(story)
    times = [datetime.fromisoformat(case[name]) for name in ("sent", "opened")]
    assert timedelta() <= times[0] - began.replace(microsecond=0) < timedelta(minutes=1)
    assert timedelta(hours=9) <= times[1] - times[0] < timedelta(hours=9, minutes=30)
    assert case["delayed_by"] == "link"
    paradero = await CommandLine(story, monkeypatch, capsys, tmp_path).sign_in()
    code, said = await paradero("case", "list", "--json")
    assert code == 0, said
    assert json.loads(said)["cases"][0]["delayed_by"] == "link"
    [(seen,)] = await table(desk, "SELECT count(*) FROM alarms WHERE code = 'deadline-passed'")
    assert seen == 1


async def asks(story, case, to=MSPAS):
    body = {
        "to": to, "want": ["sex", "age_range"], "purpose": "locate-missing", "basis": "gt:codigo-migracion:198-207",
        "case_ref": case, "records": [{"type": "missing-person", "values": {
            "given_names": ["Ficticio", "Zanatuk"], "surname_1": "Caalzanatuk", "sex": "male", "age_range": {"min": 27, "max": 27},
            "intended_destination": "Nashvillezanatuk",
        }}],
    }  # fmt: skip
    return await story.call("POST", "requests", body)


async def test_both_parents_report_him_and_he_is_searched_for_once(story, monkeypatch, capsys, tmp_path):
    federation = story.federation
    await takes(story)
    await federation.settle()
    federation.clock.forward(days=2)
    await federation.publish()
    await takes(story, FATHER, at=PNC, who=POLICE)
    await federation.settle()
    first, second = await cases(story)
    assert [first["peer"], second["peer"]] == [DESK, PNC]
    # an officer of the MBMID sees that it is one young man
    joined = await story.ok("POST", f"cases/{second['folio']}/same-person", {"as": first["folio"]})
    assert joined == {"case": second["folio"], "same_as": first["folio"]}
    assert [case["same_as"] for case in await cases(story)] == [None, first["folio"]]
    # -- never: two folios chased as two people
    assert (await asks(story, first["folio"]))[0] == 200
    status, problem = await asks(story, second["folio"])
    assert (status, "ya hay una pendiente" in problem["title"]) == (403, True), problem
    await federation.settle()
    [question] = await opened(federation.nodes[MSPAS], "search.request")
    assert {item.field for record in question.records for item in record.disclosed}.isdisjoint(
        {"intended_destination", "phones"}
    )
    assert await table(story.node, "SELECT count(*) FROM exchanges WHERE machine = 'search'") == [(1,)]
    # both reporters are kept apart: each with their own consents, and neither folio tells of the other's reporter
    assert (await story.says(first["folio"], "given", "Madre", "c6"))[0] == 200
    assert (await story.says(second["folio"], "given", "Padre", "c8"))[0] == 200
    scopes = [
        {line["scope"] for line in (await story.ok("GET", f"cases/{case['folio']}/consents"))["in_force"]}
        for case in (first, second)
    ]
    assert scopes == [{"c6"}, {"c8"}]
    assert MSPAS in await story.family_reads(first["folio"])
    assert MSPAS not in await story.family_reads(second["folio"])
    # namesakes are many: it can be taken back, and is refused where it makes no sense
    again = await story.call("POST", f"cases/{first['folio']}/same-person", {"as": second["folio"]})
    assert again[0] == 422
    paradero = await CommandLine(story, monkeypatch, capsys, tmp_path).sign_in()
    code, said = await paradero("case", "other-person", second["folio"])
    assert code == 0, said
    assert (await asks(story, second["folio"]))[0] == 200
    code, said = await paradero("case", "same-person", second["folio"], "MBMID-2026-000099")
    assert code == 4, said
    code, said = await paradero("case", "same-person", second["folio"], first["folio"])
    assert code == 0, said
    said = [leaf.get("detail", "").split(" ")[0] for leaf in await leaves_of(story.node)]
    assert [said.count(word) for word in ("case.same-person", "case.parted")] == [2, 1]


async def test_control_two_folios_that_nobody_joined_are_two_searches(story):
    await takes(story)
    await takes(story, FATHER, at=PNC, who=POLICE)
    await story.federation.settle()
    first, second = await cases(story)
    assert [(await asks(story, case["folio"]))[0] for case in (first, second)] == [200, 200]
    await story.federation.settle()
    assert len(await opened(story.federation.nodes[MSPAS], "search.request")) == 2


async def test_others_get_questions_and_never_the_file(story):
    await takes(story)
    await story.federation.settle()
    [case] = await cases(story)
    for to in (MSPAS, PNC):
        assert (await asks(story, case["folio"], to))[0] == 200
    await story.federation.settle()
    for to in (MSPAS, PNC):
        messages = await sent(story.node, to=to)
        assert {message.type for message in messages} == {"search.request"}
        said = plain("\n".join(message.model_dump_json() for message in messages)) + await told_in(story, to)
        for canary in (*S4, "caalzanatuk", "zanatuk"):
            assert canary not in said, (to, canary)

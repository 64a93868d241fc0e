"""E6, a withdrawn consent, as its people live it: through the private port of a running node, down to what the family reads."""

import json
from pathlib import Path

import pytest

from contracts.consents import may_search_internally
from contracts.errors import NotPermittedError
from contracts.ids import Code
from gateway.exchange.consenting import consents_of
from gateway.exchange.erasing import keep
from gateway.main.logcheck import check_log
from tests.gateway.story import OFFICER, CommandLine, leaves_of, opened, told_story
from tests.gateway.test_exchange import CANARY, row, send, table
from tests.gateway.test_recall import CNB, DESK, ICRC, NAMES, asks, erase, recall_states
from tests.promises.canaries import files

TRANSFER = Code("gt:mbmid:traslado-inmediato")
DAUGHTER, MOTHER = "Hija Mayor Zanatuk", "Madre Zanatuk"


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, *NAMES) as found:
        yield found


async def test_a_daughter_is_threatened_and_takes_it_back(story):
    federation = story.federation
    person = row()
    await send(federation, person)
    await federation.settle()
    [(folio, thread)] = await table(story.node, "SELECT folio, thread_id FROM cases WHERE kind = 'report'")

    # -- both relatives agree to different things
    status, given = await story.says(folio, "given", DAUGHTER, "c3", "c4", "c8")
    assert (status, given["ordered"]) == (200, [])
    assert (await story.says(folio, "given", MOTHER, "c6"))[0] == 200
    sent = await asks(federation, thread)
    await asks(federation, thread, to=ICRC, scopes=("c6",))
    await federation.settle()
    before = await story.family_reads(folio)
    assert "mx.cnb (ficticio)" in before
    assert "lo tiene" in before

    # -- she is extorted, and withdraws Mexico and the bulletin; the CNB cannot be reached
    federation.network.down.add(CNB)
    status, withdrawn = await story.says(folio, "withdrawn", DAUGHTER, "c3", "c4", "c8", reason="threat")
    assert status == 200
    assert withdrawn["relative"] == given["relative"]  # the same person, by what her office calls her
    assert withdrawn["ordered"] == [{"node": CNB, "copies": 1}]
    # local effect at once: nothing more leaves on it
    with pytest.raises(NotPermittedError):
        await asks(federation, thread)
    # unreachable nodes are listed daily, once a day
    for _ in range(2):
        await erase(federation, hours=12, reachable=False)
    listed = await table(story.node, "SELECT subject, peer FROM alarms WHERE code = 'recall-outstanding'")
    assert {peer for _, peer in listed} == {CNB}
    assert 2 <= len({subject for subject, _ in listed}) == len(listed) <= 3
    assert "se le ordenó borrarlo; falta su constancia" in await story.family_reads(folio)

    # -- it is back: it learns what concerns it and no more, is blocked at once, and a law makes it keep its register
    federation.network.down.clear()
    await federation.poll()
    await federation.settle()
    cnb = federation.nodes[CNB]
    [change] = await opened(cnb, "consent.change")
    assert change.body.reason is None
    assert set(change.body.scopes) == {"c3", "c4"}
    [order] = await opened(cnb, "erasure.order")
    [(delivery,)] = await table(story.node, f"SELECT record_id FROM disclosures WHERE peer = '{CNB}'")
    assert order.body.records == (delivery,)
    assert await table(cnb, "SELECT state FROM erasures") == [("blocked",)]
    archivist = cnb.capabilities.pseudonyms.actor("archivist")
    assert await keep(sent.thread_id, Code("mx:maebi"), cnb.capabilities, actor=archivist)
    await erase(federation, hours=30)
    assert await recall_states(federation) == ["refused"]
    after = await story.family_reads(folio)
    assert "dice que una ley le obliga a conservarlo" in after
    assert "mx:maebi" in after
    assert "says a law makes it keep it" in await story.family_reads(folio, "en")

    # -- never: one relative's withdrawal cancels another's
    assert await recall_states(federation, ICRC) == ["held"]
    _, standing = await story.call("GET", f"cases/{folio}/consents")
    assert {(line["scope"], line["form"], line["language"]) for line in standing["in_force"]} == {("c6", "written", "es")}
    # never: the withdrawal closes the search
    assert await table(story.node, f"SELECT state, folio FROM cases WHERE thread_id = '{thread}'") == [("received", folio)]
    _, holding = await consents_of(folio, story.node.capabilities)
    assert may_search_internally(holding, TRANSFER)
    # never: a re-import resurrects
    [again] = await send(federation, person)
    assert again.outcome == "duplicate"
    assert await table(federation.nodes[DESK], "SELECT count(*) FROM outbox WHERE kind = 'report.transfer'") == [(1,)]
    with pytest.raises(NotPermittedError):
        await asks(federation, thread)

    # -- what is kept: proof that it was given and recalled, without content and without names
    details = [leaf.get("detail", "") for leaf in await leaves_of(story.node)]
    checked = await check_log(story.node.config)
    assert checked.ok, checked.problem
    assert any(detail.startswith("consent.withdrawn r:") for detail in details)
    assert any(detail.startswith("recall.accounted erased=0 refused=1") for detail in details)
    said = "\n".join(details)
    for name in (DAUGHTER, MOTHER, CANARY):
        assert name.casefold() not in said.casefold()
    for path in files(Path(story.node.config.data)):
        data = path.read_bytes().lower()
        assert b"zanatuk" not in data, path  # her office's name for her is kept nowhere


async def test_bad_input_is_refused_in_words_and_changes_nothing(story):
    await send(story.federation, row())
    await story.federation.settle()
    [(folio,)] = await table(story.node, "SELECT folio FROM cases WHERE kind = 'report'")
    good = {"act": "given", "relative": "x", "scopes": ["c3"], "form": "written", "language": "es"}
    bad = [
        good | {"act": "revoked"},
        good | {"scopes": []},
        good | {"scopes": ["c99"]},
        good | {"scopes": "c3"},
        good | {"relative": "  "},
        good | {"relative": 7},
        good | {"form": "fingerprint"},  # without its witness
        good | {"form": "inherited-without-proof"},
        good | {"until": "mañana"},
        good | {"until": -1},
        good | {"recipients": ["NO ES UN NODO"]},
        good | {"surprise": True},
        {},
    ]
    for body in bad:
        status, problem = await story.call("POST", f"cases/{folio}/consents", body)
        assert (status, bool(problem["title"])) == (422, True), body
    assert (await story.call("POST", "cases/MBMID-2026-000099/consents", good))[0] == 404
    assert (await story.call("GET", "cases/nadie/who-has"))[0] == 404
    assert await table(story.node, "SELECT count(*) FROM consent_events") == [(0,)]


async def test_what_is_to_go_is_shown_run_and_kept_by_those_who_may(story):
    dpo = "data-protection"
    await send(story.federation, row())
    await story.federation.settle()
    [(thread,)] = await table(story.node, "SELECT thread_id FROM cases WHERE kind = 'report'")
    status, found = await story.call("GET", "erasure", who=dpo)
    assert (status, found["waiting"], found["stopped"]) == (200, [], None)
    assert (await story.call("POST", "erasure/run", {}, who=OFFICER))[0] == 403
    assert (await story.call("POST", "erasure/keep", {"thread": thread, "basis": "porque-si"}, who=dpo))[0] == 422
    assert (await story.call("POST", "erasure/keep", {"thread": "no", "basis": "consent"}, who=dpo))[0] == 422
    assert (await story.call("POST", "erasure/keep", {"thread": thread, "basis": "consent"}, who=dpo))[0] == 200
    assert (await story.call("POST", "erasure/keep", {"thread": thread, "basis": "consent"}, who=dpo))[0] == 409
    _, found = await story.call("GET", "erasure", who=dpo)
    assert [line["thread"] for line in found["kept"]] == [thread]
    assert (await story.call("POST", "erasure/release", {"thread": thread}, who=dpo))[0] == 200
    assert (await story.call("POST", "erasure/release", {"thread": thread}, who=dpo))[0] == 404
    status, found = await story.call("POST", "erasure/run", {"go_on": True}, who=dpo)
    assert status == 200
    assert found["last_run"] is not None


async def test_the_commands_say_what_happened(story, monkeypatch, capsys, tmp_path):
    """The same on the command line, against the port, as an officer who signed in."""
    await send(story.federation, row())
    await story.federation.settle()
    [(folio, thread)] = await table(story.node, "SELECT folio, thread_id FROM cases WHERE kind = 'report'")
    paradero = await CommandLine(story, monkeypatch, capsys, tmp_path).sign_in()
    options = ("--relative", "hija", "--form", "written", "--language", "es")
    code, said = await paradero("consent", "grant", folio, "--scope", "c3", "--scope", "c4", *options)
    assert code == 0, said
    assert "Anotado para r:" in said
    assert "México, vía restringida" in said
    await asks(story.federation, thread)
    await story.federation.settle()
    code, said = await paradero("case", "who-has", folio)
    assert code == 0, said
    assert "lo tiene" in said
    code, said = await paradero("consent", "narrow", folio, "--scope", "c4", *options)
    assert code == 2
    assert "Qué hacer:" in said
    code, said = await paradero("consent", "withdraw", folio, "--scope", "c4", *options)
    assert code == 0, said
    assert "se ordena borrar 1 copia(s)" in said
    code, said = await paradero("case", "who-has", folio, "--lang", "en")
    assert "was ordered to erase it" in said
    code, said = await paradero("consent", "show", folio, "--json")
    assert [line["scope"] for line in json.loads(said)["in_force"]] == ["c3"]
    code, said = await paradero("case", "who-has", "Ficticia de Tal")
    assert code == 2
    code, said = await paradero("case", "who-has", "MBMID-2026-000099")
    assert code == 4
    code, said = await paradero("erasure", "run")
    assert code == 5  # an officer of cases does not run it
    code, said = await paradero("erasure", "keep", str(thread), "--basis", "consent")
    assert code == 5

"""E12, Mexico: what a mother agrees to, item by item, and what therefore leaves. On whole nodes."""

import pytest

from tests.gateway.story import MBMID, in_clear, opened, sent, told_story
from tests.gateway.test_e7_scenario import slot
from tests.gateway.test_exchange import row, send, table

DESK, CNB, FGR, ICRC = "gt.conamigua", "mx.cnb", "mx.fgr", "int.icrc"
MOTHER = "La madre Zanatuk"
SON = {"given_names": ["Ficticiocanario"], "surname_1": "Zanatukcaal", "sex": "male", "age_range": {"min": 20, "max": 24},
       "phones": ["+50255550177"], "smuggler": "Coyotecanario", "hair": "black"}  # fmt: skip
NAMES = ("given_names", "surname_1")
OFFICER = {"login": "oficial"}


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, MBMID, DESK, CNB, FGR, ICRC) as found:
        yield found


async def reported(story):
    await send(story.federation, row())
    await story.federation.settle()
    return (await table(story.node, "SELECT folio FROM cases WHERE kind = 'report' ORDER BY folio DESC LIMIT 1"))[0][0]


def question(folio, to=CNB, basis="consent", **more):
    records = [{"type": "missing-person", "values": SON}]
    asked = {"to": to, "want": ["sex"], "purpose": "locate-missing", "basis": basis, "case_ref": folio, "records": records}
    return asked | more


async def asks(story, folio, to=CNB, **more):
    """The officer asks, and where two must agree a second one does; what left, field by field, and as text."""
    answer = await story.ok("POST", "requests", question(folio, to, **more), **OFFICER)
    if answer["state"] == "held":
        held = await story.ok("GET", f"held/{answer['id']}", **OFFICER)
        places = [text["place"] for text in held["texts"]]
        if places:
            await story.ok("POST", f"held/{answer['id']}/release", {"places": places}, **OFFICER)
        assert await sent(story.node, "search.request", to) == []  # one person alone sends nothing of it
        await story.ok("POST", f"held/{answer['id']}/approve", {"content": answer["content"]}, login="segunda")
    message = (await sent(story.node, "search.request", to))[-1]
    return {item.field for record in message.records for item in record.disclosed}, in_clear(message), answer


async def test_a_search_in_mexico_is_not_a_public_bulletin(story):
    folio = await reported(story)
    # -- nothing without her yes, on whichever legal basis
    for basis in ("consent", "mx:maebi", "vienna:consular", "vital-interest", "gt:codigo-migracion:198-207"):
        assert (await story.call("POST", "requests", question(folio, basis=basis), **OFFICER))[0] == 403, basis
    # -- she says yes to the restricted route alone: features leave, and no name
    assert (await story.says(folio, "given", MOTHER, "c3"))[0] == 200
    fields, said, _ = await asks(story, folio)
    assert {"sex", "age_range", "hair"} <= fields
    assert not fields & {*NAMES, "phones", "smuggler"}
    for canary in ("Ficticiocanario", "Zanatukcaal", "50255550177", "Coyotecanario"):
        assert canary not in said, canary
    # -- what each item means is what she is read: C4 amounts to publishing
    await story.says(folio, "given", MOTHER, "c4")
    standing = (await story.ok("GET", f"cases/{folio}/consents"))["in_force"]
    words = {line["scope"]: line["scope_es"] for line in standing}
    assert "equivale a publicar" in words["c4"]
    assert "restringida" in words["c3"]


async def test_a_name_goes_to_the_register_that_publishes_with_the_scope_for_it_alone(story):
    folio = await reported(story)
    assert (await story.says(folio, "given", MOTHER, "c3", "c8", "c6", "c13"))[0] == 200
    fields, _, _ = await asks(story, folio)
    assert not fields & set(NAMES)  # a bulletin, the ICRC and a complaint are other yeses
    other = await reported(story)
    assert (await story.says(other, "given", MOTHER, "c3", "c4", "c13"))[0] == 200
    fields, said, _ = await asks(story, other)
    assert set(NAMES) <= fields  # control: with it they go
    for canary in ("50255550177", "Coyotecanario"):  # never, whatever she agreed to
        assert canary not in said, canary


async def test_the_smuggler_is_named_in_the_complaint_and_nowhere_else(story):
    folio = await reported(story)
    assert (await story.says(folio, "given", MOTHER, "c3", "c4", "c6"))[0] == 200
    fields, said, _ = await asks(story, folio, FGR)
    assert "smuggler" not in fields  # not without the yes to a complaint
    other = await reported(story)
    assert (await story.says(other, "given", MOTHER, "c3", "c4", "c6", "c13"))[0] == 200
    for to in (CNB, ICRC):
        _, said, _ = await asks(story, other, to)
        assert "Coyotecanario" not in said, to
        assert "50255550177" not in said, to
    answer = await story.ok("POST", "requests", question(other, FGR), **OFFICER)
    assert "wall:two-persons" in answer["waits"]  # a complaint is two officers' word
    held = await story.ok("GET", f"held/{answer['id']}", **OFFICER)
    places = {"places": [text["place"] for text in held["texts"]]}
    await story.ok("POST", f"held/{answer['id']}/release", places, **OFFICER)
    await story.ok("POST", f"held/{answer['id']}/approve", {"content": answer["content"]}, login="segunda")
    last = (await sent(story.node, "search.request", FGR))[-1]
    assert "Coyotecanario" in in_clear(last)  # control: there it is
    await story.federation.settle()
    for name in (DESK, CNB, ICRC):
        everything = "\n".join(map(in_clear, await opened(story.federation.nodes[name], "%")))
        assert "Coyotecanario" not in everything, name


async def test_no_record_is_not_the_same_as_not_searched(story):
    folio, other, third = [await reported(story) for _ in range(3)]
    ids = []
    for case in (folio, other, third):
        assert (await story.says(case, "given", MOTHER, "c3"))[0] == 200
        ids.append((await asks(story, case))[2]["message_id"])
    await story.federation.settle()
    there = {"at": CNB, "who": "officer@cnb", "login": "cnb"}
    nothing = {"searched": ["rnpdno"], "as_of": story.federation.clock.now().isoformat()}
    await story.ok("POST", f"requests/{ids[0]}/no-information", nothing, **there)
    await story.ok("POST", f"requests/{ids[1]}/decline", {"reason": "no-access"}, **there)
    await slot(story)
    read = [await story.ok("GET", f"requests/{request}", **OFFICER) for request in ids]
    assert (read[0]["open"], read[0]["answer"]["body"]["result"]) == (False, "no-match")
    assert read[0]["answer"]["body"]["searched_at"]  # they did look; and it says nothing of whether he is there
    assert (read[2]["open"], read[2]["answer"]) == (True, None)  # nobody looked yet
    assert (read[1]["open"], read[1]["answer"]["body"]["result"]) == (False, "cannot-answer")  # they could not look: no "no"
    # -- no answer of that kind ends the search, and no case is closed for want of a record
    assert await table(story.node, "SELECT DISTINCT state FROM cases WHERE kind = 'report'") == [("received",)]
    for ending in ("no-record", "no-match", "no-news"):
        assert (await story.call("POST", f"cases/{folio}/close", {"as": ending}, **OFFICER))[0] == 422
    assert (await asks(story, folio))[2]["state"] == "queued"  # it is asked again

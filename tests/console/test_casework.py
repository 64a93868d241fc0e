"""What the routes of casework say to requests that are none: a title, and nothing changed."""

import pytest

from tests.gateway.story import MBMID, told_story
from tests.gateway.test_exchange import row, send, table

DESK, NOBODY = "gt.conamigua", "01990000-0000-7000-8000-000000000001"
CHECK = {
    "question": "data-matches", "purpose": "locate-missing", "basis": "gt:codigo-migracion:198-207", "case_ref": "caso-1",
    "records": [{"type": "missing-person", "values": {"given_names": ["Ficticia"]}}],
}  # fmt: skip
DUTY = {
    "to": "gt.pgn", "duty": "alba-keneth", "purpose": "protect-child", "basis": "gt:alba-keneth:8", "age_known": True,
    "records": [{"type": "missing-person", "values": {"given_names": ["Ficticia"], "age_range": {"min": 9, "max": 9}}}],
}  # fmt: skip
BAD = [
    ("POST", "cases/{folio}/same-person", {}, 422),
    ("POST", "cases/{folio}/same-person", {"as": 7}, 422),
    ("POST", "cases/{folio}/same-person", {"as": "{folio}"}, 422),
    ("POST", "cases/{folio}/same-person", {"as": "MBMID-2026-000099"}, 404),
    ("POST", "cases/nadie/same-person", {"as": "{folio}"}, 404),
    ("DELETE", "cases/{folio}/same-person", None, 404),
    ("GET", "cases/nadie/never-to", None, 404),
    ("POST", "cases/{folio}/never-to", {"target": "foreign-consulate"}, 422),
    ("POST", "cases/{folio}/never-to", {"target": "country:VEN", "reason": "risk"}, 422),
    ("POST", "cases/{folio}/never-to", {"target": "gt.nadie", "reason": "risk"}, 422),
    ("POST", "cases/{folio}/never-to", {"target": "country:ve", "reason": "Porque Sí"}, 422),
    ("POST", "cases/{folio}/never-to/lift", {"target": "country:ve"}, 404),
    ("GET", f"received/{NOBODY}", None, 404),
    ("GET", "received/nada", None, 404),
    ("GET", "cases/nadie/duties", None, 404),
    ("POST", "cases/{folio}/duties/cancel", {}, 404),
    ("POST", "cases/nadie/duties", DUTY, 404),
    ("POST", "cases/{folio}/duties", DUTY | {"age_known": "sí"}, 422),
    ("POST", "cases/{folio}/duties", DUTY | {"records": []}, 422),
    ("POST", "cases/{folio}/duties", DUTY | {"to": "gt.nadie"}, 403),
    ("POST", "cases/{folio}/duties", DUTY | {"more": 1}, 422),
    ("POST", "identity-checks", CHECK | {"question": "who-is-it"}, 422),
    ("POST", "identity-checks", CHECK | {"records": []}, 422),
    ("POST", "identity-checks", CHECK | {"records": CHECK["records"] * 2}, 422),
    ("POST", "identity-checks", CHECK | {"case_ref": ""}, 422),
    ("POST", "identity-checks", {}, 422),
    ("POST", "identity-checks", CHECK, 403),  # there is no civil registry here
    ("POST", f"requests/{NOBODY}/identity", {"answer": "yes"}, 404),
    ("POST", f"requests/{NOBODY}/identity", {"answer": "quizá"}, 422),
    ("POST", f"findings/{NOBODY}/clarify", {"fields": ["marks"]}, 404),
    ("POST", f"findings/{NOBODY}/clarify", {"fields": []}, 422),
    ("POST", f"findings/{NOBODY}/clarify", {"fields": ["Las señas"]}, 422),
]


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, MBMID, DESK) as found:
        yield found


async def test_bad_input_is_told_and_changes_nothing(story):
    await send(story.federation, row())
    await story.federation.settle()
    [(folio,)] = await table(story.node, "SELECT folio FROM cases WHERE kind = 'report'")
    before = [await table(story.node, f"SELECT count(*) FROM {name}") for name in ("outbox", "departures", "never_to", "cases")]
    wrong = []
    for method, path, body, expected in BAD:
        filled = None if body is None else {k: folio if v == "{folio}" else v for k, v in body.items()}
        status, answer = await story.call(method, path.format(folio=folio), filled, login="oficial")
        if (status, bool(answer.get("title"))) != (expected, True):
            wrong.append((method, path, body, status, answer))
        assert "Traceback" not in repr(answer)
        assert "Ficticia" not in repr(answer)
    assert wrong == []
    after = [await table(story.node, f"SELECT count(*) FROM {name}") for name in ("outbox", "departures", "never_to", "cases")]
    assert after == before

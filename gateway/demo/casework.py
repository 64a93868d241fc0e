"""The demo's casework: a consulate answers a question field by field, who has what of a case, and a consent taken back."""

import asyncio
import tomllib
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from gateway.demo.clock import DemoClock
from gateway.demo.narrator import Telling
from gateway.demo.processes import DemoNode
from gateway.demo.staff import OFFICER, PRIVACY, SECOND, sign_in
from gateway.demo.stage import Scene, Stage
from gateway.demo.tampering import write

PAPERS = "papeles"
"""The folder with what the officers wrote, for who tries the commands afterwards."""
CONSULAR = "c2"
_RELATIVE = {"relative": "madre", "scopes": [CONSULAR], "form": "written", "language": "es"}


async def case_of_the_story(stage: Stage) -> str:
    """Return the folio of the first report of the desk's book."""
    runs = await stage.conamigua.get(stage.session, "/api/v1/imports")
    first = min((row for row in runs["rows"] if row["outcome"] == "imported"), key=lambda row: row["row"])
    sent = await stage.cases(stage.conamigua, "report-sent")
    return str(next(case["folio"] for case in sent if case["thread_id"] == first["thread_id"]))


async def answer(stage: Stage) -> None:
    """E1 and E6: a question with a name, which the family allowed, and an answer field by field with two persons' word."""
    title = "El MBMID pregunta al consulado por una persona; el consulado responde campo por campo"
    with stage.narrator.step("answer", title) as telling:
        folio = await case_of_the_story(stage)
        request = await _ask(stage, folio, telling)
        shown = await _look(stage, request, telling)
        agreed = await _agree(stage, shown, telling)
        await _arrives(stage, request, agreed, telling)


async def _ask(stage: Stage, folio: str, telling: Telling) -> str:
    question = await paper(stage, "pregunta.toml", FOLIO=folio)
    await sign_in(stage.mbmid, stage.session, OFFICER)  # whoever lets something go out shows who they are
    refused = await stage.mbmid.status_of(stage.session, "POST", "/api/v1/requests", question)
    telling.expect(refused == 403, f"Sin la autorización de la familia ({CONSULAR.upper()}) el nombre no sale al consulado")
    await stage.mbmid.send(stage.session, f"/api/v1/cases/{folio}/consents", {"act": "given", **_RELATIVE})
    asked = await stage.mbmid.send(stage.session, "/api/v1/requests", question)
    request = str(asked["message_id"])
    await stage.until(lambda: _came(stage, request), "la pregunta llega al consulado")
    opened = await stage.minex.get(stage.session, f"/api/v1/requests/{request}")
    telling.expect(opened["open"], "La madre autoriza; la pregunta llega con su plazo", folio=folio, request=request)
    telling.say(f"Caso {folio}. Preguntan {len(opened['want'])} campos; vence {opened['deadline'][:16].replace('T', ' ')} UTC.")
    return request


async def _came(stage: Stage, request: str) -> bool:
    listed = await stage.minex.get(stage.session, "/api/v1/requests")
    return any(row["request_id"] == request for row in listed["requests"])


async def _look(stage: Stage, request: str, telling: Telling) -> dict[str, Any]:
    own = await paper(stage, "respuesta.toml")
    shown = await stage.minex.send(stage.session, f"/api/v1/requests/{request}/preview", own)
    for line in stage.pages.preview(shown):
        telling.say(line)
    rows = {row["field"]: row["leaves"] for row in shown["rows"]}
    left = sorted(field for field, leaves in rows.items() if leaves not in {"no sale", "—"})
    stays = sorted(set(rows) - set(left))
    telling.expect(
        {"found_coordinates", "cause_of_death"} <= set(stays) and "sex" in left,
        f"{len(left)} campos salen y {len(stays)} se quedan, cada uno con su porqué; mirar no envía nada",
        leaves=left,
        stays=stays,
    )
    return shown


async def _agree(stage: Stage, shown: dict[str, Any], telling: Telling) -> dict[str, Any]:
    """Return what two people agreed to: the claims by record type."""
    await asyncio.gather(*(sign_in(stage.minex, stage.session, login) for login in (OFFICER, SECOND)))
    held = await stage.minex.send(stage.session, f"/api/v1/held/{shown['id']}/confirm", {})
    telling.expect(
        held["state"] == "held" and "wall:two-persons" in held["waits"],
        "Son restos: con la palabra de una sola persona no sale",
    )
    second, path = stage.minex.people[SECOND], f"/api/v1/held/{shown['id']}"
    opened = await second.get(stage.session, path)
    texts = [text["place"] for text in opened["texts"]]
    if texts:
        await second.send(stage.session, f"{path}/release", {"places": texts})
    went = await second.send(stage.session, f"{path}/approve", {"content": opened["content"]})
    telling.expect(went["state"] == "waiting-for-slot", "Otra oficial mira lo mismo y da su visto bueno", texts_read=len(texts))
    now = await _now(stage)
    slot = datetime.fromisoformat(went["leaves_at"])
    waits = max(slot - now, timedelta()) + timedelta(seconds=2)
    minutes = round(waits.total_seconds() / 60)
    telling.say(f"Toda respuesta sale en un turno, para que la hora no diga nada: faltan {minutes} min.")
    telling.say(
        f"Se adelanta {minutes} min el reloj de los seis nodos (sólo una demostración puede).", clock_ahead_minutes=minutes
    )
    await stage.pass_time(waits)
    return {record["type"]: record["claims"] for message in opened["messages"] for record in message["records"]}


async def _arrives(stage: Stage, request: str, agreed: dict[str, Any], telling: Telling) -> None:
    await stage.until(lambda: _answered(stage, request), "la respuesta llega en su turno")
    opened = await stage.mbmid.get(stage.session, f"/api/v1/requests/{request}")
    came = {record["type"]: record["claims"] for record in opened["answer"]["records"]}
    telling.expect(
        came == agreed,
        "El MBMID abre exactamente lo que dos personas vieron y aprobaron",
        result=opened["answer"]["body"]["result"],
    )


async def _answered(stage: Stage, request: str) -> bool:
    return (await stage.mbmid.get(stage.session, f"/api/v1/requests/{request}"))["answer"] is not None


async def who_has(stage: Stage) -> None:
    """E6: the page a family reads."""
    with stage.narrator.step("who-has", "«¿Quién tiene mis datos?»: la respuesta para la familia") as telling:
        folio = await case_of_the_story(stage)
        found = await _holdings(stage, folio)
        for line in stage.pages.who_has(folio, found):
            telling.say(line)
        nodes = {line["node"] for line in found}
        telling.expect(
            nodes == {"gt.minex"} and {line["state"] for line in found} == {"held"},
            "Sale del libro de lo entregado, no de la memoria de nadie",
            nodes=sorted(nodes),
            fields=sorted(line["field"] for line in found),
        )


async def withdrawal(stage: Stage) -> None:
    """E6: a consent is taken back; the copy is blocked at once, shredded after a day, and accounted for with a signature."""
    title = "La madre retira su autorización: se bloquea, se borra y queda constancia firmada"
    with stage.narrator.step("withdrawal", title) as telling:
        folio = await case_of_the_story(stage)
        [request] = {line["message"] for line in await _holdings(stage, folio)}
        taken = {"act": "withdrawn", **_RELATIVE, "reason": "threat"}
        decided = await stage.mbmid.send(stage.session, f"/api/v1/cases/{folio}/consents", taken)
        ordered = {row["node"]: row["copies"] for row in decided["ordered"]}
        telling.expect(ordered == {"gt.minex": 1}, "Se ordena borrar a quien tiene copia: el consulado", ordered=ordered)
        await stage.until(lambda: _blocked(stage, request), "el consulado bloquea su copia")
        receipt = await _order_receipt(stage)
        telling.expect(receipt, "Recibo firmado de la orden; la copia queda bloqueada al instante: nadie la abre ya")
        question = await paper(stage, "pregunta.toml", FOLIO=folio)
        await sign_in(stage.mbmid, stage.session, OFFICER)
        again = await stage.mbmid.status_of(stage.session, "POST", "/api/v1/requests", question)
        telling.expect(again == 403, "Preguntar otra vez por esa persona: la política ya no lo deja salir")
        telling.expect(
            await _states(stage, folio) == {"ordered"}, "Borrado no está todavía, y así se dice: falta su constancia"
        )
        await _a_day_later(stage, request, folio, telling)


async def _a_day_later(stage: Stage, request: str, folio: str, telling: Telling) -> None:
    privacy = stage.minex.people[PRIVACY]
    before = await _plan(stage)
    telling.say("Se destruye a las 24 h, no antes. Se adelanta un día el reloj de los seis nodos.", clock_ahead_hours=24)
    await stage.pass_time(timedelta(hours=24, minutes=1))
    await stage.until(lambda: _run(privacy, stage), "la supresión se ejecuta")
    after = (await privacy.get(stage.session, "/api/v1/erasure"))["waiting"]
    telling.expect(
        len(before) == 1 and not after, "Protección de datos del consulado lo ejecuta: la llave del hilo se destruye"
    )
    await stage.until(lambda: _erased(stage, folio), "la constancia firmada llega al MBMID")
    gone = await stage.minex.status_of(stage.session, "GET", f"/api/v1/requests/{request}")
    telling.expect(gone == 404, "La constancia llega firmada; en el consulado ya no se abre nada", state="erased")
    for line in stage.pages.who_has(folio, await _holdings(stage, folio)):
        telling.say(line)


async def _run(privacy: DemoNode, stage: Stage) -> bool:
    """As an officer does: where the node's own eraser is at it just then, and the database is busy, say it again."""
    return await privacy.status_of(stage.session, "POST", "/api/v1/erasure/run", {}) == 200


async def _holdings(stage: Stage, folio: str) -> list[dict[str, Any]]:
    found = await stage.mbmid.get(stage.session, f"/api/v1/cases/{folio}/who-has")
    return list(found["holdings"])


async def _states(stage: Stage, folio: str) -> set[str]:
    return {line["state"] for line in await _holdings(stage, folio)}


async def _erased(stage: Stage, folio: str) -> bool:
    return await _states(stage, folio) == {"erased"}


async def _plan(stage: Stage) -> list[dict[str, Any]]:
    answer = await stage.minex.people[PRIVACY].get(stage.session, "/api/v1/erasure")
    return list(answer["waiting"])


async def _blocked(stage: Stage, request: str) -> bool:
    blocked = [item for item in await _plan(stage) if item["state"] == "blocked"]
    return bool(blocked) and await stage.minex.status_of(stage.session, "GET", f"/api/v1/requests/{request}") == 404


async def _order_receipt(stage: Stage) -> bool:
    answer = await stage.mbmid.get(stage.session, "/api/v1/outbox", state="delivered")
    return any(message["kind"] == "erasure.order" for message in answer["messages"])


async def _now(stage: Stage) -> datetime:
    return await asyncio.to_thread(DemoClock(stage.federation.home).now)


async def paper(stage: Stage, name: str, **filled: str) -> dict[str, Any]:
    """Return what an officer wrote, as the commands read it; a copy stays in the demo's folder."""
    text = files("gateway.demo").joinpath("fixtures", "casework", name).read_text("utf-8")
    for word, value in filled.items():
        text = text.replace(word, value)
    folder = stage.federation.home / PAPERS
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    await write(folder / name, text.encode())
    return tomllib.loads(text)


CASEWORK: tuple[Scene, ...] = (answer, who_has, withdrawal)

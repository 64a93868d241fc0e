"""The demo's story, from the fixture files: what a report, a child, a finding, a cut and a tampered log look like."""

import asyncio
import shlex
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from gateway.demo.casework import CASEWORK, PAPERS, case_of_the_story
from gateway.demo.founding import MEMBERS, DemoFederation, found_demo
from gateway.demo.home import demo_home
from gateway.demo.links import DemoLink, links_to, ways_in
from gateway.demo.narrator import Narrator, StepFailedError, Telling
from gateway.demo.ports import reserved_ports
from gateway.demo.processes import DemoNode
from gateway.demo.staff import AUDITOR, OFFICER, PRIVACY, SECOND, appoint, hire, password_file, people_of, sign_in
from gateway.demo.stage import Pages, Scene, Stage
from gateway.demo.tampering import tamper_with_copy, verify_bundle_file, verify_log, write

SETTLE_SECONDS = 30.0
OPENING = "DEMOSTRACIÓN — personas y datos ficticios; red, llaves, TLS, firmas y bitácoras de verdad."
CLOSING = """
Los nodos siguen en marcha. Entre a sus páginas con el navegador: cada enlace deja entrar una vez, en 15 minutos.

{links}

  Otros enlaces: {paradero} demo links --folder {folder}
  Un recorrido de seis pasos por las páginas: {paradero} demo tour --folder {folder}

Pruebe, en otra terminal.

  Quién trabaja en cada nodo; su clave está en la carpeta del nodo, en USUARIO.clave:
{people}

  Entrar como la persona oficial de CONAMIGUA, y ver la pantalla del nodo y lo que envió (sin contenido):
    {paradero} login {officer} --password-stdin --config {conamigua} < {password}
    {paradero} status --config {conamigua}
    {paradero} outbox list --state delivered --config {conamigua}
  Lo que saldría de un archivo, campo por campo, y por qué (no envía nada):
    {paradero} adapter test {mapping} --rows 3
  La constancia de un intercambio, y la verificación sin red de la que sacó el relato:
    {paradero} evidence export {message} --output {bundle} --config {conamigua}
    {paradero} verify {told} --root-fingerprint "{fingerprint}"
  La bitácora que alguien alteró (la verificación debe fallar):
    {paradero} verify {altered}
  El MBMID: su bandeja, quién tiene los datos de un caso; la madre autoriza otra vez y se vuelve a preguntar:
    {paradero} login {officer} --password-stdin --config {mbmid} < {mbmid_password}
    {paradero} inbox list --config {mbmid}
    {paradero} case who-has {folio} --config {mbmid}
    {paradero} consent grant {folio} --relative madre --scope c2 --form written --language es --config {mbmid}
    {paradero} request new {question} --config {mbmid}
  El consulado: la pregunta que llegó; `preview` y `answer` con su identificador y {own_answer}:
    {paradero} login {officer} --password-stdin --config {minex} < {minex_password}
    {paradero} request list --config {minex}
  Protección de datos del consulado, y la auditoría de la PDH, que ve el estado y ningún caso:
    {paradero} login {privacy} --password-stdin --config {minex} < {privacy_password}
    {paradero} erasure status --config {minex}
    {paradero} login {auditor} --password-stdin --config {pdh} < {auditor_password}
    {paradero} status --config {pdh}
  Una respuesta espera su turno, hasta 20 minutos. Para no esperar (las sesiones terminan; entre otra vez):
    {paradero} demo --folder {folder} --ahead 20

El trabajo de cada día, orden por orden: docs/oficial.md.
Carpeta: {folder}. Ctrl-C para terminar."""


async def play(
    folder: Path | None, *, headless: bool, as_json: bool, program: str, scenes: Sequence[Scene], pages: Pages
) -> None:
    """Found, start, tell; then leave the nodes up until cancelled unless `headless`. Nothing is left running.

    `program` is how the person who reads can call `paradero`; `pages`, how its commands print what officers look at.

    Raises:
        StepFailedError: a step was not as told.
    """
    narrator = Narrator(time.monotonic, as_json)
    narrator.say(OPENING)
    started = time.monotonic()
    try:
        async with _opened(folder, narrator, pages) as stage:
            for scene in scenes:
                await scene(stage)
            narrator.say(f"\nTodo como se cuenta, en {time.monotonic() - started:.1f} s.")
            if not headless:
                narrator.say(await _closing(stage, program))
                await asyncio.Event().wait()
    finally:
        kept = f" La carpeta {folder} queda." if folder is not None else ""
        narrator.say(f"\nAdiós: no queda ningún nodo en marcha.{kept}")


@asynccontextmanager
async def _opened(folder: Path | None, narrator: Narrator, pages: Pages) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
        with narrator.step("found", "Se funda la federación con la ceremonia real") as telling:
            home = stack.enter_context(demo_home(folder))
            federation = await found_demo(home, stack.enter_context(reserved_ports(2 * len(MEMBERS))))
            _tell_founding(federation, telling)
        stack.push_async_callback(_stop_all, federation)
        with narrator.step("start", "Arrancan seis nodos, cada uno en su proceso, con TLS entre ellos") as telling:
            nodes = federation.nodes.values()
            await asyncio.gather(*(appoint(node) for node in nodes))
            await asyncio.gather(*(node.start() for node in nodes))
            await asyncio.gather(*(node.until_ready(session) for node in nodes))
            await asyncio.gather(*(hire(node, session) for node in nodes))
            telling.say(" · ".join(node.title for node in nodes), nodes=list(federation.nodes))
            telling.say("En cada nodo del relato entra quien trabaja en él, con clave, por invitación de quien administra.")
        yield Stage(federation, session, narrator, pages)


def _tell_founding(federation: DemoFederation, telling: Telling) -> None:
    telling.say(
        f"Registro con los umbrales reales: raíz {federation.root_threshold} firmas, miembros 2 de 3, política 3 de 3.",
        root_threshold=federation.root_threshold,
        members=len(federation.nodes),
    )
    telling.say(f"Huella de la raíz: {federation.fingerprint}", fingerprint=federation.fingerprint)
    telling.say("Marcada como demostración: ninguno de estos nodos puede entrar en una red real.", demo=True)


async def _stop_all(federation: DemoFederation) -> None:
    await asyncio.gather(*(node.stop() for node in federation.nodes.values()))


async def _closing(stage: Stage, program: str) -> str:
    home, nodes = stage.federation.home, stage.federation.nodes
    await sign_in(stage.conamigua, stage.session, OFFICER)  # their session may have ended in the story
    paths = {
        "conamigua": stage.conamigua.config,
        "mbmid": stage.mbmid.config,
        "minex": stage.minex.config,
        "pdh": nodes["gt.pdh"].config,
        "password": password_file(stage.conamigua, OFFICER),
        "mbmid_password": password_file(stage.mbmid, OFFICER),
        "minex_password": password_file(stage.minex, OFFICER),
        "privacy_password": password_file(stage.minex, PRIVACY),
        "auditor_password": password_file(nodes["gt.pdh"], AUDITOR),
        "mapping": stage.conamigua.folder / "mappings" / "reportes_conamigua.toml",
        "question": home / PAPERS / "pregunta.toml",
        "own_answer": home / PAPERS / "respuesta.toml",
        "bundle": home / "constancia.json",
        "told": home / "evidencia.json",
        "altered": home / "gt.inacif-alterado" / "paradero.toml",
        "folder": home,
    }
    return CLOSING.format(
        paradero=program,
        officer=OFFICER,
        privacy=PRIVACY,
        auditor=AUDITOR,
        links="\n".join(link_line(link) for link in await links_to(nodes, home)),
        people="\n".join(_staff_line(node) for node in nodes.values() if people_of(node)),
        folio=await case_of_the_story(stage),
        message=await _first_report(stage),
        fingerprint=stage.federation.fingerprint,
        **{name: shlex.quote(str(path)) for name, path in paths.items()},
    )


def link_line(link: DemoLink) -> str:
    """Return one link for people."""
    return f"  {link.entry.es}: {link.url}"


def _staff_line(node: DemoNode) -> str:
    people = ", ".join(f"{person.login} ({person.role_es})" for person in people_of(node))
    return f"  {node.node}: {people}"


async def _first_report(stage: Stage) -> str:
    answer = await stage.conamigua.get(stage.session, "/api/v1/outbox", state="delivered")
    return str(next(message["message_id"] for message in answer["messages"] if message["kind"] == "report.transfer"))


async def report(stage: Stage) -> None:
    """E2: a desk's workbook of families' reports reaches the MBMID; folios come back."""
    with stage.narrator.step(
        "report", "Una oficina de CONAMIGUA traslada los reportes de su libro de Excel al MBMID"
    ) as telling:
        answer = await stage.import_file(stage.conamigua, "reportes_conamigua.xlsx", "reportes_conamigua")
        counts = answer["counts"]
        telling.expect(
            sum(counts.values()) == answer["total"],
            f"Las {answer['total']} filas tienen destino",
            counts=counts,
            rows=answer["total"],
        )
        telling.say(
            f"Enviadas {counts.get('imported', 0)} · por completar {counts.get('to-complete', 0)} · "
            f"duplicadas {counts.get('duplicate', 0)} · rechazadas {counts.get('rejected', 0)}; cada una con su motivo."
        )
        sent = counts.get("imported", 0)
        await stage.until(lambda: _acknowledged(stage, "report-sent", sent), "cada traslado tiene acuse con folio")
        received = await stage.cases(stage.mbmid, "report")
        folios = sorted(case["folio"] for case in received)
        telling.expect(
            len(set(folios)) == sent == len(received), f"{sent} folios distintos, ninguno de más", folios=len(folios)
        )
        telling.say(f"Primer folio {folios[0]}, último {folios[-1]}; recibos firmados en ambos lados.")


async def _acknowledged(stage: Stage, kind: str, number: int, node: DemoNode | None = None) -> bool:
    cases = await stage.cases(node or stage.conamigua, kind)
    return len([case for case in cases if case["state"] == "acknowledged" and case["folio"]]) == number


async def child(stage: Stage) -> None:
    """E3's opening: wherever a child may be missing, PGN was told in the same breath."""
    with stage.narrator.step("child", "Una menor: la PGN (Alba-Keneth) lo supo en el mismo acto") as telling:
        transfers, duties = await _minors(stage)
        await stage.until(lambda: _duties_at_pgn(stage, duties), "cada aviso llegó a la PGN")
        telling.expect(
            transfers == duties > 0,
            f"{duties} avisos a la PGN por {transfers} traslados de quien es o puede ser menor, en la misma transacción",
            duty_notices=duties,
            transfers_of_minors=transfers,
        )
        telling.say("Ningún consentimiento puede detenerlo; si no sale el aviso, no sale el traslado.")


async def _minors(stage: Stage) -> tuple[int, int]:
    runs = await stage.conamigua.get(stage.session, "/api/v1/imports")
    rows = [row for row in runs["rows"] if row["outcome"] == "imported"]
    return sum(1 for row in rows if row["messages"] == 2), await _delivered(stage, "duty.notice")


async def _delivered(stage: Stage, kind: str) -> int:
    answer = await stage.conamigua.get(stage.session, "/api/v1/outbox", state="delivered")
    waiting = await stage.conamigua.get(stage.session, "/api/v1/outbox", state="waiting")
    return sum(1 for message in answer["messages"] + waiting["messages"] if message["kind"] == kind)


async def _duties_at_pgn(stage: Stage, number: int) -> bool:
    return len(await stage.cases(stage.pgn, "duty")) == number


async def finding(stage: Stage) -> None:
    """E1's opening: the consulate tells of remains found; the MBMID acknowledges."""
    with stage.narrator.step("finding", "El consulado en Houston avisa de restos hallados; el MBMID acusa recibo") as telling:
        answer = await stage.import_file(stage.minex, "restos_ogis.csv", "restos_ogis")
        sent = answer["counts"].get("held", 0)
        telling.expect(not await stage.cases(stage.mbmid, "finding"), "Con una sola persona no sale ningún aviso de restos")
        approved = await _approve_held(stage, stage.minex)
        telling.expect(approved == sent, f"Otra oficial mira cada aviso y da su visto bueno: {approved}", approved=approved)
        await stage.until(lambda: _acknowledged(stage, "finding-sent", sent, stage.minex), "cada hallazgo tiene acuse")
        at_mbmid = await stage.cases(stage.mbmid, "finding")
        telling.expect(len(at_mbmid) == sent > 0, f"{sent} avisos de hallazgo, {sent} acuses", findings=sent)
        telling.say("Viajan sólo descriptores codificados: ni coordenadas exactas ni nombres de papeles hallados.")


async def _approve_held(stage: Stage, node: DemoNode) -> int:
    """As the second officer, look at each finding that waits and agree to exactly that; return how many left."""
    await sign_in(node, stage.session, SECOND)  # whoever lets something go out shows who they are
    second, left = node.people[SECOND], 0
    for waiting in (await second.get(stage.session, "/api/v1/held"))["held"]:
        path = f"/api/v1/held/{waiting['id']}"
        opened = await second.get(stage.session, path)
        places = [text["place"] for text in opened["texts"]]  # a county, a number: read before they are let go
        await second.send(stage.session, f"{path}/release", {"places": places})
        went = await second.send(stage.session, f"{path}/approve", {"content": opened["content"]})
        left += went["state"] == "queued"
    return left


async def cut_and_heal(stage: Stage) -> None:
    """A node cut off in the middle of work and healed: nothing lost, nothing twice."""
    with stage.narrator.step("cut", "Se corta la luz al MBMID a mitad del trabajo y vuelve") as telling:
        before = len(await stage.cases(stage.mbmid, "report"))
        await stage.mbmid.cut()
        answer = await stage.import_file(stage.conamigua, "reportes_corte.xlsx", "reportes_conamigua")
        sent = answer["counts"].get("imported", 0)
        waiting = await stage.conamigua.get(stage.session, "/api/v1/outbox", state="waiting")
        held = sum(1 for message in waiting["messages"] if message["peer"] == "gt.igm.mbmid")
        telling.expect(
            held == sent > 0, f"{sent} traslados esperan en la bandeja de salida; el mostrador no se detuvo", waiting=held
        )
        healed = time.monotonic()
        await stage.mbmid.start()
        await stage.mbmid.until_ready(stage.session)
        total = len(await stage.cases(stage.conamigua, "report-sent"))
        await stage.until(lambda: _acknowledged(stage, "report-sent", total), "los traslados llegan tras la reparación")
        seconds = round(time.monotonic() - healed, 2)
        after = len(await stage.cases(stage.mbmid, "report"))
        again = await stage.import_file(stage.conamigua, "reportes_corte.xlsx", "reportes_conamigua")
        telling.expect(
            after - before == sent and not again["counts"].get("imported", 0),
            f"Nada perdido, nada doble: {sent} de {sent} en {seconds} s; el mismo archivo otra vez no envía nada",
            lost=sent - (after - before),
            sent_twice=again["counts"].get("imported", 0),
            seconds_to_heal=seconds,
        )


async def evidence(stage: Stage) -> None:
    """One exchange proved offline."""
    with stage.narrator.step("evidence", "Un intercambio se prueba sin red, con un solo archivo") as telling:
        message_id = await _first_report(stage)
        path = stage.federation.home / "evidencia.json"
        await stage.until(lambda: _export(stage, message_id, path), "el recibo y ambas bitácoras tienen punto de control")
        result = await verify_bundle_file(path, stage.federation.fingerprint)
        telling.expect(result.ok, f"{result.steps} comprobaciones en orden", checks=result.steps)
        for sentence in result.not_proved[:2]:
            telling.say(f"No prueba {sentence}.")
        spoiled = stage.federation.home / "evidencia-alterada.json"
        await write(spoiled, _one_bit_changed(await asyncio.to_thread(path.read_bytes)))
        refused = not (await verify_bundle_file(spoiled, stage.federation.fingerprint)).ok
        telling.expect(refused, "Un solo bit cambiado y la verificación falla", tampered_bundle_refused=refused)


def _one_bit_changed(data: bytes) -> bytes:
    position = data.index(b'"receipt"') + 200
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


async def _export(stage: Stage, message_id: str, path: Path) -> bool:
    try:
        bundle = await stage.conamigua.get_bytes(stage.session, f"/api/v1/messages/{message_id}/evidence")
    except StepFailedError:
        return False  # no receipt or checkpoint yet
    await write(path, bundle)
    result = await verify_bundle_file(path, stage.federation.fingerprint)
    return result.ok and result.complete


async def tampered_log(stage: Stage) -> None:
    """An insider edits one entry of a log; the verifier names it."""
    title = "Alguien con acceso a la base de datos altera una anotación de la bitácora del INACIF"
    with stage.narrator.step("tamper", title) as telling:
        await stage.inacif.stop()
        clean = await verify_log(stage.inacif)
        telling.expect(
            clean.ok and clean.size > 0, f"La bitácora intacta verifica: {clean.size} anotaciones", log_size=clean.size
        )
        index, found = await tamper_with_copy(stage.inacif, stage.federation.home / "gt.inacif-alterado")
        telling.expect(
            not found.ok and found.first_bad == index,
            f"`paradero verify` encuentra la anotación alterada: la número {index}",
            tampered_index=index,
            found_index=found.first_bad,
        )
        await stage.inacif.start()
        await stage.inacif.until_ready(stage.session)


async def cost(stage: Stage) -> None:
    """What it took."""
    with stage.narrator.step("cost", "Lo que ocupan seis nodos") as telling:
        _memory(stage, telling)


def _memory(stage: Stage, telling: Telling) -> None:
    total = stage.federation.memory_mb()
    telling.expect(total <= 600, f"{total} MB de memoria en total", memory_mb=total)


SCENES: tuple[Scene, ...] = (report, child, finding, cut_and_heal, evidence, tampered_log, *CASEWORK, cost, ways_in)

"""A process that lives through everything with a canary in every personal field, so that all it wrote can be searched after it.

python -m tests.promises.canary_life HOME SOURCES [DATABASES.json] [--plant BUG]
"""

import asyncio
import json
import resource
import shutil
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from sqlalchemy.exc import IntegrityError

from contracts.codec import decode_message, encode_message, encode_object
from contracts.errors import ExchangeError
from contracts.messages import MESSAGE_TYPES, Note, NoteBody
from contracts.vectors import examples
from gateway import telemetry
from gateway.console.private import PrivateApi
from gateway.exchange import dispatch
from gateway.exchange.desk import send_rows
from gateway.exchange.submit import submit
from gateway.federation.server import BATCH_TYPE, FederationApi
from gateway.main.serving import _statics
from gateway.web import Caps, Deadlines, Watch, serve_site
from gateway.workers.supervision import Loop, supervise
from keys.jose import sign_jws
from keys.sealing import MESSAGE_TYP
from keys.vault import Vault
from tests.adapters.make_fixtures import FOLDER
from tests.people.hired import hired_at
from tests.promises.canaries import CANARIES, DOCUMENT, FAMILY, GIVEN, PHONE, SENTENCE
from tests.promises.life import LOCATE, MBMID, TRANSFER, draft, envelope_of, ping, row
from tests.simulator.federation import simulated_federation

NAMES = ("gt.igm.mbmid", "gt.conamigua", "gt.pgn")


def canary_row(**more):
    person = {"surname_1": FAMILY.split()[0], "surname_2": FAMILY.split()[1], "narrative": SENTENCE} | more
    return row(given=GIVEN, reporter=FAMILY, **person)


def leaves_of(value, path=()):
    """Every text in a message, and where it stands."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from leaves_of(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves_of(item, (*path, number))


def replaced(value, path, by):
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def messages(sender):
    """Every type with a canary in each of its texts in turn, whether that makes a message or something to refuse; and a name more."""
    now, trust = int(sender.clock.now().timestamp()), sender.trust()
    for name in sorted(MESSAGE_TYPES):
        base = examples.messages()[name].model_copy(
            update={
                "sender": sender.us,
                "recipient": MBMID,
                "issued_at": now,
                "expires_at": now + 86_400,
                "policy_version": trust.policy.version,
                "trust_version": trust.version,
                "deadline": None,
            }
        )
        claims = json.loads(encode_message(base))
        claims.pop("pad", None)
        for number, path in enumerate(leaves_of(claims)):
            if path[0] in {"iss", "aud"}:
                continue
            fresh = claims if path[0] == "jti" else claims | {"jti": str(sender.new_message_id(sender.clock.now()))}
            tried = [encode_object(replaced(fresh, path, canary)) for canary in CANARIES]
            yield next(filter(_valid, tried), tried[number % len(tried)])
        yield encode_object(claims | {SENTENCE[:13]: GIVEN})
        yield encode_object(claims | {"body": {FAMILY: PHONE}})


def _valid(payload):
    try:
        decode_message(payload)
    except ExchangeError:
        return False
    return True


async def doors(federation):
    """Show all of that to both doors, over HTTP."""
    sender = federation.nodes["gt.conamigua"].capabilities
    counted = {"messages": 0, "valid": 0}
    batch = []
    for payload in messages(sender):
        counted["messages"] += 1
        counted["valid"] += _valid(payload)
        jws = sign_jws(payload, sender.sealer._own.sig, typ=MESSAGE_TYP).encode()
        batch.append(sender.sealer.seal(jws, MBMID).envelope)
    node = federation.nodes["gt.igm.mbmid"]
    for start in range(0, len(batch), 50):
        await node.door.receive(batch[start : start + 50])
    for envelope in batch[::5]:
        await node.ask_door.answer(envelope)
    return counted


async def knocking(node, own, folder):
    """What strangers and operators send over HTTP, canaries in bodies, paths, queries and headers; and what is answered."""
    answers = []
    mappings = own.config.mappings or own.config.data / "mappings"
    mappings.mkdir(exist_ok=True)
    shutil.copy(FOLDER / "reportes_conamigua.toml", mappings)
    async with AsyncExitStack() as stack:
        watch = Watch(Deadlines(), Caps())
        api = FederationApi(
            receive=node.door.receive, answer=node.ask_door.answer, statics=_statics(node), watch=watch, budget=None
        )
        public = await serve_site(api.application(), watch, host="127.0.0.1", port=0)
        stack.push_async_callback(public.close)
        token = own.config.operator_token.read_text().strip()
        inner = PrivateApi(own.operations, own.people, token=token, hosts=("127.0.0.1",), watch=watch)
        private = await serve_site(inner.application(), watch, host="127.0.0.1", port=0)
        stack.push_async_callback(private.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        odd = {"User-Agent": "zanateperdido", "Referer": f"http://x/{DOCUMENT}"}
        base = f"http://127.0.0.1:{public.port}/v1"
        for path, body in (("inbox", json.dumps({"messages": [SENTENCE]})), ("inbox", GIVEN), ("ask", GIVEN), (SENTENCE, "x")):
            async with session.post(f"{base}/{path}", data=body.encode(), headers={**odd, "Content-Type": BATCH_TYPE}) as got:
                answers.append(await got.text())
        async with session.get(f"{base}/trust/targets/{DOCUMENT}", headers=odd) as got:
            answers.append(await got.text())
        officer = await hired_at(own.people, "officer@huehuetenango")
        operator = {**odd, "Authorization": f"Bearer {officer}"}
        base = f"http://127.0.0.1:{private.port}"
        for path in ("/metrics", "/readyz", "/api/v1/status", "/api/v1/cases", "/api/v1/alarms", "/api/v1/imports", f"/api/v1/{DOCUMENT}",
                     f"/api/v1/outbox?state={DOCUMENT}", f"/api/v1/messages/{DOCUMENT}", "/api/v1/outbox"):  # fmt: skip
            async with session.get(base + path, headers=operator) as got:
                answers.append(await got.text())
        for name, data in sources().items():
            async with session.post(
                f"{base}/api/v1/imports?mapping=reportes_conamigua&name=x", data=data, headers=operator
            ) as got:
                answers.append(await got.text())
                assert name != "good" or got.status == 200
    (folder / "answers.txt").write_text("\n".join(answers))


def sources():
    """Source files, whole and broken; the broken ones are made of canaries."""
    data = (FOLDER / "reportes_conamigua.xlsx").read_bytes()
    broken = ";".join(CANARIES).encode()
    return {
        "good": data,
        "no workbook": broken,
        "latin-1": broken.decode().encode("latin-1"),
        "cut": data[: len(data) // 2],
    }


async def failures(federation):
    """Handlers, loops and the database failing with canaries in the texts of their exceptions."""
    node, sender = federation.nodes["gt.igm.mbmid"], federation.nodes["gt.conamigua"].capabilities
    raised = [
        ValueError(SENTENCE),
        KeyError(GIVEN),
        IntegrityError(f"INSERT INTO t VALUES ('{DOCUMENT}')", {"name": GIVEN}, Exception(f"Key (name)=({FAMILY})")),
        UnicodeEncodeError("ascii", SENTENCE, 0, 1, PHONE),
    ]
    await node.door.receive([await envelope_of(sender, ping(sender)) for _ in raised])

    async def broken(message, capabilities):
        raise raised[0]

    for error in raised:
        raised[0] = error
        for _ in range(dispatch.MAX_ATTEMPTS + 1):
            await dispatch.dispatch_batch(node.capabilities, owner="t", handle=broken)
            federation.clock.forward(hours=2)
        await node.door.receive([await envelope_of(sender, ping(sender))])
    node.capabilities.complain("judge", ValueError(SENTENCE))
    await _failing_loop(raised)


async def _failing_loop(raised):
    turns = iter(raised)

    async def step():
        raise next(turns)

    loop = Loop("dispatch", step, 0.01)
    task = asyncio.create_task(supervise([loop], now=lambda: datetime.now(UTC), sleep=lambda _: asyncio.sleep(0.01)))
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def live(home: Path, folder: Path, databases) -> dict[str, int]:
    async with simulated_federation(home, *NAMES, databases=databases) as federation:
        sender = federation.nodes["gt.conamigua"].capabilities
        rows = [canary_row(), canary_row(age_range={"min": 15, "max": 15})]
        await send_rows(rows, sender, actor=sender.pseudonyms.actor(GIVEN))
        text = draft(sender, Note, NoteBody(text=SENTENCE, language="es"), purpose=LOCATE, basis=TRANSFER, case_key=DOCUMENT)
        await submit([text], sender)
        federation.network.fail_next("lose-reply", "flip-bit", "bare-problem", "duplicate")
        await federation.settle()
        counted = await doors(federation)
        await knocking(federation.nodes["gt.igm.mbmid"], federation.nodes["gt.conamigua"], folder)
        await failures(federation)
        federation.network.down.add(MBMID)
        await submit([draft(sender, Note, NoteBody(text=GIVEN, language="es"), purpose=LOCATE, basis=TRANSFER)], sender)
        federation.clock.forward(days=8)
        await federation.turn()
        for node in federation.nodes.values():
            await node.door.strangers.flush(node.capabilities)
            await node.log.sequence()
        return counted


def plant(bug: str) -> None:
    """Put a bug into this process, before it lives."""
    if bug == "exception-text":
        telemetry.place = str
        telemetry._safe = str
    elif bug == "plain-bodies":
        Vault.seal = lambda _self, _wrapped, _thread, _message, data: data
        Vault.open = lambda _self, _wrapped, _thread, _message, sealed: sealed
    else:
        raise SystemExit(f"no such bug: {bug}")


def main() -> None:
    home, folder, databases, bug = (*sys.argv[1:], "", "")[:4]
    if bug:
        plant(bug)
    telemetry.configure_logging("debug")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    given = json.loads(Path(databases).read_text()) if databases else None
    counted = asyncio.run(live(Path(home), Path(folder), given))
    print(json.dumps(counted))


if __name__ == "__main__":
    main()

"""R18: whatever a node holds, its doors answer with the same bytes, lengths and time class. Two worlds, one set of requests.

Both worlds are the same node, keys and register; one has handled reports of a person, the other never heard of them.
Signatures and fresh ids differ between any two answers, so what is compared is their decoded structure and their length.
"""

import base64
import gc
import json
import shutil
import sqlite3
import statistics
import time
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from contracts.codec import encode_message, encode_object
from contracts.ids import CaseAlias, Code, MessageId, NodeId, ThreadId
from contracts.messages import MESSAGE_TYPES, Note, NoteBody
from contracts.vectors import examples
from gateway.config import load_config
from gateway.exchange import arrivals
from gateway.exchange.desk import send_rows
from gateway.federation.server import BATCH_TYPE, ENVELOPE_TYPE, FederationApi
from gateway.main.serving import _statics
from gateway.web import Caps, Deadlines, Watch, serve_site
from keys.jose import encrypt_jwe, parse_jws, sign_jws
from keys.model import generate_node_keys
from keys.register.ceremony import publish_alone, stage_suspension
from keys.sealing import ENVELOPE_TYP, MESSAGE_TYP
from tests.promises.life import LOCATE, MBMID, TRANSFER, draft, envelope_of, ping, row, rows_of
from tests.reliability.ledger import control, note, scaled
from tests.simulator.federation import open_simulated, simulated_federation

NAMES = ("gt.igm.mbmid", "gt.conamigua", "gt.pgn", "gt.igm.control", "gt.minex")
STRANGER = NodeId("gt.ajeno")
# What the answer says of itself: a fresh id, a salted leaf's hash. Everything else must be equal.
FRESH = {"jti", "leaf"}


class Worlds:
    """One node twice, with a site each; only the first holds cases."""

    def __init__(self, federation, nodes, sites):
        self.federation, self.nodes, self.sites = federation, nodes, sites
        self.stranger = generate_node_keys(STRANGER)

    async def ask(self, session, path, body, kind):
        """Post the same bytes to both; return (status, headers, body) of each."""
        answers = []
        for site in self.sites:
            async with session.post(
                f"http://127.0.0.1:{site.port}/v1/{path}", data=body, headers={"Content-Type": kind}
            ) as got:
                answers.append((got.status, headers(got), await got.read()))
        return answers

    async def get(self, session, path):
        answers = []
        for site in self.sites:
            async with session.get(f"http://127.0.0.1:{site.port}{path}") as got:
                answers.append((got.status, headers(got), await got.read()))
        return answers

    def sealed(self, sender, payload):
        """Sign a message as `sender` and seal it to the node."""
        capabilities = self.federation.nodes["gt.conamigua"].capabilities
        key = self.stranger.sig if sender == STRANGER else self.federation.nodes[str(sender)].capabilities.sealer._own.sig
        jws = sign_jws(payload, key, typ=MESSAGE_TYP).encode()
        return encrypt_jwe(jws, capabilities.trust().seal_key(MBMID), typ=ENVELOPE_TYP, cty=MESSAGE_TYP).encode()


def headers(answer):
    return sorted((name.lower(), value) for name, value in answer.headers.items() if name.lower() not in {"date", "etag"})


@asynccontextmanager
async def two_worlds(home):
    async with simulated_federation(home, *NAMES) as federation, AsyncExitStack() as stack:
        first = federation.nodes["gt.igm.mbmid"]
        second = await stack.enter_async_context(open_simulated(_copied(first.config, home), federation))
        sender = federation.nodes["gt.conamigua"].capabilities
        await send_rows([row(), row(age=(15, 15)), row()], sender, actor=sender.pseudonyms.actor("x"))
        await federation.settle()
        register, custodians, now = federation.register, federation.custodians, federation.clock.now()
        stage_suspension(register, NodeId("gt.minex"), reason=Code("lost-laptop"), by="duty", now=now)
        publish_alone(register, custodians["duty"][0], custodians["online"][0], now=now)
        await federation.poll()
        await second.trust.poll()
        sites = [await _serve(node, stack) for node in (first, second)]
        yield Worlds(federation, (first, second), sites)


def _copied(config, home):
    """A copy of a node's folder, databases as they are now."""
    other = home / "other"
    shutil.copytree(config.data, other, ignore=shutil.ignore_patterns("*.db*"))
    for path in config.data.glob("*.db"):
        with sqlite3.connect(path) as source, sqlite3.connect(other / path.name) as target:
            source.backup(target)
        source.close()
        target.close()
    text = (other / "paradero.toml").read_text().replace(str(config.data), str(other))
    (other / "paradero.toml").write_text(text)
    return load_config(other / "paradero.toml")


async def _serve(node, stack):
    watch = Watch(Deadlines(), Caps())
    api = FederationApi(
        receive=node.door.receive, answer=node.ask_door.answer, statics=_statics(node), watch=watch, budget=None
    )
    site = await serve_site(api.application(), watch, host="127.0.0.1", port=0)
    stack.push_async_callback(site.close)
    return site


@pytest.fixture
async def worlds(tmp_path):
    async with two_worlds(tmp_path) as found:
        assert (await rows_of(found.nodes[0], "SELECT count(*) FROM cases"))[0][0] == 3
        assert (await rows_of(found.nodes[1], "SELECT count(*) FROM cases"))[0][0] == 0
        yield found


async def requests(worlds):
    """Every type of message, of every kind of sender, about what the first world knows and about what nobody knows."""
    clock, capabilities = worlds.federation.clock, worlds.federation.nodes["gt.conamigua"].capabilities
    (thread, opened, alias) = (await rows_of(worlds.nodes[0], "SELECT thread_id, opened_by, alias FROM cases"))[0]
    known = {"thread_id": ThreadId(thread), "in_reply_to": MessageId(opened), "case_alias": CaseAlias(alias)}
    nobody = {"thread_id": capabilities.new_thread_id(clock.now()), "in_reply_to": capabilities.new_message_id(clock.now())}
    trust = capabilities.trust()
    made = examples.messages()
    for name in sorted(MESSAGE_TYPES):
        for sender in ("gt.conamigua", "gt.igm.control", "gt.minex", "gt.pgn", str(STRANGER)):
            for words, about in (("known", known), ("unknown", nobody)):
                now = int(clock.now().timestamp())
                common = {
                    "sender": NodeId(sender),
                    "recipient": MBMID,
                    "message_id": capabilities.new_message_id(clock.now()),
                    "issued_at": now,
                    "expires_at": now + 86_400,
                    "policy_version": trust.policy.version,
                    "trust_version": trust.version,
                    "deadline": None,
                }
                message = made[name].model_copy(update=common | about)
                yield f"{name} of {sender} about a thread that is {words}", worlds.sealed(sender, encode_message(message))
    for words, about in (("known", known), ("unknown", nobody)):
        wanted = {"thread_id": about["thread_id"], "in_reply_to": about["in_reply_to"]}
        text = draft(
            capabilities, Note, NoteBody(text="Ficticia llama", language="es"), purpose=LOCATE, basis=TRANSFER, **wanted
        )
        yield f"a permitted note about a thread that is {words}", await envelope_of(capabilities, text)
        yield (
            f"a permitted question about a thread that is {words}",
            await envelope_of(capabilities, ping(capabilities, **wanted)),
        )
    yield "bytes that are no envelope", b"nothing"
    yield "a message to another node", worlds.sealed("gt.conamigua", b'{"v":1}')


def receipt_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def plain(value):
    """A decoded answer with what is fresh in every answer put aside, its length kept."""
    if isinstance(value, dict):
        return {name: (len(item) if name in FRESH else plain(item)) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def canonical(worlds, body, kind):
    """Everything an answer says, and how long it is."""
    if body[:1] == b"{":
        answer = json.loads(body)
        return len(body), [
            plain(receipt_of(item["receipt"])) if "receipt" in item else item for item in answer.get("results", [answer])
        ]
    if body.count(b".") == 4:
        for name in NAMES[1:]:
            opener = worlds.federation.nodes[name].capabilities.opener
            try:
                jws = opener.open(body).jws
            except Exception:
                continue
            return len(body), len(jws), plain(json.loads(parse_jws(jws.decode()).payload))
        raise AssertionError("a reply nobody can open")
    return len(body), plain(receipt_of(body.decode())) if body.count(b".") == 2 else body


async def differences(worlds, *, only=None):
    """Show every request at both doors of both worlds; return how many answers there were, and which differ."""
    tried, differ, codes = 0, [], set()
    async with aiohttp.ClientSession() as session:
        async for words, envelope in requests(worlds):
            if only is not None and only not in words:
                continue
            batch = encode_object({"messages": [envelope.decode()]}, limit=1 << 20)
            for path, body, kind in (("inbox", batch, BATCH_TYPE), ("ask", envelope, ENVELOPE_TYPE)):
                (status, head, one), (status_2, head_2, other) = await worlds.ask(session, path, body, kind)
                tried += 1
                told = canonical(worlds, one, kind)
                codes.add(json.dumps(told[-1], sort_keys=True, default=str)[-60:])
                if (status, head, told) != (status_2, head_2, canonical(worlds, other, kind)):
                    differ.append(f"{path}: {words}")
    return tried, differ, codes


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_answer_tells_what_a_node_holds(worlds):
    tried, differ, codes = await differences(worlds)
    note("R18", "the same request to a node that holds the case and to one that does not", unit="answers", trials=tried,
         failures=len(differ), figures={"message types": len(MESSAGE_TYPES)})  # fmt: skip
    assert len(codes) > 5, "answers of one kind only prove little"
    assert differ == []


async def test_static_files_say_nothing_of_cases(worlds):
    first = worlds.nodes[0]
    paths = [
        "/v1/health",
        "/v1/trust/metadata/timestamp.json",
        "/v1/trust/metadata/1.root.json",
        "/v1/cases",
        "/v1/log/entries",
    ]
    identifiers = [
        item for found in await rows_of(first, "SELECT thread_id, opened_by, alias, folio FROM cases") for item in found if item
    ]
    differ = []
    async with aiohttp.ClientSession() as session:
        for path in paths:
            one, other = await worlds.get(session, path)
            if one != other:
                differ.append(path)
        for path in ("/v1/log/checkpoint", "/v1/log/tile/0/000.p/1", "/v1/log/tile/0/000"):
            for status, _, body in await worlds.get(session, path):
                assert status in {200, 404}
                differ += [path for item in identifiers if item.encode() in body]
    note("R18", "static files", unit="files", trials=len(paths) + 3, failures=len(differ))
    assert identifiers
    assert differ == []


# -- time --------------------------------------------------------------------------------------------------------------


def superiority(first, second):
    """The chance that a time of `first` is over one of `second` (Mann-Whitney U / nm): 0.5 when nobody can tell them apart."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(place for place, (_, group) in enumerate(ranked, start=1) if group == 0)
    return (ranks - len(first) * (len(first) + 1) / 2) / (len(first) * len(second))


async def timed(worlds, number):
    """Times of the same requests in both worlds, taken in turns, each world first as often as second."""
    made, times = examples.messages()["search.request"], ([], [])
    thread = ThreadId((await rows_of(worlds.nodes[0], "SELECT thread_id FROM cases"))[0][0])
    capabilities, clock = worlds.federation.nodes["gt.conamigua"].capabilities, worlds.federation.clock
    gc.disable()
    try:
        for turn in range(number):
            now = int(clock.now().timestamp())
            message = made.model_copy(
                update={"sender": NodeId("gt.conamigua"), "recipient": MBMID, "issued_at": now, "expires_at": now + 86_400,
                        "message_id": capabilities.new_message_id(clock.now()), "thread_id": thread,
                        "policy_version": capabilities.trust().policy.version, "deadline": None})  # fmt: skip
            envelope = worlds.sealed("gt.conamigua", encode_message(message))
            for world in (0, 1) if turn % 2 else (1, 0):
                started = time.perf_counter()
                await worlds.nodes[world].door.receive([envelope])
                times[world].append(time.perf_counter() - started)
    finally:
        gc.enable()
    return times


FAR = 0.1  # from 0.5


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_no_answer_takes_longer_where_the_case_is_held(worlds):
    number = scaled(ci=1000, night=10_000)
    holds, holds_not = await timed(worlds, number)
    effect = superiority(holds, holds_not)
    note("R18", "time of a search about a known and an unknown case", unit="pairs", trials=number, failures=int(abs(effect - 0.5) > FAR),
         figures={"Mann-Whitney effect (0.5 = none)": round(effect, 3), "median ms": round(statistics.median(holds) * 1000, 2)})  # fmt: skip
    assert abs(effect - 0.5) <= FAR


# -- controls ----------------------------------------------------------------------------------------------------------


async def test_control_a_door_that_says_not_found_is_seen(worlds, monkeypatch):
    real = arrivals._settle_one

    async def telling(verdict, seen, arrivals_, fresh, work, node, now):
        if verdict.message is not None and not await work.cases.find([verdict.message.thread_id]):
            return arrivals.rejection(
                node, now, code=arrivals.ProblemCode.NOT_HANDLED, digest=verdict.verified.digest, of="message", verdict=verdict
            )
        return await real(verdict, seen, arrivals_, fresh, work, node, now)

    monkeypatch.setattr(arrivals, "_settle_one", telling)
    _, differ, _ = await differences(worlds, only="a permitted note")
    control("R18", "A door refuses what belongs to no thread it knows.", seen=bool(differ))
    assert differ


async def test_control_a_longer_answer_is_seen(worlds, monkeypatch):
    real = arrivals._settle_one

    async def longer(verdict, seen, arrivals_, fresh, work, node, now):
        receipt = await real(verdict, seen, arrivals_, fresh, work, node, now)
        known = verdict.message is not None and await work.cases.find([verdict.message.thread_id])
        return receipt + "A" * bool(known)

    monkeypatch.setattr(arrivals, "_settle_one", longer)
    _, differ, _ = await differences(worlds, only="a permitted note about a thread that is known")
    control("R18", "An answer is one character longer where the case is held.", seen=bool(differ))
    assert differ


async def test_control_a_slower_answer_is_seen(worlds, monkeypatch):
    real, usual = arrivals._settle_one, statistics.median((await timed(worlds, 20))[0])

    async def slower(verdict, seen, arrivals_, fresh, work, node, now):
        if verdict.message is not None and await work.cases.find([verdict.message.thread_id]):
            until = time.perf_counter() + usual
            while time.perf_counter() < until:
                pass
        return await real(verdict, seen, arrivals_, fresh, work, node, now)

    monkeypatch.setattr(arrivals, "_settle_one", slower)
    effect = superiority(*await timed(worlds, 60))
    control("R18", "A known case takes twice the usual time.", seen=effect > 0.5 + FAR)
    assert effect > 0.5 + FAR

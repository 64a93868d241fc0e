"""A foreign node and ours, over whole nodes: what it makes we accept, what we make it accepts, type by type."""

import json
import ssl
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import pytest

from contracts.codec import decode_model
from contracts.errors import ProblemCode, TooLargeError
from contracts.ids import KeyId, NodeId
from contracts.messages import MESSAGE_TYPES, Ping, PingBody
from contracts.register import MemberEntry
from gateway.exchange.deliver import deliver_lane, lanes_due
from gateway.exchange.dispatch import dispatch_batch
from gateway.exchange.submit import Draft, submit
from gateway.federation.server import FederationApi
from gateway.federation.tls import server_context
from gateway.main.node import Node
from gateway.main.serving import _statics
from gateway.web import Caps, Deadlines, Watch, serve_site
from keys.bundles import register_files
from keys.register.ceremony import stage_keyset, stage_member
from keys.sealing import padded_length
from keys.tls import self_signed_certificate
from tests.contracts.make_vectors import FOLDER
from tests.foreign import register as theirs
from tests.foreign.basics import RefusedError, b64u, digest, sign, unb64u, verify
from tests.foreign.node import BUCKETS, ForeignNode, dump, pad
from tests.foreign.rules import check_receipt
from tests.gateway.test_exchange import row, send, table
from tests.simulator import federation as simulator
from tests.simulator.federation import simulated_federation

MBMID, US = "gt.igm.mbmid", "gt.ajena"
TRANSFER = {"purpose": "locate-missing", "basis": "gt:mbmid:traslado-inmediato"}
OPERATION = {"purpose": "operate", "basis": "federation:operation"}
PERSON = {"given_names": ["Ficticia"], "surname_1": "Caal", "age_range": {"min": 30, "max": 35}, "sex": "female"}
REPORT = {"channel": "desk", "received_at": 1_795_000_000, "office": "huehuetenango", "language": "es", "minor": "no"}


def everything_may_travel(name):
    """The first policy, opened for this test: every type, between all roles; one field of a record with each."""
    policy = json.loads(simulator_template(name)) | {"forbids": []}
    kinds = sorted(MESSAGE_TYPES)
    policy["flows"].insert(0, {"id": "flow:all", "kinds": kinds, "senders": ["*"], "recipients": ["*"],
                               "purposes": ["operate"], "bases": ["federation:operation"]})  # fmt: skip
    policy["rules"].insert(0, {"id": "rule-all", "record": "missing-person", "kinds": kinds, "recipients": ["search-mechanism"],
                               "purposes": ["operate"], "fields": {"sex": "exact"}})  # fmt: skip
    return dump(policy)


simulator_template = simulator.load_template


@asynccontextmanager
async def world(folder, *names, role="migrant-council"):
    """Our nodes, and a foreign one enrolled among them, which has verified the register itself."""
    async with simulated_federation(folder, *names) as federation:
        stranger = ForeignNode(US, "https://ajena.example/x", int(federation.clock.now().timestamp()))
        stage_member(federation.register, decode_model(MemberEntry, dump(stranger.member(role))), now=federation.clock.now())
        stage_keyset(federation.register, stranger.keyset(), now=federation.clock.now())
        await federation.publish(federation.custodians["registrars"][:2])
        files = register_files(federation.nodes[names[0]].trust.client.mirror)
        stranger.register = theirs.verify_register(files, stranger.now)
        federation.nodes[US] = SimpleNamespace(door=stranger)
        yield federation, stranger


async def settle(federation):
    """Run the queues of our nodes; the foreign one answers at its door."""
    for _ in range(6):
        for node in [node for node in federation.nodes.values() if isinstance(node, Node)]:
            for lane in await lanes_due(node.capabilities, limit=20):
                await deliver_lane(lane, node.capabilities, owner="test")
            await dispatch_batch(node.capabilities, owner="test")
        federation.clock.forward(seconds=31)


async def hand_in(federation, stranger, token, to=MBMID):
    [result] = await federation.nodes[to].door.receive([stranger.sealed(token, to).encode()])
    return result


async def test_a_foreign_report_is_accepted_filed_and_answered_with_a_folio(tmp_path):
    async with world(tmp_path, MBMID) as (federation, stranger):
        record = {
            "sd_jwt": stranger.record(MBMID, "missing-person", PERSON, [TRANSFER["purpose"]]),
            "disclosed": [{"field": name, "form": "exact", "rule": "report-01"} for name in PERSON],
        }
        claims = stranger.message(MBMID, "report.transfer", REPORT, records=[record], **TRANSFER)
        token = stranger.signed(claims)
        receipt = await hand_in(federation, stranger, token)
        said = stranger.check_receipt(receipt, token, MBMID)
        assert said["status"] == "accepted"
        assert await hand_in(federation, stranger, token) == receipt  # sealed anew, the same message: the same receipt
        await settle(federation)
        [answer] = stranger.received
        assert (answer["type"], answer["re"], answer["thid"]) == ("report.acknowledgement", claims["jti"], claims["thid"])
        assert answer["body"]["folio"].startswith("MBMID-2026-")


async def test_what_we_send_a_foreign_node_opens_verifies_and_ends_with_its_receipt(tmp_path):
    async with world(tmp_path, "gt.conamigua", role="search-mechanism") as (federation, stranger):
        node = federation.nodes["gt.conamigua"]
        draft = Draft(kind=Ping, to=NodeId(US), body=PingBody(probe="health"), purpose="operate", basis="federation:operation",
                      actor=node.capabilities.pseudonyms.actor("officer"), case_key="x",
                      thread_id=node.capabilities.new_thread_id(federation.clock.now()))  # fmt: skip
        await submit([draft], node.capabilities)
        await send(federation, row(sex="female"))
        await settle(federation)
        assert sorted(claims["type"] for claims in stranger.received) == ["ping", "report.transfer"]
        assert await table(node, "SELECT DISTINCT state FROM outbox") == [("delivered",)]


# -- every type of the union -----------------------------------------------------------------------------------------

HANDLED = {
    "ping": "done", "report.transfer": "done", "finding.notice": "done", "duty.notice": "done", "case.status": "done",
    "search.request": "done", "disclosure.request": "done", "search.response": None, "disclosure.grant": None,
    "note": "held", "report.acknowledgement": None, "finding.acknowledgement": None, "node.restored": "done",
    "node.returned": None, "consent.change": "done", "erasure.order": "done", "erasure.receipt": None, "correction": None,
    "audit.response": None,
    "referral.offer": "done", "referral.withdraw": "done", "referral.accept": None, "referral.decline": None,
    "referral.update": None, "referral.done": None, "duty.cancel": "done", "identity.check": "done", "identity.answer": None,
}  # fmt: skip
"""What a node does with a type today; None: an answer to nothing we asked, or a correction of nothing they sent. Every other type is answered `not-handled-here`."""
FOR_ANOTHER = {"audit.request"}
"""What this stranger may not ask, whatever the policy says: it is no ombudsman's (SPEC 21.1)."""
WITH_RECORD = {"correction", "disclosure.grant"}


def sample(stranger, kind):
    """The golden bytes of a type, said by the foreign node to ours, now."""
    golden = json.loads((FOLDER / f"{kind}.json").read_bytes())
    kept = {name: golden[name] for name in ("re", "case", "att", "deadline") if name in golden}
    claims = stranger.message(MBMID, kind, golden["body"], **OPERATION, **kept)
    if kind in WITH_RECORD or golden.get("records"):
        disclosed = [{"field": "sex", "form": "exact", "rule": "rule-all"}]
        record = stranger.record(MBMID, "missing-person", {"sex": "female"}, ["operate"])
        claims["records"] = [{"sd_jwt": record, "disclosed": disclosed}]
    if "deadline" in claims:
        claims["deadline"] = stranger.now + 3600
    return claims


def opened(stranger, receipt):
    """A receipt whose signature holds, whatever it is about."""
    return check_receipt(verify(receipt, "paradero-receipt+jwt", stranger.register.signers())[1])


async def state_of(node, claims):
    return (await table(node, f"SELECT state FROM inbox WHERE message_id = '{claims['jti']}'"))[0][0]


async def test_every_type_travels_and_is_handled_or_said_not_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr(simulator, "load_template", everything_may_travel)
    async with world(tmp_path, MBMID) as (federation, stranger):
        node = federation.nodes[MBMID]
        sent = {kind: sample(stranger, kind) for kind in sorted(MESSAGE_TYPES)}
        for kind, claims in sent.items():
            token = stranger.signed(claims)
            receipt = stranger.check_receipt(await hand_in(federation, stranger, token), token, MBMID)
            assert receipt["status"] == ("rejected" if kind in FOR_ANOTHER else "accepted"), (kind, receipt)
        await settle(federation)
        said = {claims["re"] for claims in stranger.received if claims["body"].get("state") == "not-handled-here"}
        told = await table(node, "SELECT subject FROM alarms WHERE code = 'message-not-handled'")
        for kind, claims in sent.items():
            if kind in FOR_ANOTHER:
                continue
            state = await state_of(node, claims)
            if HANDLED.get(kind):
                assert (kind, state) == (kind, HANDLED[kind])
            elif kind not in HANDLED:
                assert (kind, state) == (kind, "not-handled")
                assert (claims["jti"],) in told, kind
                assert claims["jti"] in said, kind


async def test_where_the_policy_lets_no_answer_go_people_are_told_all_the_same(tmp_path, monkeypatch):
    def without_status(name):
        policy = json.loads(everything_may_travel(name))
        policy["flows"] = [
            {**flow, "kinds": [kind for kind in flow["kinds"] if kind != "case.status"]} for flow in policy["flows"]
        ]
        policy["flows"] = [flow for flow in policy["flows"] if flow["kinds"]]
        return dump(policy)

    monkeypatch.setattr(simulator, "load_template", without_status)
    async with world(tmp_path, MBMID) as (federation, stranger):
        claims = sample(stranger, "sample.reference")
        await hand_in(federation, stranger, stranger.signed(claims))
        await settle(federation)
        assert await state_of(federation.nodes[MBMID], claims) == "not-handled"
        assert stranger.received == []


# -- on the wire -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(node, folder):
    """The node's federation port on a real socket, over TLS 1.3, with its own certificate."""
    certificate, key = self_signed_certificate(["127.0.0.1"], now=node.capabilities.clock.now())
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    watch = Watch(Deadlines(5.0, 5.0, request_seconds=20.0), Caps(50, 20))
    api = FederationApi(receive=node.door.receive, answer=node.ask_door.answer, statics=_statics(node), watch=watch,
                        budget=None, prefix="/x")  # fmt: skip
    context = server_context(folder / "cert.pem", folder / "key.pem")
    site = await serve_site(api.application(), watch, host="127.0.0.1", port=0, tls=context)
    trusting = ssl.create_default_context(cadata=certificate.decode())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
        yield session, f"https://127.0.0.1:{site.port}/x/v1"
    await site.close()


async def test_over_tls_a_batch_is_answered_in_order_and_a_question_with_a_sealed_reply(tmp_path):
    async with world(tmp_path, MBMID) as (federation, stranger), served(federation.nodes[MBMID], tmp_path) as (session, base):
        ping = [stranger.signed(stranger.message(MBMID, "ping", {"probe": "health"}, **OPERATION)) for _ in range(3)]
        batch = {"messages": [stranger.sealed(ping[0], MBMID), "not.an.envelope", stranger.sealed(ping[1], MBMID)]}
        headers = {"Content-Type": "application/paradero-batch+json"}
        async with session.post(f"{base}/inbox", data=dump(batch), headers=headers) as answer:
            assert answer.status == 200
            results = (await answer.json())["results"]
        assert [set(result) for result in results] == [{"receipt"}] * 3
        for place in (0, 2):
            receipt = stranger.check_receipt(results[place]["receipt"], ping[place // 2], MBMID)
            assert receipt["status"] == "accepted"
        refused = opened(stranger, results[1]["receipt"])
        assert (refused["status"], refused["code"], refused["dig"]["of"]) == ("rejected", "envelope", "envelope")
        assert refused["dig"]["val"] == digest("not.an.envelope")

        async with session.post(
            f"{base}/ask", data=stranger.sealed(ping[2], MBMID), headers={"Content-Type": "application/jose"}
        ) as answer:
            assert (answer.status, answer.content_type) == (200, "application/jose")
            reply = stranger.accept(stranger.open(await answer.text()))
        assert (reply["type"], reply["re"]) == ("ping", json.loads(unb64u(ping[2].split(".")[1]))["jti"])

        note = stranger.signed(stranger.message(MBMID, "note", {"text": "Ficticia", "language": "es"}, **TRANSFER))
        async with session.post(
            f"{base}/ask", data=stranger.sealed(note, MBMID), headers={"Content-Type": "application/jose"}
        ) as answer:
            assert answer.status == 422
            assert stranger.check_receipt(await answer.text(), note, MBMID)["code"] == "not-handled"
        async with session.post(f"{base}/inbox", data=b"{", headers=headers) as answer:
            assert (answer.status, answer.content_type) == (400, "application/problem+json")
            assert (await answer.json())["type"] == "urn:paradero:problem:malformed"
        async with session.get(f"{base}/trust/metadata/1.root.json") as answer:
            assert theirs.fingerprint(await answer.read()) == theirs.fingerprint(federation.register.root_bytes())


# -- refusals, as SPEC 8.5 orders them -------------------------------------------------------------------------------

WRONG = {
    "to another node": ({"aud": "gt.pgn"}, "not-me"),
    "from another node": ({"iss": "gt.minex"}, "signature"),
    "an unknown type": ({"type": "ping.twice"}, "unsupported"),
    "another version": ({"v": 2}, "unsupported"),
    "an unknown member": ({"x": 1}, "schema"),
    "an exercise": ({"mode": "exercise"}, "wrong-mode"),
    "from the future": ({"iat": 400, "exp": 4000}, "clock-skew"),
    "long expired": ({"iat": -9000, "exp": -400}, "expired"),
    "an unknown policy": ({"pol": 9}, "policy-unknown"),
    "another purpose": ({"purpose": "locate-missing"}, "not-permitted"),
    "valid for eight days": ({"exp": 8 * 86_400}, "schema"),
}


async def test_what_is_wrong_is_refused_with_the_code_the_spec_says(tmp_path):
    async with world(tmp_path, MBMID) as (federation, stranger):
        for name, (change, code) in WRONG.items():
            claims = stranger.message(MBMID, "ping", {"probe": "health"}, **OPERATION)
            claims |= {key: value + stranger.now if key in {"iat", "exp"} else value for key, value in change.items()}
            token = signed_as_it_is(stranger, claims)
            said = opened(stranger, await hand_in(federation, stranger, token))
            assert (said["status"], said.get("code")) == ("rejected", code), name
            assert said["dig"] == {"alg": "sha-256", "val": digest(token), "of": "message"}, name


def signed_as_it_is(stranger, claims):
    return sign(dump(claims), "paradero-msg+jwt", stranger.sig)


async def test_a_key_nobody_vouches_for_is_a_problem_that_ends_nothing(tmp_path):
    async with world(tmp_path, MBMID) as (federation, stranger):
        unknown = ForeignNode("gt.nadie", "https://nadie.example/x", stranger.now, register=stranger.register)
        token = unknown.signed(unknown.message(MBMID, "ping", {"probe": "health"}, **OPERATION))
        assert await hand_in(federation, unknown, token) is ProblemCode.SENDER_UNKNOWN


# -- records and padding ---------------------------------------------------------------------------------------------


def spoil(sd_jwt, how):
    token, *disclosures, _ = sd_jwt.split("~")
    extra = b64u(dump(["A" * 22, "cui", "2987 51938 0101"]))
    return {
        "a disclosure nothing refers to": "~".join((token, *disclosures, extra, "")),
        "a disclosure twice": "~".join((token, *disclosures, disclosures[0], "")),
        "without its final tilde": "~".join((token, *disclosures)),
        "a disclosure changed": "~".join((token, b64u(unb64u(disclosures[0]).replace(b"female", b"male")), "")),
    }[how]


@pytest.mark.parametrize(
    "how", ["a disclosure nothing refers to", "a disclosure twice", "without its final tilde", "a disclosure changed"]
)
async def test_a_foreign_record_that_is_none_is_refused(tmp_path, monkeypatch, how):
    monkeypatch.setattr(simulator, "load_template", everything_may_travel)
    async with world(tmp_path, MBMID) as (federation, stranger):
        claims = sample(stranger, "correction")
        claims["records"][0]["sd_jwt"] = spoil(claims["records"][0]["sd_jwt"], how)
        token = signed_as_it_is(stranger, claims)
        said = opened(stranger, await hand_in(federation, stranger, token))
        assert said["code"] == ("schema" if how == "without its final tilde" else "record-invalid")


def test_both_pad_to_the_same_length():
    header = {"alg": "Ed25519", "kid": f"{US}#sig-1", "typ": "paradero-msg+jwt"}
    for length in [*range(1300, 1600), *range(2800, 3000), *range(5900, 6200), 100_000, 390_000]:
        claims = {"x": "a" * (length - len(dump({"x": ""})))}
        mine = padded_length(length, KeyId(f"{US}#sig-1"))
        assert len(pad(claims, header)) == mine
        token = f"{b64u(dump(header))}.{b64u(bytes(mine))}.{b64u(bytes(64))}"
        assert any(bucket - 4 < len(token) <= bucket for bucket in BUCKETS)
    with pytest.raises(RefusedError):
        pad({"x": "a" * 394_000}, header)
    with pytest.raises(TooLargeError):
        padded_length(394_000, KeyId(f"{US}#sig-1"))


async def test_at_the_ask_door_a_proof_is_anybodys_and_fields_of_a_leaf_are_refused_in_a_typed_way(tmp_path):
    async with world(tmp_path, MBMID) as (federation, stranger):
        ask = federation.nodes[MBMID].ask_door.answer
        plain = stranger.signed(stranger.message(MBMID, "audit.request", {"leaves": ["A" * 43]}, **OPERATION))
        reply = stranger.accept(stranger.open((await ask(stranger.sealed(plain, MBMID).encode())).decode()))
        assert reply["body"] == {"proofs": [], "missing": ["A" * 43]}
        more = {"leaves": ["A" * 43], "fields": ["ev"], "complaint": "PDH-2026-77"}
        token = stranger.signed(stranger.message(MBMID, "audit.request", more, **OPERATION))
        refusal = await ask(stranger.sealed(token, MBMID).encode())
        assert stranger.check_receipt(refusal, token, MBMID)["code"] == "not-handled"

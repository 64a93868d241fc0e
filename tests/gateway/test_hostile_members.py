"""A member that signs properly and lies in its records: each message ends in a signed refusal, and nothing of it is kept."""

import json

import pytest

from contracts.codec import b64u_encode, encode_object, parse_object
from contracts.errors import ProblemCode
from contracts.ids import NodeId
from keys.jose import encrypt_jwe, parse_jws, sign_jws
from keys.records import _digest
from keys.sealing import ENVELOPE_TYP, MESSAGE_TYP, RECORD_TYP
from tests.gateway.test_exchange import row, send, table
from tests.simulator.federation import simulated_federation

MBMID, CONAMIGUA = NodeId("gt.igm.mbmid"), NodeId("gt.conamigua")


@pytest.fixture
async def federation(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.conamigua", "gt.pgn") as found:
        yield found


def disclosure(*parts):
    return b64u_encode(json.dumps(list(parts)).encode())


class Liar:
    """Conamigua's keys in the wrong hands: takes a genuine message apart and signs whatever comes out."""

    def __init__(self, federation, claims):
        self._sender = federation.nodes["gt.conamigua"].capabilities
        self._key = self._sender.sealer._own.sig
        self.claims = claims

    def first_record(self):
        token, *disclosures = self.claims["records"][0]["sd_jwt"].split("~")
        return parse_object(parse_jws(token).payload), disclosures[:-1]

    def signed_record(self, payload, disclosures, *, typ=RECORD_TYP):
        return "~".join((sign_jws(json.dumps(payload).encode(), self._key, typ=typ), *disclosures, ""))

    def envelope(self, sd_jwt):
        records = [self.claims["records"][0] | {"sd_jwt": sd_jwt}, *self.claims["records"][1:]]
        jws = sign_jws(encode_object(self.claims | {"records": records}), self._key, typ=MESSAGE_TYP)
        to = self._sender.trust().seal_key(MBMID)
        return encrypt_jwe(jws.encode(), to, typ=ENVELOPE_TYP, cty=MESSAGE_TYP).encode()


@pytest.fixture
async def liar(federation):
    await send(federation, row())
    found = await table(federation.nodes["gt.conamigua"], "SELECT envelope FROM outbox_bodies WHERE lane = 'gt.igm.mbmid'")
    jws = federation.nodes["gt.igm.mbmid"].capabilities.opener.open(found[0][0]).jws
    claims = parse_object(parse_jws(jws.decode()).payload)
    claims.pop("pad", None)
    return Liar(federation, claims)


def chained(liar):
    payload, _ = liar.first_record()
    made = [disclosure("c2FsdA", "leaf", 1)]
    for number in range(511):
        made.append(disclosure("c2FsdA", f"n{number}", {"_sd": [_digest(made[-1])]}))
    return liar.signed_record(payload | {"_sd": [_digest(made[-1]), *payload["_sd"][1:]]}, made)


def hidden(liar):
    payload, _ = liar.first_record()
    extra = disclosure("c2FsdA", "marks", {"_sd": [_digest("kept back")]})
    return liar.signed_record(payload | {"_sd": [_digest(extra), *payload["_sd"][:47]]}, [extra])


def changed(**changes):
    def make(liar):
        payload, disclosures = liar.first_record()
        return liar.signed_record(payload | changes, disclosures)

    return make


def with_use(**changes):
    def make(liar):
        payload, disclosures = liar.first_record()
        return liar.signed_record(payload | {"use": payload["use"] | changes}, disclosures)

    return make


def another_type(liar):
    payload, disclosures = liar.first_record()
    return liar.signed_record(payload, disclosures, typ="dc+sd-jwt")


LIES = {
    "a chain of 512 disclosures": chained,
    "a digest inside a value": hidden,
    "47 digests": lambda liar: changed(_sd=liar.first_record()[0]["_sd"][:47])(liar),
    "issued by another": changed(iss="gt.pgn"),
    "issued to another": changed(cnf={"kid": "gt.pgn#sig-1"}),
    "long expired": lambda liar: changed(iat=1, exp=2, use=liar.first_record()[0]["use"] | {"retain_until": 2})(liar),
    "of an unknown type": changed(vct="urn:paradero:rec:horoscope:1"),
    "of a type that is no word": changed(vct="urn:paradero:rec: :1"),
    "issued for another purpose": with_use(purposes=["prosecute"]),
    "issued for no purpose": with_use(purposes=[]),
    "two hops": with_use(hops=2),
    "a wallet's type": another_type,
    "no record": lambda _: "~",
}


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_in_a_record_ends_in_a_signed_refusal(federation, liar, name):
    mbmid = federation.nodes["gt.igm.mbmid"]
    [receipt] = await mbmid.door.receive([liar.envelope(LIES[name](liar))])
    verified = federation.nodes["gt.conamigua"].capabilities.opener.verify_receipt(receipt, peer=MBMID).receipt
    assert verified.status == "rejected"
    assert verified.code in {ProblemCode.RECORD_INVALID, ProblemCode.SCHEMA}
    assert await table(mbmid, "SELECT count(*) FROM inbox WHERE state != 'refused'") == [(0,)]


async def test_control_the_same_hands_with_the_true_record_are_believed(federation, liar):
    mbmid = federation.nodes["gt.igm.mbmid"]
    [receipt] = await mbmid.door.receive([liar.envelope(liar.signed_record(*liar.first_record()))])
    verified = federation.nodes["gt.conamigua"].capabilities.opener.verify_receipt(receipt, peer=MBMID).receipt
    assert verified.status == "accepted"

"""R3: nothing unproven becomes a stored message. The witness is the database, never the answer."""

import asyncio
import random
from collections import Counter

import pytest

from contracts.errors import ExchangeError, SignatureError
from gateway.exchange import judging
from keys import ed25519, sealing
from keys.jose import VerifiedJws, parse_jws
from keys.register.state import TrustState
from tests.foreign.basics import sign
from tests.foreign.node import dump
from tests.hostile import forgeries
from tests.hostile.forgeries import MBMID, TYP, flips, lies, outcome, ping, seal, some_bits, stored
from tests.reliability.ledger import control, note, scaled

SEED = 20_261_125


@pytest.fixture
async def world(tmp_path, monkeypatch, request):
    databases = {MBMID: request.getfixturevalue("database_urls")} if "database_urls" in request.fixturenames else None
    async with forgeries.world(tmp_path, monkeypatch, databases) as found:
        yield found


async def every_lie(world):
    old = await forgeries.replace_signing_key(world)
    await forgeries.enrol_weak_key(world)
    return lies(world, old)


# -- every bit -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_bit_of_an_envelope_can_be_turned(world):
    rng = random.Random(SEED)
    tokens = [world.liar.signed(claims) for claims in forgeries.valid_messages(world.liar, 20)]
    envelopes = [seal(world.liar, text) for text in tokens]
    assert [outcome(envelope, world.node) for envelope in envelopes] == ["accepted"] * 20
    seen = Counter()
    whole = scaled(ci=1, night=20)  # every bit of these; of the others as many as a look needs
    for number, envelope in enumerate(envelopes):
        count = len(envelope) * 8 if number >= 20 - whole else scaled(ci=400, night=0)
        for spoilt in flips(envelope, some_bits(envelope, count, rng)):
            seen[outcome(spoilt, world.node)] += 1
        await asyncio.sleep(0)
    trials = sum(seen.values())
    note("R3", "one bit of a sealed envelope turned", unit="envelopes", trials=trials, failures=seen["accepted"], seed=SEED,
         figures=forgeries.tally(seen))  # fmt: skip
    assert seen["accepted"] == 0
    assert trials > 20_000
    assert await stored(world.node) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_bit_of_a_signed_message_can_be_turned_by_who_can_seal_it_again(world):
    """Sealing needs a public key only: whoever opened a message, or guesses it, may seal another. The signature must hold."""
    rng, seen = random.Random(SEED), Counter()
    for number, claims in enumerate(forgeries.valid_messages(world.liar, 20)):
        token = world.liar.signed(claims).encode()
        count = len(token) * 8 if number >= 20 - scaled(ci=2, night=20) else 500
        for spoilt in flips(token, some_bits(token, count, rng)):
            try:
                world.node.capabilities.opener.verify(spoilt)
                seen["accepted"] += 1
            except ExchangeError as error:
                seen[error.code.value] += 1
    note("R3", "one bit of a signed message turned, sealed anew", unit="messages", trials=sum(seen.values()),
         failures=seen["accepted"], seed=SEED, figures=forgeries.tally(seen))  # fmt: skip
    assert seen["accepted"] == 0


async def test_a_sample_of_turned_bits_through_the_door_leaves_nothing_in_the_database(world, database_urls):
    rng, door = random.Random(SEED), world.node.door
    token = world.liar.signed(ping(world.liar))
    envelope = seal(world.liar, token)
    batch = list(flips(envelope, some_bits(envelope, 150, rng)))
    batch += [seal(world.liar, spoilt.decode("latin-1")) for spoilt in flips(token.encode(), some_bits(token.encode(), 50, rng))
              if spoilt.isascii()]  # fmt: skip
    before = await stored(world.node)
    for start in range(0, len(batch), 50):
        await door.receive(batch[start : start + 50])
    failures = await stored(world.node) - before
    note("R3", "one bit turned, through the inbox, both databases", unit="envelopes", trials=len(batch), failures=failures,
         seed=SEED)  # fmt: skip
    assert failures == 0
    await door.receive([envelope])  # the bytes they were made of
    assert await stored(world.node) == before + 2


# -- every field -----------------------------------------------------------------------------------------------------


async def test_no_part_of_two_valid_messages_can_be_exchanged(world):
    one, other = world.honest.signed(ping(world.honest)), world.liar.signed(forgeries.valid_messages(world.liar, 4)[0])
    sealed = [seal(world.honest, one), seal(world.liar, other)]
    names = [(name, data) for pair in (sealed, sealed[::-1]) for name, data in forgeries.swapped_envelopes(*pair)]
    for pair in ((one, other), (other, one)):
        names += [(name, seal(world.liar, text)) for name, text in forgeries.swapped_tokens(*pair)]
    seen = await refused_at_both_doors(world, names)
    note("R3", "a part, header or claim exchanged between two valid messages", unit="envelopes", trials=len(names),
         failures=seen["accepted"], figures=forgeries.tally(seen))  # fmt: skip
    assert seen["accepted"] == 0
    assert len(names) > 80


async def refused_at_both_doors(world, named) -> Counter:
    seen = Counter()
    for name, envelope in named:
        before = await stored(world.node)
        await world.node.door.receive([envelope])
        await world.node.ask_door.answer(envelope)
        kept = await stored(world.node) != before
        result = "accepted" if kept else outcome(envelope, world.node)
        if result == "accepted":
            print(f"accepted: {name}")
        seen[result] += 1
    return seen


async def test_a_member_cannot_speak_for_another_whatever_it_signs(world):
    """Claims of an honest member's message in the liar's, signed with the liar's own, valid key."""
    mine, named = ping(world.liar), []
    for theirs in (ping(world.honest), *forgeries.valid_messages(world.honest, 12)):
        for name, mixed in forgeries.swapped_claims(mine, theirs):
            named.append((name, mixed["iss"], seal(world.liar, sign(dump(mixed), TYP, world.liar.sig))))
    for name, _, envelope in named:
        before = await stored(world.node)
        await world.node.door.receive([envelope])
        if name in forgeries.BINDING:
            assert await stored(world.node) == before, name
    others = await forgeries.table(world.node, f"SELECT count(*) FROM seen WHERE sender != '{world.liar.node}'")
    note("R3", "another member's claims, signed by a liar", unit="messages", trials=len(named), failures=others[0][0])
    assert others == [(0,)]
    [receipt] = await world.node.door.receive([seal(world.honest, world.honest.signed(ping(world.honest)))])
    assert isinstance(receipt, str)  # and the honest member's ids are still its own


# -- one class each --------------------------------------------------------------------------------------------------


async def test_no_lie_is_stored_whatever_its_class(world, database_urls):
    named = await every_lie(world)
    seen = await refused_at_both_doors(world, named.items())
    note("R3", "one lie of each class, at both doors, both databases", unit="envelopes", trials=len(named),
         failures=seen["accepted"], figures=forgeries.tally(seen))  # fmt: skip
    assert seen["accepted"] == 0
    assert len(seen) >= 9, "too few ways to be refused"
    counted = world.node.door.strangers.counts
    assert sum(counted.values()) >= len(named), "strangers' refusals are counted by class"


async def test_at_the_edges_of_time_a_second_decides(world):
    now = world.liar.now
    for iat, exp, expected in (
        (now + 300, now + 900, "accepted"),
        (now + 301, now + 900, "clock-skew"),
        (now - 900, now - 299, "accepted"),
        (now - 900, now - 301, "expired"),
    ):
        token = sign(dump(ping(world.liar, iat=iat, exp=exp)), TYP, world.liar.sig)
        assert outcome(seal(world.liar, token), world.node) == expected, (iat - now, exp - now)


async def test_what_the_inbox_takes_the_ask_door_never_stores(world):
    stored_before = await stored(world.node)
    envelopes = [seal(world.liar, world.liar.signed(claims)) for claims in forgeries.valid_messages(world.liar, 20)]
    for envelope in envelopes:
        await world.node.ask_door.answer(envelope)
    failures = await stored(world.node) - stored_before
    note("R3", "inbox messages at the ask door", unit="envelopes", trials=len(envelopes), failures=failures)
    assert failures == 0


async def test_a_message_signed_before_its_key_was_replaced_keeps_its_receipt(world):
    """Replacing a key must not turn an honest retry into a refusal of what was accepted (dedup comes before the key's age)."""
    envelope = seal(world.moved, world.moved.signed(ping(world.moved)))
    [first] = await world.node.door.receive([envelope])
    await forgeries.replace_signing_key(world)
    assert await world.node.door.receive([envelope]) == [first]
    again = seal(world.moved, world.moved.signed(ping(world.moved)))
    assert outcome(again, world.node) == "accepted"


# -- the same with a bug ---------------------------------------------------------------------------------------------


def the_addressee_is_not_checked(patch):
    """A message to another node is taken."""

    def bound(message, verified, _node):
        if message.sender != verified.sender:
            raise SignatureError("planted")

    patch.setattr(judging, "_check_bound", bound)


def the_signer_may_be_another(patch):
    """Any member may sign for any sender."""
    real = judging._check_bound

    def bound(message, verified, node):
        from types import SimpleNamespace

        real(message, SimpleNamespace(sender=message.sender), node)

    patch.setattr(judging, "_check_bound", bound)


def the_algorithm_comes_from_the_header(patch):
    """The token says how it is to be verified: with HMAC under the public key, or not at all."""
    import hashlib
    import hmac
    import json

    from contracts.ids import KeyId
    from tests.foreign.basics import unb64u

    real = sealing.verify_jws

    def verify(token, *, typ, find):
        head, payload, signature = token.split(".") if token.count(".") == 2 else ("e30", "", "")
        try:
            header = json.loads(unb64u(head))
        except ValueError:
            header = {}
        if str(header.get("alg")).startswith("HS"):
            kid = KeyId(header["kid"])
            made = hmac.digest(find(kid).raw, f"{head}.{payload}".encode(), getattr(hashlib, f"sha{header['alg'][2:]}"))
            if made == unb64u(signature):
                return VerifiedJws(kid, unb64u(payload))
        if header.get("alg") == "none":
            return VerifiedJws(KeyId(header["kid"]), unb64u(payload))
        return real(token, typ=typ, find=find)

    patch.setattr(sealing, "verify_jws", verify)


def any_typ_will_do(patch):
    """A receipt or a record is taken for a message."""
    real = sealing.verify_jws

    def verify(token, *, typ, find):
        return real(token, typ=parse_jws(token).typ, find=find)

    patch.setattr(sealing, "verify_jws", verify)


def times_are_not_checked(patch):
    """Expired messages and those from the future are taken."""
    patch.setattr(judging, "_check_times", lambda *_: None)


def keys_of_small_order_are_taken(patch):
    """A key under which everything is signed is a key like others."""
    ed25519.load_public_key.cache_clear()
    patch.setattr(ed25519, "check_point", lambda _raw: None)


def a_replaced_key_still_signs(patch):
    """A key that was taken out of its keyset, stolen perhaps, signs new messages."""
    patch.setattr(TrustState, "may_sign", lambda *_: True)


PLANTED = (
    the_addressee_is_not_checked,
    the_signer_may_be_another,
    the_algorithm_comes_from_the_header,
    any_typ_will_do,
    times_are_not_checked,
    keys_of_small_order_are_taken,
    a_replaced_key_still_signs,
)


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.__name__)
async def test_a_planted_bug_is_seen(world, monkeypatch, bug):
    bug(monkeypatch)
    try:
        seen = await refused_at_both_doors(world, (await every_lie(world)).items())
    finally:
        ed25519.load_public_key.cache_clear()
    control("R3", bug, seen=seen["accepted"] > 0)
    assert seen["accepted"] > 0


@pytest.mark.slow
async def test_a_cipher_without_authentication_is_seen(world, monkeypatch):
    control_bug = "An envelope's bits are not authenticated, and the signature is not looked at."
    honest = seal(world.liar, world.liar.signed(ping(world.liar)))
    monkeypatch.setattr(
        sealing, "verify_jws", lambda token, *, typ, find: VerifiedJws(parse_jws(token).kid, parse_jws(token).payload)
    )
    token = world.liar.signed(ping(world.liar))
    spoilt = [seal(world.liar, text) for name, text in forgeries.swapped_tokens(token, world.liar.signed(ping(world.liar)))]
    results = Counter(outcome(envelope, world.node) for envelope in spoilt)
    control("R3", control_bug, seen=results["accepted"] > 0)
    assert outcome(honest, world.node) == "accepted"
    assert results["accepted"] > 0

"""R12: a suspension published at any moment under load; and a register that cannot be reached any more."""

import asyncio
import random
import time
from datetime import UTC, datetime

import pytest

from contracts.errors import TrustStaleError
from contracts.ids import Code, NodeId
from gateway.demo.ports import reserved_ports
from gateway.exchange.desk import send_rows
from keys.register.ceremony import publish, publish_alone, stage_clearing, stage_suspension
from tests.faults import net_bugs, rig
from tests.faults.net_rig import READY_SECONDS, ask, start_changed
from tests.faults.oracle import desk_row, open_oracle
from tests.faults.rig import DESK, MBMID, found_rig
from tests.gateway.test_faults import pings
from tests.reliability.ledger import control, note, scaled
from tests.simulator.federation import simulated_federation

SEED = 12
ROWS = iter(range(1, 1_000_000))


async def report(node, number=1):
    """Send reports from a desk."""
    rows = [desk_row(next(ROWS)) for _ in range(number)]
    return await send_rows(rows, node.capabilities, actor=node.capabilities.pseudonyms.actor("desk"))


async def some_turns(federation, chance, *, load=True):
    for _ in range(chance.randrange(1, 4)):
        if load:
            await report(federation.nodes[DESK], chance.randrange(1, 3))
        await federation.turn()
        federation.clock.forward(seconds=chance.uniform(0.5, 31))


async def arrived(node):
    counts = await node.operations.models.counts()
    return sum(counts["inbox"].values())


async def one_round(federation, chance):
    """Suspend the desk under load, let it go on sending, lift; return what went wrong."""
    mbmid, clock, register = federation.nodes[MBMID], federation.clock, federation.register
    custodians, wrong = federation.custodians, []
    await some_turns(federation, chance)
    suspension = stage_suspension(register, NodeId(DESK), reason=Code("lost-laptop"), by="duty", now=clock.now())
    publish_alone(register, custodians["duty"][0], custodians["online"][0], now=clock.now())
    await some_turns(federation, chance)  # published, not yet known here
    await mbmid.trust.poll()
    before, carried = await arrived(mbmid), len(federation.network.carried)
    await some_turns(federation, chance)  # the suspended desk does not care
    await some_turns(federation, chance)
    if (more := await arrived(mbmid) - before) > 0:
        wrong.append(f"{more} accepted")
    if sent := [peer for peer, _ in federation.network.carried[carried:] if peer == DESK]:
        wrong.append(f"{len(sent)} sent to it")
    tried = sum(1 for peer, _ in federation.network.carried[carried:] if peer == MBMID)
    stage_clearing(register, suspension, now=clock.now())
    for registrar in custodians["registrars"][:2]:
        register.sign(registrar)
    publish(register, custodians["online"][0], now=clock.now())
    await federation.poll()
    await report(federation.nodes[DESK])
    await federation.settle()
    if await arrived(mbmid) <= before:
        wrong.append("lifted, and nothing flows")
    if (await mbmid.operations.models.counts())["outbox"].get("waiting"):
        wrong.append("lifted, and held messages stay")
    return wrong, tried


async def rounds_of(tmp_path, number):
    chance, wrong, tried = random.Random(SEED), [], 0
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        for _ in range(number):
            found, sent = await one_round(federation, chance)
            wrong += found
            tried += sent
    return wrong, tried


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_from_the_poll_on_nothing_is_accepted_and_nothing_sent(tmp_path):
    number = scaled(ci=10, night=100)
    print("seed", SEED)
    wrong, tried = await rounds_of(tmp_path, number)
    figures = {"envelopes_of_the_suspended": tried}
    note(
        "R12",
        "suspended at a random moment under load",
        unit="suspensions",
        trials=number,
        failures=len(wrong),
        seed=SEED,
        figures=figures,
    )
    assert tried > 0, "the suspended node sent nothing: nothing was proven"
    assert wrong == []


async def test_the_planted_bug_is_seen(tmp_path, monkeypatch):
    net_bugs.suspensions_are_read_at_the_start(monkeypatch)
    wrong, _ = await rounds_of(tmp_path, 1)
    control("R12", net_bugs.suspensions_are_read_at_the_start, seen=bool(wrong))
    assert wrong


@pytest.mark.parametrize(("age", "freshness"), [({"minutes": 50}, "amber"), ({"hours": 30}, "stale"), ({"days": 8}, "frozen")])
async def test_a_register_out_of_reach_stops_disclosure_and_loses_nothing(tmp_path, age, freshness):
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        desk, mbmid = federation.nodes[DESK], federation.nodes[MBMID]
        federation.clock.forward(**age)
        assert desk.trust.state.freshness(federation.clock.now()).value == freshness
        if freshness == "frozen":
            results = await report(desk, 2)
            closed = all(result.reasons == ("refused:trust-stale",) for result in results)
            with pytest.raises(TrustStaleError):
                await pings(federation, 1)
        else:
            results = await report(desk, 2)
            closed = not all(result.message_ids for result in results)
        await federation.settle()
        before = await arrived(mbmid)
    note(
        "R12", f"register out of reach: {freshness}", unit="reports", trials=2, failures=int(closed != (freshness == "frozen"))
    )
    assert closed == (freshness == "frozen")
    assert (before > 0) != closed


async def test_what_arrives_while_the_register_is_frozen_waits_and_is_filed_later(tmp_path):
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        mbmid = federation.nodes[MBMID]
        await report(federation.nodes[DESK], 2)
        federation.clock.forward(days=6, hours=23)
        await federation.turn()  # delivered; the answers are still to be written
        federation.clock.forward(hours=2)
        await report_frozen(federation)
        counts = (await mbmid.operations.models.counts())["inbox"]
        assert counts.get("quarantined", 0) == 0, counts
        federation.register.resign_timestamp(federation.custodians["online"][0], now=federation.clock.now())
        await federation.poll()
        await federation.settle()
        after = (await mbmid.operations.models.counts())["inbox"]
    note(
        "R12",
        "arrived while the register was frozen, filed later",
        unit="messages",
        trials=2,
        failures=2 - after.get("done", 0),
    )
    assert after.get("done") == 2


async def report_frozen(federation):
    """Hours of turns with a register nobody can renew."""
    for _ in range(12):
        await federation.turn()
        federation.clock.forward(minutes=20)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_real_process_stops_within_a_poll(tmp_path, monkeypatch):
    """Real processes: seconds from the publication of a suspension to the first refusal, and nothing accepted after it."""
    officers = rig._officers()
    monkeypatch.setattr(rig, "_officers", lambda: officers)
    with reserved_ports(4) as ports:
        found = await found_rig(tmp_path, MBMID, DESK, ports=ports)
        node = found.nodes[MBMID]
        node.config_file.write_text(node.config_file.read_text().replace("poll_seconds = 60.0", "poll_seconds = 1.0"))
        try:
            start_changed(node, {})
            await node.until_ready(READY_SECONDS)
            async with open_oracle(found, sender=DESK, to=MBMID) as oracle:
                seconds, late, accepted = await suspended_while_sending(found, oracle, officers)
            kept = ask(node, "SELECT count(*) FROM inbox")[0][0]
        finally:
            found.end()
    figures = {"seconds_to_effect": round(seconds, 2), "poll_seconds": 1}
    note("R12", "a real process under load", unit="suspensions", trials=1, failures=int(late > 0), figures=figures)
    assert accepted > 0
    assert kept == accepted
    assert late == 0
    assert seconds < 30


async def suspended_while_sending(found, oracle, officers):
    """Return the seconds from publication to the first refusal, what was accepted after it, and what before."""
    accepted, first_refusal, published, late = 0, None, None, 0
    for number in range(400):
        if number == 5:
            now = datetime.now(UTC)
            stage_suspension(found.register, NodeId(DESK), reason=Code("lost-laptop"), by="duty", now=now)
            publish_alone(found.register, officers["duty"][0], officers["online"][0], now=now)
            published = time.monotonic()
        [letter] = oracle.write(1)
        [result] = await oracle.transport.deliver(oracle.to, [letter.envelope])
        told = oracle.sender.capabilities.opener.verify_receipt(result.receipt, peer=oracle.to).receipt
        if told.status == "accepted":
            accepted += 1
            late += first_refusal is not None
        elif first_refusal is None:
            first_refusal = time.monotonic()
        if first_refusal is not None and time.monotonic() - first_refusal > 2:
            break
        await asyncio.sleep(0.1)
    assert first_refusal is not None, "the suspension never took effect"
    return first_refusal - published, late, accepted

"""A fault of our own code: it concerns one message, promises nothing, and is told to our people without its text."""

from dataclasses import dataclass, replace

import pytest

from contracts.errors import ProblemCode
from contracts.ids import Code, NodeId
from contracts.messages import Ping, PingBody
from gateway.exchange.receive import Door
from gateway.exchange.submit import Draft, prepare
from tests.simulator.federation import simulated_federation

MBMID = NodeId("gt.igm.mbmid")
CANARY = "Ficticiacanaria"


@dataclass
class FailingOpener:
    """Our opener, with a bug that one envelope meets."""

    real: object
    bad: bytes

    def open(self, envelope):
        if envelope == self.bad:
            raise ZeroDivisionError(CANARY)
        return self.real.open(envelope)

    def __getattr__(self, name):
        return getattr(self.real, name)


@pytest.fixture
async def federation(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.conamigua") as found:
        yield found


async def pings(federation, count):
    node = federation.nodes["gt.conamigua"].capabilities
    drafts = [
        Draft(
            kind=Ping,
            to=MBMID,
            body=PingBody(),
            purpose=Code("operate"),
            basis=Code("federation:operation"),
            actor=node.pseudonyms.actor("operator"),
            thread_id=node.new_thread_id(node.clock.now()),
            case_key=str(number),
        )
        for number in range(count)
    ]
    return [item.outgoing.envelope for item in await prepare(drafts, node)]


async def test_the_others_of_the_batch_get_their_receipts(federation):
    first, bad, last = await pings(federation, 3)
    told = []
    node = federation.nodes["gt.igm.mbmid"]
    faulty = replace(
        node.capabilities,
        opener=FailingOpener(node.capabilities.opener, bad),
        complain=lambda where, error: told.append((where, type(error))),
    )
    results = await Door(faulty, node.door.writer, node.door.strangers).receive([first, bad, last])
    assert [isinstance(item, ProblemCode) for item in results] == [False, True, False]
    assert results[1] is ProblemCode.INTERNAL, "a bare problem: the sender keeps the message"
    assert told == [("judge", ZeroDivisionError)]
    assert node.door.strangers.counts == {ProblemCode.INTERNAL: 1}


async def test_a_repaired_node_takes_what_it_failed_on(federation):
    [envelope] = await pings(federation, 1)
    node = federation.nodes["gt.igm.mbmid"]
    faulty = replace(node.capabilities, opener=FailingOpener(node.capabilities.opener, envelope), complain=lambda *_: None)
    await Door(faulty, node.door.writer, node.door.strangers).receive([envelope])
    [receipt] = await node.door.receive([envelope])
    sender = federation.nodes["gt.conamigua"].capabilities
    assert sender.opener.verify_receipt(receipt, peer=MBMID).receipt.status == "accepted"

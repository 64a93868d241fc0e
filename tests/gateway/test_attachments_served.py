"""The whole way of an attachment over real sockets: rows and files of one node, its port, a line that drops, another's loop."""

import asyncio

import pytest

from contracts.attachments import Grade
from contracts.errors import OverDisclosureError
from gateway.exchange.attachment_ports import AttachmentState
from gateway.exchange.attachments import Content, content_of
from gateway.exchange.judging import _check_records
from gateway.federation.client import HttpTransport, PeerAddress
from gateway.federation.server import FederationApi
from gateway.main.serving import _statics
from gateway.web import Caps, Deadlines, Watch, serve_site
from gateway.workers.collecting import Collector
from tests.adapters.pictures import CANARY, photograph
from tests.contracts.samples import EXAMPLES
from tests.federation.test_blobs import Line
from tests.federation.test_port import LOOPBACK
from tests.gateway import test_attachments
from tests.gateway.test_attachments import FROM, TO, content, noise, one_of, order, sent
from tests.simulator.federation import simulated_federation


@pytest.fixture
async def federation(tmp_path):
    async with simulated_federation(tmp_path, FROM, test_attachments.HOLDER, TO) as found:
        yield found


@pytest.fixture
async def line(federation):
    """The sender's own port behind a line that drops every 40 kB; the receiver's node asks there and nowhere else."""
    node = federation.nodes[FROM]
    watch = Watch(Deadlines(), Caps(50, 50))
    api = FederationApi(
        receive=node.door.receive, answer=node.ask_door.answer, statics=_statics(node), watch=watch, budget=None, prefix="/x"
    )
    site = await serve_site(api.application(), watch, host="127.0.0.1", port=0)
    async with Line(site.port, drop_after=40_000) as found:
        transport = HttpTransport(lambda _: PeerAddress(f"http://127.0.0.1:{found.port}/x", None), allowed=LOOPBACK)
        object.__setattr__(federation.nodes[TO].capabilities, "transport", transport)
        yield found
        await transport.close()
    await site.close()


async def collected(federation, *, turns=400):
    """Turns of the receiver's own loop until nothing is on its way."""
    node = federation.nodes[TO].capabilities
    collector = Collector(node, asyncio.Event())
    for _ in range(turns):
        await collector.turn()
        await asyncio.gather(*collector._running.values())
        if (await one_of(federation)).state is not AttachmentState.WANTED:
            break
        federation.clock.forward(seconds=5)
    await collector.close()
    return await one_of(federation)


async def delivered(federation, *found):
    """The message has arrived and been handled; nothing of its attachments was fetched."""
    federation.network.down.add(FROM)  # for ciphertexts: messages come from there, and go to TO
    entries, message = await sent(federation, *found)
    await federation.turn()
    return entries, message


async def test_over_a_line_that_drops_the_loop_brings_it_whole(federation, line):
    [entry], _ = await delivered(federation, content(300_000))
    assert (await collected(federation)).state is AttachmentState.HERE
    node = federation.nodes[TO].capabilities
    found = await content_of((await one_of(federation)).id, node, actor=node.pseudonyms.actor("officer"))
    assert found.data == noise(300_000)
    assert line.connections > 5
    assert line.carried < entry.size * 1.2 + line.connections * 1_500


async def test_what_is_recalled_while_it_is_fetched_is_served_no_more(federation, line):
    [entry], message = await delivered(federation, content(300_000))
    node = federation.nodes[TO].capabilities
    collector = Collector(node, asyncio.Event())
    await collector.turn()
    await asyncio.gather(*collector._running.values())
    half = await one_of(federation)
    assert 0 < half.have < entry.size
    await order(federation, message)
    for _ in range(3):
        federation.clock.forward(minutes=10)
        await collector.turn()
        await asyncio.gather(*collector._running.values())
    await collector.close()
    after = await one_of(federation)
    assert (after.state, after.have, after.reason) == (AttachmentState.WANTED, half.have, "gone")


async def test_control_what_was_not_cleaned_is_found_in_what_arrives(federation, line):
    await delivered(federation, Content("image/jpeg", Grade.FACE, photograph()))
    await collected(federation)
    node = federation.nodes[TO].capabilities
    found = await content_of((await one_of(federation)).id, node, actor=node.pseudonyms.actor("officer"))
    assert CANARY.encode() in found.data


def test_an_attachment_beside_the_records_is_more_than_any_rule_allows(federation):
    node = federation.nodes[TO].capabilities
    loose, now = EXAMPLES["bulletin"].att, node.clock.now()
    answer = EXAMPLES["search.response"].model_copy(update={"att": loose, "records": ()})
    with pytest.raises(OverDisclosureError):
        _check_records(answer, node, node.trust().policy, now)
    _check_records(answer.model_copy(update={"att": ()}), node, node.trust().policy, now)  # control

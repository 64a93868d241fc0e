"""R17: after an erasure nothing of it opens or lies about in any file of either database, old backups' rows too; the log verifies.

When something is erased, and what stops that, is tested in tests/gateway/test_erasing.py.
"""

from pathlib import Path

import pytest
from sqlalchemy import text

from contracts.errors import StorageError
from contracts.ids import MessageId
from contracts.messages import ConsentAct
from gateway.exchange.erasing import erase_turn
from gateway.main.logcheck import check_log
from gateway.storage.engine import create_engine
from gateway.storage.thread_keys import ThreadKeys
from keys.leaves import open_leaf
from tests.gateway import test_recall
from tests.gateway.test_exchange import table
from tests.gateway.test_recall import CNB, MBMID, a_case, asks, bodies_of, erase, said, says
from tests.promises.canaries import files
from tests.reliability.ledger import control, note

federation = test_recall.federation


async def withdrawn(federation):
    """A copy at the CNB whose recall is ordered; returns its message and its sealed body there."""
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    message = await asks(federation, case)
    await federation.settle()
    [(body,)] = await table(federation.nodes[CNB], f"SELECT body FROM inbox WHERE message_id = '{message.message_id}'")
    await says(federation, folio, said(ConsentAct.WITHDRAWN, "c4"))
    await federation.settle()
    return message, body


async def wrapped_key(node, thread):
    engine = create_engine(node.config.key_store)
    try:
        async with engine.connect() as connection:
            statement = text(f"SELECT wrapped FROM thread_keys WHERE thread_id = '{thread}'")
            return (await connection.execute(statement)).scalar_one()
    finally:
        await engine.dispose()


async def places(node, server):
    """Every file the node's two databases consist of: on SQLite its folder; on PostgreSQL the databases' own heaps."""
    if node.config.main_database.startswith("sqlite"):
        return list(files(Path(node.config.data)))
    found = []
    for url in (node.config.main_database, node.config.key_store):
        engine = create_engine(url)
        async with engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            oid = (
                await connection.execute(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
            ).scalar_one()
            await connection.execute(text("CHECKPOINT"))
        await engine.dispose()
        found += files(server["log"].parent / "data" / "base" / str(oid))
    return found


async def lies_about(node, server, *secrets):
    """Which of these bytes are in some file; a slice of each, for a database may break a long value."""
    found = set()
    for path in await places(node, server):
        data = path.read_bytes()
        found |= {secret for secret in secrets if secret[40:72] in data}
    return found


@pytest.fixture
def server(request, federation):
    uses = federation.nodes[CNB].config.main_database.startswith("postgresql")
    return request.getfixturevalue("postgresql_server") if uses else None


async def test_nothing_of_it_opens_or_lies_about_and_the_log_verifies(federation, server):
    message, body = await withdrawn(federation)
    cnb = federation.nodes[CNB]
    key = await wrapped_key(cnb, message.thread_id)
    assert await lies_about(cnb, server, body, key) == {body, key}  # else what follows proves nothing
    await erase(federation, hours=30)
    assert await lies_about(cnb, server, body, key) == set()
    # an old backup's row, put back beside today's key store, stays shut
    with pytest.raises(StorageError, match="destroyed"):
        await cnb.capabilities.bodies.open(message.thread_id, message.message_id, body)
    await federation.nodes[CNB].log.sequence()
    checked = await check_log(cnb.config)
    assert checked.ok, checked.problem
    [leaf] = [leaf for leaf in await cnb.log.leaves_of(MessageId(message.message_id)) if leaf.event == "msg.received"]
    told = open_leaf(leaf.data, leaf.disclosures)
    assert {"ev", "jti", "peer", "msg_sha256", "purpose", "basis"} <= set(told)
    assert not {"rec", "fields", "case"} & set(told)
    # what is kept: that it was given, when, on which basis, and that it was recalled
    kept = "SELECT purpose, basis, recall FROM disclosures WHERE peer = 'mx.cnb'"
    note("R17", "a copy that was recalled: its body, its key, an old backup's row", unit="copies", trials=1, failures=0)
    assert await table(federation.nodes[MBMID], kept) == [("locate-missing", "consent", "erased")]


async def test_control_a_file_that_is_not_scrubbed_is_seen(federation, server):
    message, body = await withdrawn(federation)
    cnb = federation.nodes[CNB]
    key = await wrapped_key(cnb, message.thread_id)

    async def nothing():
        return True

    for _ in range(5):
        federation.clock.forward(hours=6)
        await erase_turn(cnb.capabilities, nothing)
    assert await bodies_of(cnb, message.thread_id) == [(0,)]
    found = await lies_about(cnb, server, body, key)
    control("R17", "Files are not written anew after an erasure.", seen=found == {body})
    assert found == {body}


async def test_control_a_key_that_is_kept_is_seen(federation, server, monkeypatch):
    async def keeps(_self, _threads):
        return None

    monkeypatch.setattr(ThreadKeys, "destroy", keeps)
    message, body = await withdrawn(federation)
    cnb = federation.nodes[CNB]
    key = await wrapped_key(cnb, message.thread_id)
    await erase(federation, hours=30)
    found = await lies_about(cnb, server, key)
    control("R17", "The thread's key is kept.", seen=key in found)
    assert key in found
    await cnb.capabilities.bodies.block([message.thread_id], blocked=False)
    assert (await cnb.capabilities.bodies.open(message.thread_id, message.message_id, body)).jws

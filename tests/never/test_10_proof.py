"""Never 10: the proof that something was disclosed goes. The ledger grows; only what became of a copy changes."""

import ast
import inspect
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.errors import StorageError
from gateway.exchange.holdings import RECALL_TRANSITIONS, RecallState
from gateway.storage import disclosures as module
from gateway.storage.disclosures import SqlLedger
from tests.storage.test_case_stores import NOW, line, opened

GATEWAY = Path(module.__file__).parents[1]


async def test_no_row_of_the_ledger_can_be_taken_back(database_url):
    async with opened(database_url) as (begin, _):
        given = line(1)
        async with begin() as work:
            await work.ledger.add([given])
        for state in RecallState:
            async with begin() as work:
                await work.ledger.recall([given.record_id], state, now=NOW + timedelta(days=1))
                [kept] = await work.ledger.of_case(given.case_ref)
            assert (kept.message_id, kept.peer, kept.fields, kept.sent_at, kept.basis) == (
                given.message_id,
                given.peer,
                given.fields,
                given.sent_at,
                given.basis,
            )
        with pytest.raises(StorageError):  # nor can another disclosure be written over it
            async with begin() as work:
                await work.ledger.add([line(1, case_ref="caso-2")])
    assert RECALL_TRANSITIONS[RecallState.ERASED] == frozenset()


def deletes(text, tables):
    """Names of these tables that some statement of a module deletes from."""
    return {
        argument.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "delete"
        for argument in node.args
        if isinstance(argument, ast.Name) and argument.id in tables
    }


def test_no_module_deletes_what_was_disclosed_said_or_decided():
    tables = {"disclosures", "consent_events", "wish_events", "never_to", "exchanges", "exchange_messages"}
    assert not any(deletes(path.read_text(), tables) for path in GATEWAY.rglob("*.py"))
    assert {name for name, _ in inspect.getmembers(SqlLedger, inspect.isfunction) if not name.startswith("_")} == {
        "add",
        "of_order",
        "order_lost",
        "outstanding",
        "to_recall",
        "was_ordered",
        "not_delivered",
        "of_case",
        "recall",
    }


def test_control_a_deletion_is_seen():
    assert deletes("await connection.execute(delete(disclosures).where(x))", {"disclosures"}) == {"disclosures"}

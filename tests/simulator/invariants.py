"""What must hold at any moment of a history, and what when it came to rest. Reads the files, not the nodes."""

import asyncio
import json
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from gateway.config import load_config
from gateway.main.logcheck import check_log
from tests.simulator.world import DESK, MBMID, NAMES, PGN

MOST_REQUESTS = 25
"""To one peer within ten seconds: a first probe backs off from half a second, and what is new goes out at once."""
_WAITING = """
SELECT 'outbox ' || state FROM outbox WHERE state = 'waiting'
UNION ALL SELECT 'inbox ' || state FROM inbox WHERE state = 'waiting'
UNION ALL SELECT 'staged' FROM leaf_staging
"""
_EFFECTS = {
    "msg.received": "SELECT sender, message_id FROM inbox",
    "msg.sent": "SELECT lane, message_id FROM outbox",
    "msg.dead": "SELECT lane, message_id FROM outbox WHERE state = 'dead'",
    "msg.quarantined": "SELECT sender, message_id FROM inbox WHERE state = 'quarantined'",
}
_HALVES = {
    "sent and no body": "SELECT message_id FROM outbox EXCEPT SELECT message_id FROM outbox_bodies",
    "a body and not sent": "SELECT message_id FROM outbox_bodies EXCEPT SELECT message_id FROM outbox",
    "received and not remembered": "SELECT sender, message_id FROM inbox EXCEPT SELECT sender, message_id FROM seen",
    "remembered and not received": "SELECT sender, message_id FROM seen EXCEPT SELECT sender, message_id FROM inbox",
}


def rows(world, name, sql):
    """Return the rows of a query on one node's database."""
    with closing(sqlite3.connect(world.home / name / "paradero.db")) as connection:
        return connection.execute(sql).fetchall()


def waiting(world):
    """Return what still waits anywhere."""
    return {name: dict(found) for name in NAMES if (found := Counter(item for (item,) in rows(world, name, _WAITING)))}


def broken_now(world):
    """Return every promise that is broken at this moment, in words, each with the promise's name."""
    stale = [f"R14 {words}" for words in world.stale]
    checks = (_lost, _ended_badly, _folios, _answered_twice, _half_rows, _receipts)
    return [
        *stale,
        *(words for check in checks for words in check(world)),
        *(words for name in NAMES for words in _leaves(world, name)),
    ]


def broken_at_rest(world):
    """Return what is broken once nothing moves any more."""
    return [*broken_now(world), *_never_arrived(world), *_minors(world), *_unanswered(world), *_logs(world), *_storms(world)]


def _storms(world):
    if world.peak() > MOST_REQUESTS:
        yield f"R8 {world.peak()} requests left for one peer within ten seconds"


def _logs(world):
    for name in NAMES:
        config = load_config(world.home / name / "paradero.toml")
        with ThreadPoolExecutor(1) as other:  # a loop of its own: this one's time is virtual
            check = other.submit(lambda config=config: asyncio.run(check_log(config))).result()
        if not check.ok:
            yield f"R5 {name}: the log does not verify: {check.problem}"


def _lost(world):
    filed = Counter(number for (number,) in rows(world, DESK, "SELECT row FROM imports"))
    for number in world.promised:
        if filed[number] != 1:
            yield f"R1 row {number} was promised and is filed {filed[number]} times"
    there = {(name, message) for name in NAMES for (message,) in rows(world, name, "SELECT message_id FROM inbox")}
    for name in NAMES:
        for lane, message in rows(world, name, "SELECT lane, message_id FROM outbox WHERE state = 'delivered'"):
            if (lane, message) not in there:
                yield f"R1 {message} has a receipt and is not there"


def _ended_badly(world):
    for name in NAMES:
        for lane, message, state, reason in rows(world, name, "SELECT lane, message_id, state, reason FROM outbox"):
            if state not in ("waiting", "delivered"):
                yield f"R1 {name}: {message} to {lane} ended as {state}: {reason}"
        for message, error in rows(world, name, "SELECT message_id, last_error FROM inbox WHERE state = 'quarantined'"):
            yield f"R2 {name}: {message} ended in quarantine: {error}"


def _folios(world):
    cases = rows(world, MBMID, "SELECT thread_id, folio FROM cases WHERE kind = 'report'")
    folios = [folio for _, folio in cases]
    if len(set(folios)) != len(folios) or None in folios:
        yield "R2 two cases share a folio, or one has none"
    elif sorted(int(folio.rsplit("-", 1)[1]) for folio in folios) != list(range(1, len(folios) + 1)):
        yield "R2 the folios have a gap"


def _answered_twice(world):
    answers = Counter(rows(world, MBMID, "SELECT thread_id FROM outbox WHERE kind = 'report.acknowledgement'"))
    for (thread,), number in answers.items():
        if number > 1:
            yield f"R2 thread {thread} was answered {number} times"


def _half_rows(world):
    for name in NAMES:
        for what, sql in _HALVES.items():
            if found := rows(world, name, sql):
                yield f"R22 {name}: {what}: {len(found)}"
    children = rows(world, DESK, "SELECT row, message_ids FROM imports")
    sent = {message for (message,) in rows(world, DESK, "SELECT message_id FROM outbox")}
    for number, ids in children:
        messages = json.loads(ids)
        if len(messages) != (2 if number % 4 == 0 else 1) or not set(messages) <= sent:
            yield f"R22 row {number} is filed and only part of it left"
    kinds = Counter(kind for (kind,) in rows(world, DESK, "SELECT kind FROM outbox"))
    if kinds["report.transfer"] != len(children):
        yield f"R22 {len(children)} rows filed, {kinds['report.transfer']} transfers"


def _receipts(world):
    """Whoever asks again gets the receipt there is, and there is one for all that was received."""
    kept = {name: {receipt for (receipt,) in rows(world, name, "SELECT receipt FROM seen")} for name in NAMES}
    for (peer, _), said in world.answers.items():
        if len(set(said)) != 1:
            yield f"R22 {peer} gave {len(set(said))} receipts for one message"
        elif said[0] not in kept[peer]:
            yield f"R1 {peer} gave a receipt for what it does not have"


def _never_arrived(world):
    got = {message for (message,) in rows(world, MBMID, "SELECT message_id FROM inbox WHERE kind = 'report.transfer'")}
    for number, ids in rows(world, DESK, "SELECT row, message_ids FROM imports"):
        if not got & set(json.loads(ids)):
            yield f"R1 row {number} was promised and never arrived"
    cases = rows(world, MBMID, "SELECT count(*) FROM cases WHERE kind = 'report'")[0][0]
    if cases != len(world.promised):
        yield f"R2 {len(world.promised)} reports made {cases} cases"


def _minors(world):
    children = sum(1 for number in world.promised if number % 4 == 0)
    duties = rows(world, PGN, "SELECT count(*) FROM cases WHERE kind = 'duty'")[0][0]
    if duties != children:
        yield f"R2 {children} children, {duties} duty notices"


def _unanswered(world):
    for thread, state, folio in rows(world, DESK, "SELECT thread_id, state, folio FROM cases"):
        if state != "acknowledged" or folio is None:
            yield f"R2 the desk never heard of thread {thread}: {state}"
        elif rows(world, MBMID, f"SELECT folio FROM cases WHERE thread_id = '{thread}'") != [(folio,)]:
            yield f"R2 thread {thread} has two folios"


def _leaves(world, name):
    told = Counter(rows(world, name, "SELECT event, peer, message_id FROM leaves"))
    told += Counter(rows(world, name, "SELECT event, peer, message_id FROM leaf_staging"))
    for event, sql in _EFFECTS.items():
        effects = Counter((event, *row) for row in rows(world, name, sql))
        leaves = Counter({leaf: number for leaf, number in told.items() if leaf[0] == event})
        if effects != leaves:
            yield f"R5 {name}: {event}: {effects.total()} effects, {leaves.total()} leaves"
    refused = sum(number for leaf, number in told.items() if leaf[0] in ("msg.refused", "msg.conflict"))
    if refused:
        yield f"R2 {name}: {refused} genuine messages were refused"

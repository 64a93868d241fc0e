"""R1, R2: the desk's node killed while it imports and delivers; what its own people were told is sent arrives, once."""

import asyncio
import os
import random
import sqlite3
from collections import Counter
from contextlib import closing, suppress

import aiohttp
import pytest

from gateway.demo.ports import reserved_ports
from keys.keystore import write_durably
from tests.faults.bugs import BUGS
from tests.faults.rig import DESK, MBMID, PGN, Zygote, found_rig
from tests.reliability.ledger import control, note, scaled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(scaled(ci=600, night=14_400))]

SEED = int(os.environ.get("FIRST_SEED", "1"))
ROWS = 5
MAPPING = """
name = "prueba"
title = "Filas de prueba, ficticias"
office = "oficina"
channel = "desk"
language = "es"
sample = "prueba.csv"
delimiter = ","
date_order = "dmy"
same_person = ["given_names", "surname_1", "birth_date"]

[[records]]
type = "missing-person"
any_of = [["birth_date", "age_range"]]
columns = [
    { headings = ["Nombres"], parser = "given_names", field = "given_names", required = true },
    { headings = ["Apellidos"], parser = "surnames", field = "surname_1", required = true },
    { headings = ["Nacimiento"], parser = "date", field = "birth_date" },
]
"""


def word(number):
    """Return a made-up name for a number: a digit in a name is refused."""
    return "Per" + "".join("bcdfghklmn"[int(digit)] + "a" for digit in str(number))


def sheet(number):
    """Return a file of five rows, the last of them a child's."""
    lines = ["Nombres,Apellidos,Nacimiento"]
    for row in range(ROWS):
        born = "04/03/2014" if row == ROWS - 1 else "04/03/1991"
        lines.append(f"{word(number)} {word(row)},Ficticia,{born}")
    return "\n".join(lines).encode()


async def import_file(node, number):
    """Import as the desk's people do; return the rows they were told are sent, or None when nothing was answered."""
    with suppress(aiohttp.ClientError, TimeoutError, OSError):
        status, answer = await node.call("POST", "/api/v1/imports", sheet(number), mapping="prueba", name="prueba.csv")
        assert status == 200, answer
        assert answer["counts"].get("imported", 0) + answer["counts"].get("duplicate", 0) == ROWS, answer
        return answer["rows"]
    return None


def rows(node, sql):
    with closing(sqlite3.connect(node.config.data / "paradero.db")) as connection:
        return connection.execute(sql).fetchall()


async def history(tmp_path, *, kills, bug=None):
    """Kill the desk's node at random while files are imported; then let it finish. Return what broke, and figures."""
    chance, told, number, again = random.Random(SEED), {}, 0, 0
    with reserved_ports(6) as ports, Zygote() as zygote:
        rig = await found_rig(tmp_path, MBMID, DESK, PGN, ports=ports)
        desk = rig.nodes[DESK]
        write_durably(desk.config.mapping_folder / "prueba.toml", MAPPING.encode())
        for name in (MBMID, PGN):
            rig.nodes[name].start(zygote)
            await rig.nodes[name].until_ready()
        for _ in range(kills):
            desk.start(zygote, bug=bug)
            await desk.until_ready()
            working = asyncio.create_task(import_file(desk, number))
            end = asyncio.get_running_loop().time() + chance.uniform(0.05, 0.8)
            while True:
                left = end - asyncio.get_running_loop().time()
                await asyncio.wait({working}, timeout=max(0, left))
                if not working.done():
                    break
                told |= {(number, row["row"]): row for row in working.result() or ()}
                number += 1
                if left <= 0:
                    break
                working = asyncio.create_task(import_file(desk, number))
            if chance.random() < 0.5:
                rig.nodes[MBMID].kill()
            desk.kill()
            answered = await working
            if answered is None:
                again += 1  # the same file once more in the next life, as people do
            else:
                told |= {(number, row["row"]): row for row in answered}
                number += 1
            if rig.nodes[MBMID].exit_code() is not None:
                rig.nodes[MBMID].start(zygote)
        await rig.nodes[MBMID].until_ready()
        desk.start(zygote, bug=bug)
        await desk.until_ready()
        told |= {(number, row["row"]): row for row in await import_file(desk, number)}
        await _until_delivered(desk)
        for node in rig.nodes.values():
            node.kill()
    return _broken(rig, told), {"kills": kills, "files sent again": again, "rows": len(told)}


async def _until_delivered(desk):
    for _ in range(600):
        if not rows(desk, "SELECT 1 FROM outbox WHERE state = 'waiting' LIMIT 1"):
            return
        for (message,) in rows(desk, "SELECT message_id FROM outbox WHERE state = 'waiting'"):
            with suppress(aiohttp.ClientError):
                await desk.call("POST", f"/api/v1/messages/{message}/retry")
        await asyncio.sleep(0.3)


def _broken(rig, told):
    got = {name: Counter(m for (m,) in rows(rig.nodes[name], "SELECT message_id FROM inbox")) for name in (MBMID, PGN)}
    filed = {thread for (thread,) in rows(rig.nodes[DESK], "SELECT thread_id FROM imports")}
    broken = []
    for lane, message, state in rows(rig.nodes[DESK], "SELECT lane, message_id, state FROM outbox"):
        if state != "delivered":
            broken.append(f"{message} ended as {state}")
        elif got[lane][message] != 1:
            broken.append(f"{message} is delivered, and there {got[lane][message]} times")
    for key, row in told.items():
        if row["thread_id"] not in filed:
            broken.append(f"row {key} was told to be sent and is not in the desk's book")
    reports = rows(rig.nodes[MBMID], "SELECT count(*) FROM cases WHERE kind = 'report'")[0][0]
    duties = rows(rig.nodes[PGN], "SELECT count(*) FROM cases WHERE kind = 'duty'")[0][0]
    if reports != len(told):
        broken.append(f"{len(told)} rows, {reports} cases")
    if duties * ROWS != len(told):
        broken.append(f"{len(told) // ROWS} children, {duties} duty notices")
    return broken


async def test_what_the_desk_was_told_is_sent_arrives_once(tmp_path):
    print(f"seed {SEED}")
    broken, figures = await history(tmp_path, kills=scaled(ci=12, night=300))
    for promise in ("R1", "R2"):
        note(
            promise,
            "sending node (and now and then the receiver) killed at random",
            unit="rows told to be sent",
            trials=figures["rows"],
            failures=len(broken),
            seed=SEED,
            figures=figures,
        )
    assert broken == []
    assert figures["files sent again"], "no kill hit an import"


async def test_killing_the_sender_sees_messages_sent_before_the_receipt(tmp_path):
    broken, _ = await history(tmp_path, kills=8, bug="sent_before_the_receipt")
    control("R1", BUGS["sent_before_the_receipt"], seen=bool(broken))
    assert broken

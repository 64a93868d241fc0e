"""R10: disks that are full, read-only or broken. Whoever knocks is told to come again; nothing acknowledged is lost."""

import asyncio
import os
import random
import time

import aiohttp
import pytest

from contracts.codec import encode_object
from gateway.demo.ports import reserved_ports
from gateway.federation.server import BATCH_TYPE
from gateway.federation.tls import pinned
from gateway.main.serving import EXIT_DISK_FAILED
from tests.faults.bugs import BUGS
from tests.faults.mounts import grow, small_disk, writable
from tests.faults.oracle import open_oracle
from tests.faults.rig import DESK, MBMID, Zygote, found_rig
from tests.faults.tracing import injected, require_strace, traced
from tests.reliability.ledger import control, note, scaled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(scaled(ci=600, night=14_400))]

SEED = int(os.environ.get("FIRST_SEED", "1"))


async def knock(oracle, node, letters):
    """Hand over a batch by hand; return status, Retry-After and the body, or None when nobody answers."""
    body = encode_object({"messages": [letter.envelope.decode() for letter in letters]})
    tls = pinned(oracle.sender.trust.state.endpoint(oracle.to).tls_pin)
    try:
        async with aiohttp.ClientSession() as session:
            post = session.post(f"{node.url}/v1/inbox", data=body, headers={"Content-Type": BATCH_TYPE}, ssl=tls)
            async with post as answer:
                return answer.status, answer.headers.get("Retry-After"), await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def supervise(node, zygote):
    """Start the node again if it ended, as systemd does; return how it ended."""
    code = node.exit_code()
    if code is not None:
        node.start(zygote)
    return code


@pytest.mark.parametrize("megabytes", [4, 16, 64])
async def test_a_full_disk_stops_acceptance_and_service_resumes_by_itself(tmp_path, megabytes):
    with small_disk(tmp_path, megabytes) as disk, reserved_ports(4) as ports, Zygote() as zygote:
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports, data={MBMID: disk / "node"})
        node = rig.nodes[MBMID]
        node.start(zygote)
        await node.until_ready()
        async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
            ballast = disk / "ballast"
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            ballast.write_bytes(b"\0" * max(0, free - 700_000))  # somebody else's files
            answers, codes = [], []
            for _ in range(200):
                letters = oracle.write(3)
                await oracle.send(letters)
                if any(letter.message_id not in oracle.book for letter in letters):
                    break
            else:
                pytest.fail("the disk never was full")
            for _ in range(10):
                answers.append(await knock(oracle, node, letters))
                codes.append(supervise(node, zygote))
                await asyncio.sleep(0.1)
            log_still_answers = await knock(oracle, node, [])  # a refusal needs no space
            started = time.monotonic()
            grow(disk, megabytes + 16)
            while time.monotonic() - started < 60:
                supervise(node, zygote)
                if await oracle.send(letters) == len(letters):
                    break
                await asyncio.sleep(0.2)
            resumed = time.monotonic() - started
            assert await oracle.send(oracle.write(3)) == 3, "service did not resume"
            await asyncio.sleep(1)
            node.kill()
            broken = await oracle.broken(node)
    told = [answer[:2] for answer in answers if answer is not None]
    figures = {
        "refused": len(told),
        "seconds to resume": round(resumed, 1),
        "restarts": sum(code is not None for code in codes),
    }
    what = f"disk of {megabytes} MB full, then larger"
    note("R10", what, unit="acknowledged messages", trials=oracle.acknowledged, failures=len(broken), figures=figures)
    assert broken == []
    assert all(status in {503, 507} and after for status, after in told), told
    assert told, "nobody was told to come again"
    assert all(code in {None, EXIT_DISK_FAILED, 3} for code in codes), (codes, node.log_tail())
    assert log_still_answers is None or log_still_answers[0] == 400


async def faulty(tmp_path, *, inject, calls, rounds, path="paradero.db-wal", bug=None, before_next=1.0):
    """Serve while the N-th call on a file fails, for N up to `rounds`. Return what broke, exit codes, and the oracle."""
    broken, codes, hit = [], [], 0
    with reserved_ports(4) as ports, Zygote() as zygote:
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports)
        node = rig.nodes[MBMID]
        async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
            for number in rounds:
                node.start(zygote, bug=bug)
                await node.until_ready()
                letters = oracle.write(6)
                with traced(
                    node.pid, tmp_path / "trace", paths=[node.config.data / path], calls=calls, inject=f"{inject}:when={number}"
                ):
                    for start in range(0, 6, 2):
                        await oracle.send(letters[start : start + 2])
                    codes.append(node.exit_code(before_next))
                hit += injected(tmp_path / "trace")
                if codes[-1] is None:  # still there: it must serve again
                    await oracle.send(letters)
                    broken += [] if all(m.message_id in oracle.book for m in letters) else [f"round {number}: does not resume"]
                node.kill()
                broken += await oracle.broken(node)
            node.start(zygote)
            await node.until_ready()
            broken += await oracle.replay(list(oracle.letters.values()))
            node.kill()
            broken += await oracle.broken(node)
    assert hit, "no call was refused"
    return broken, codes, oracle


@pytest.mark.parametrize("path", ["paradero.db-wal", "thread-keys.db-wal"])
async def test_a_failed_sync_ends_the_process_at_once(tmp_path, path):
    require_strace()
    rounds = [1, 2] if scaled(ci=0, night=1) == 0 else range(1, 8)
    broken, codes, oracle = await faulty(tmp_path, inject="error=EIO", calls="fdatasync", rounds=rounds, path=path)
    figures = {"exits with 70": codes.count(EXIT_DISK_FAILED)}
    what = "a sync of the database fails (EIO): the process ends"
    wrong = len(broken) + sum(code not in {None, EXIT_DISK_FAILED} for code in codes)
    note("R10", what, unit="acknowledged messages", trials=oracle.acknowledged, failures=wrong, figures=figures)
    assert broken == []
    assert codes[0] == EXIT_DISK_FAILED, codes
    assert set(codes) <= {None, EXIT_DISK_FAILED}


async def test_a_failed_write_ends_the_process_at_once(tmp_path):
    require_strace()
    broken, codes, oracle = await faulty(tmp_path, inject="error=EIO", calls="pwrite64", rounds=[1, 3])
    what = "a write of the database fails (EIO): the process ends"
    note("R10", what, unit="acknowledged messages", trials=oracle.acknowledged, failures=len(broken))
    assert broken == []
    assert codes[0] == EXIT_DISK_FAILED, codes


async def test_no_space_for_one_write_is_told_and_survived(tmp_path):
    require_strace()
    rounds = [1, 2, 5] if scaled(ci=0, night=1) == 0 else range(1, 30)
    broken, codes, oracle = await faulty(tmp_path, inject="error=ENOSPC", calls="pwrite64", rounds=rounds, before_next=0.2)
    what = "single writes refused (ENOSPC)"
    note("R10", what, unit="acknowledged messages", trials=oracle.acknowledged, failures=len(broken), seed=SEED)
    assert broken == []
    assert set(codes) == {None}, codes
    random.seed(SEED)


async def test_failed_syncs_see_a_node_that_forgives_them(tmp_path):
    require_strace()
    broken, codes, _ = await faulty(
        tmp_path, inject="error=EIO", calls="fdatasync", rounds=[1], bug="a_failed_sync_is_forgiven", before_next=2.0
    )
    seen = codes[0] != EXIT_DISK_FAILED or bool(broken)
    control("R10", BUGS["a_failed_sync_is_forgiven"], seen=seen)
    assert seen


async def test_a_read_only_disk_refuses_the_start_and_nothing_is_lost(tmp_path):
    with small_disk(tmp_path, 32) as disk, reserved_ports(4) as ports, Zygote() as zygote:
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports, data={MBMID: disk / "node"})
        node = rig.nodes[MBMID]
        async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
            node.start(zygote)
            await node.until_ready()
            letters = oracle.write(5)
            assert await oracle.send(letters) == 5
            node.kill()
            writable(disk, yes=False)
            node.start(zygote)
            code = node.exit_code(120)
            writable(disk, yes=True)
            assert code in {3, EXIT_DISK_FAILED}, (code, node.log_tail())
            node.start(zygote)
            await node.until_ready()
            broken = await oracle.replay(letters)
            node.kill()
            broken += await oracle.broken(node)
    what = "started on a read-only disk: refused"
    note("R10", what, unit="acknowledged messages", trials=5, failures=len(broken))
    assert broken == []

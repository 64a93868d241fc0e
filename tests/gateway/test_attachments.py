"""Attachments between whole nodes, on SQLite and PostgreSQL: cleaned, named in a record, fetched, shown, taken back, erased."""

import json
import os
import random
import shutil

import pytest

from adapters.attached.cleaning import clean_attachment
from contracts.attachments import MAX_CONTENT, Grade
from contracts.codec import b64u_decode
from contracts.disclosure import SourceRecord
from contracts.errors import EnvelopeError, StorageError, TooLargeError
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from gateway.exchange import attachments, collecting
from gateway.exchange.attachment_ports import AttachmentState
from gateway.exchange.attachments import (
    AttachmentElsewhereError,
    AttachmentsFullError,
    Content,
    NoSuchAttachmentError,
    add,
    clear_erased,
    content_of,
    drop,
    served,
    sweep,
)
from gateway.exchange.collecting import GIVE_UP_AFTER, SLICE, claim, collect, fetch_now, look_for_files
from gateway.exchange.erasing import erase_turn, plan
from gateway.exchange.responding import show_answer
from gateway.exchange.searching import Question, ask_search
from gateway.main.backup import add_recovery_key, back_up
from gateway.main.restore import RestoreRequest, restore
from keys.backups import check_outer, read_frames
from tests.adapters.pictures import CANARY, autopsy, photograph
from tests.conftest import new_node_databases
from tests.gateway.test_answers import HOLDER, MBMID, asked, holder_of, own, patient
from tests.gateway.test_bookkeeping import opened_messages
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import ADULT, by
from tests.simulator.federation import open_simulated, simulated_federation

FROM, TO = MBMID, "gt.minex"
WANT = tuple(Code(name) for name in ("sex", "attachments"))


@pytest.fixture(params=["sqlite", "postgresql"])
async def federation(request, tmp_path):
    databases = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        if server is None:
            pytest.skip("NO POSTGRESQL FOUND: this test ran on SQLite only. apt-get install postgresql")
        databases = {name: new_node_databases(server) for name in (FROM, TO)}
    async with simulated_federation(tmp_path, MBMID, HOLDER, TO, databases=databases) as found:
        yield found


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def content(size=3 * SLICE + 77, grade=Grade.MARK, seed=1):
    return Content("image/jpeg", grade, noise(size, seed))


async def added(node, found=None, thread=None):
    return await add(found or content(), node, thread_id=thread, actor=node.pseudonyms.actor("officer"))


def question(ids, **more):
    values = ADULT | {"attachments": [str(item) for item in ids]}
    found = {
        "to": NodeId(HOLDER),
        "want": WANT,
        "purpose": Code("locate-missing"),
        "basis": Code("gt:codigo-migracion:198-207"),
        "case_ref": "caso-1",
        "records": (SourceRecord(RecordType.MISSING_PERSON, values),),
    }
    return Question(**(found | more))


async def sent(federation, *found):
    """The MBMID asks the foreign ministry, with pictures, which travel whole there (rule search-01); nothing is fetched yet."""
    node = federation.nodes[FROM].capabilities
    entries, thread = [], None
    for one in found or (content(),):
        entries.append(await added(node, one, thread))
        thread = entries[0].thread_id
    prepared = await ask_search(question([entry.id for entry in entries], to=NodeId(TO)), node, by=by(node))
    return entries, prepared.message


async def rows(federation, name=TO):
    return await table(federation.nodes[name], "SELECT state, have, size FROM attachments ORDER BY size")


async def until_settled(federation):
    await federation.settle()


def folder(federation, name):
    home = federation.nodes[name].config.blobs
    return sorted(path.name for path in home.iterdir()) if home.is_dir() else []


async def one_of(federation, name=TO):
    async with federation.nodes[name].capabilities.begin() as work:
        [entry] = await work.attachments.listed(limit=5)
    return entry


async def taken(federation, name=TO):
    node = federation.nodes[name].capabilities
    return await content_of((await one_of(federation, name)).id, node, actor=node.pseudonyms.actor("officer"))


async def test_what_was_named_in_a_record_is_fetched_and_shown_as_it_was_sealed(federation):
    [entry], message = await sent(federation)
    assert message.thread_id == entry.thread_id, "the message opens the thread of its attachment"
    await until_settled(federation)
    assert await rows(federation) == [("here", entry.size, entry.size)]
    found = await taken(federation)
    assert (found.data, found.media_type, found.grade) == (noise(3 * SLICE + 77), "image/jpeg", Grade.MARK)
    assert folder(federation, TO) == folder(federation, FROM) == [entry.name]
    assert f"attachment.saved {(await one_of(federation)).id}" in await said_in_log(federation, TO)
    # the ledger says which field left and how; not a word of the key stands in the clear in either database
    fields = await table(federation.nodes[FROM], "SELECT fields FROM disclosures")
    assert any("attachments exact" in row[0] for row in fields)
    claims = [message.records[0].sd_jwt]
    key = next(iter(ref.key for ref in await references(federation, claims)))
    for name in (TO, FROM):
        assert key.encode() not in b"".join(
            path.read_bytes() for path in federation.nodes[name].config.data.rglob("*") if path.is_file()
        )


async def said_in_log(federation, name):
    both = "SELECT disclosures FROM leaves UNION ALL SELECT disclosures FROM leaf_staging"
    found = [item for row in await table(federation.nodes[name], both) for item in json.loads(row[0])]
    return {str(json.loads(b64u_decode(item))[-1]) for item in found}


async def references(federation, tokens):
    node = federation.nodes[TO].capabilities
    found = []
    for token in tokens:
        record = node.opener.verify_record(token, sender=FROM, at=federation.clock.now())
        found += list(attachments.references_in(record.claims))
    return found


async def test_a_line_that_drops_and_a_node_that_starts_again_cost_only_what_was_on_the_way(federation):
    [entry], _ = await sent(federation)
    await federation.turn()  # delivered, and told what to fetch
    federation.network.cut_after = 7_000
    for _ in range(8):
        await federation.turn()
        federation.clock.forward(seconds=2)
    await federation.reopen(TO)
    have = (await one_of(federation)).have
    assert 7_000 < have < entry.size
    assert have == (federation.nodes[TO].config.blobs / f"{entry.name}.part").stat().st_size
    federation.network.cut_after = None
    before = len(federation.network.served)
    await until_settled(federation)
    assert (await taken(federation)).data == noise(3 * SLICE + 77)
    later = federation.network.served[before:]
    assert later[0][1] == have, "it goes on where it stopped"
    assert sum(size for _, _, size in later) == entry.size - have, "and no byte comes twice"


async def test_a_peer_that_is_away_is_tried_again_and_people_are_told_when_it_is_too_long(federation):
    await sent(federation)
    await federation.turn()
    federation.network.down.add(FROM)
    await federation.turn()
    entry = await one_of(federation)
    assert (entry.state, entry.attempts > 0, entry.due_at > federation.clock.now()) == (AttachmentState.WANTED, True, True)
    federation.clock.forward(seconds=GIVE_UP_AFTER.total_seconds() + 1)
    await federation.turn()
    assert (await one_of(federation)).state is AttachmentState.MISSING
    assert await table(federation.nodes[TO], "SELECT count(*) FROM alarms WHERE code = 'attachment-missing'") == [(1,)]
    federation.network.down.clear()
    await fetch_now((await one_of(federation)).id, federation.nodes[TO].capabilities)  # an officer asks once more
    await until_settled(federation)
    assert (await one_of(federation)).state is AttachmentState.HERE


TOUCHED = {
    "a bit": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "cut and filled": lambda data: data[:100] + bytes(len(data) - 100),
    "turned round": lambda data: data[::-1],
}


@pytest.mark.parametrize("touched", TOUCHED)
async def test_what_was_touched_on_the_way_is_never_shown(federation, touched):
    await sent(federation)
    await federation.turn()
    federation.network.touch = TOUCHED[touched]
    for _ in range(40):
        await federation.turn()
        federation.clock.forward(hours=1)
    entry = await one_of(federation)
    assert entry.state is AttachmentState.BROKEN
    assert folder(federation, TO) == []
    with pytest.raises(NoSuchAttachmentError):
        await taken(federation)
    assert await table(federation.nodes[TO], "SELECT count(*) FROM alarms WHERE code = 'attachment-broken'") == [(1,)]


async def test_what_was_touched_on_disk_is_never_shown(federation):
    [entry], _ = await sent(federation)
    await until_settled(federation)
    path = federation.nodes[TO].config.blobs / entry.name
    data = bytearray(path.read_bytes())
    data[60_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(EnvelopeError):
        await taken(federation)


async def test_control_without_the_digest_what_was_touched_would_be_kept(federation, monkeypatch):
    await sent(federation)
    await federation.turn()
    federation.network.touch = TOUCHED["a bit"]
    monkeypatch.setattr(collecting, "open_blob", lambda data, _key, _thread: data)

    async def believed(self, name):
        self._path(name, ".part").replace(self._path(name))
        return True

    monkeypatch.setattr("gateway.storage.blobs.BlobFolder.finish", believed)
    await until_settled(federation)
    assert (await one_of(federation)).state is AttachmentState.HERE


async def test_a_grade_the_policy_does_not_permit_does_not_leave(federation):
    """Rule search-06 tells CONAMIGUA that there is one, and no more."""
    node = federation.nodes[MBMID].capabilities
    entries = [await added(node, content(seed=1, grade=Grade.FACE))]
    prepared = await ask_search(question([entries[0].id]), node, by=by(node))
    await until_settled(federation)
    [kept] = await opened_messages(federation.nodes[HOLDER], "search.request")
    held = federation.nodes[HOLDER].capabilities
    record = held.opener.verify_record(kept.records[0].sd_jwt, sender=MBMID, at=federation.clock.now())
    assert record.claims["attachments"] is True, "that there is one is all that leaves"
    assert await rows(federation, HOLDER) == []
    assert await served(entries[0].name, node) is None, "nobody was told of it, so nobody may fetch it"
    assert prepared.message.records


async def test_an_attachment_is_of_one_thread_and_of_one_peer(federation):
    [entry], _ = await sent(federation)
    node = federation.nodes[FROM].capabilities
    with pytest.raises(AttachmentElsewhereError):
        await ask_search(question([entry.id], case_ref="caso-2"), node, by=by(node))
    request = await asked(federation, want=(Code("attachments"), Code("sex")))
    holder = await holder_of(federation)
    answer = own(records=(patient(attachments=[str((await added(holder)).id)]),))
    with pytest.raises(AttachmentElsewhereError):
        await show_answer(request, answer, holder, by=by(holder))
    with pytest.raises(NoSuchAttachmentError):
        await show_answer(request, own(records=(patient(attachments=[str(entry.id)]),)), holder, by=by(holder))


async def test_nothing_over_25_mib_and_nothing_beyond_the_space_there_is(federation):
    node = federation.nodes[FROM].capabilities
    with pytest.raises(Exception, match="too-large"):
        clean_attachment(bytes(MAX_CONTENT + 1))
    object.__setattr__(node, "attachments_quota", 100_000)
    with pytest.raises(AttachmentsFullError) as refused:
        await added(node)
    assert isinstance(refused.value, TooLargeError)
    assert refused.value.advice
    assert folder(federation, FROM) == []


async def test_what_does_not_fit_waits_until_there_is_room(federation):
    mbmid = federation.nodes[TO].capabilities
    room = mbmid.attachments_quota
    object.__setattr__(mbmid, "attachments_quota", 1_000_000)  # of which no peer fills more than half
    await sent(federation)
    await until_settled(federation)
    entry = await one_of(federation)
    assert (entry.state, entry.reason, entry.have) == (AttachmentState.WANTED, "no-room", 0)
    assert await table(federation.nodes[TO], "SELECT count(*) FROM alarms WHERE code = 'attachments-full'") == [(1,)]
    object.__setattr__(mbmid, "attachments_quota", room)
    federation.clock.forward(hours=2)
    await until_settled(federation)
    assert (await one_of(federation)).state is AttachmentState.HERE


async def test_a_full_disk_loses_nothing_and_is_told(federation, monkeypatch):
    import errno

    from gateway.storage import blobs

    await sent(federation)
    await federation.turn()
    write = blobs._write

    def full(path, offset, data):
        write(path, offset, data[:1000])
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(blobs, "_write", full)
    await federation.turn()
    entry = await one_of(federation)
    assert (entry.state, entry.reason) == (AttachmentState.WANTED, "DiskFullError")
    assert await table(federation.nodes[TO], "SELECT count(*) FROM alarms WHERE code = 'attachments-full'") == [(1,)]
    with pytest.raises(StorageError):
        await added(federation.nodes[FROM].capabilities)
    monkeypatch.undo()
    federation.clock.forward(hours=2)
    await until_settled(federation)
    assert (await taken(federation)).data == noise(3 * SLICE + 77)


async def erased(federation, hours=30):
    for _ in range(0, hours + 1, 6):
        for node in federation.nodes.values():
            while await erase_turn(node.capabilities, node.operations.scrub):
                pass
        await federation.settle()
        federation.clock.forward(hours=6)


async def order(federation, message):
    """The sender orders erased what it sent."""
    from gateway.exchange.presented import record_id_of
    from gateway.exchange.recalling import prepare_orders, write_orders

    node = federation.nodes[FROM].capabilities
    async with node.begin() as work:
        copies = [line for line in await work.ledger.of_case("caso-1") if line.message_id == message.message_id]
    named, messages, _ = await prepare_orders(copies, node, actor=node.pseudonyms.actor("node"))
    async with node.begin() as work:
        await write_orders([copy.record_id for copy in copies], named, messages, work, node.clock.now())
    return record_id_of(message.records[0])


async def test_an_erased_thread_leaves_no_ciphertext_and_no_copy_that_opens(federation):
    [entry], message = await sent(federation)
    await until_settled(federation)
    before = {name: keep_everything(federation, name) for name in (TO, FROM)}
    found = await one_of(federation)
    await order(federation, message)
    assert await served(entry.name, federation.nodes[FROM].capabilities) is None, "at once: it is fetched no more"
    await federation.settle()
    with pytest.raises(StorageError, match="blocked"):
        await taken(federation)
    waits = await plan(federation.nodes[TO].capabilities)
    assert waits.attachments == 1
    assert {
        str(peer): (out.copies, out.attachments) for peer, out in (await plan(federation.nodes[FROM].capabilities)).out.items()
    } == {TO: (1, 1)}
    await erased(federation)
    for name in (TO, FROM):
        assert folder(federation, name) == []
        assert [row[0] for row in await rows(federation, name)] == ["erased"]
        assert await table(federation.nodes[name], "SELECT sealed FROM attachments") == [(b"",)]
    [receipt] = await opened_messages(federation.nodes[FROM], "erasure.receipt")
    assert set(receipt.body.stores) == {"database", "key-store", "attachments"}
    assert (await plan(federation.nodes[FROM].capabilities)).out == {}
    # whoever kept a copy of every file of that day has a ciphertext, and no key of any thread that opens it
    assert entry.name in before[TO]
    node = federation.nodes[TO].capabilities
    with pytest.raises(StorageError):
        await node.bodies.open_draft(found.thread_id, found.id, found.sealed)
    await node.blobs.put(entry.name, before[TO][entry.name])
    await sweep(node)


def keep_everything(federation, name):
    home = federation.nodes[name].config.blobs
    return {path.name: path.read_bytes() for path in home.iterdir()}


async def test_nobody_is_told_that_all_is_gone_while_a_file_is_still_there(federation, monkeypatch):
    _, message = await sent(federation)
    await until_settled(federation)
    await order(federation, message)
    await federation.settle()
    federation.clock.forward(hours=25)

    async def stuck(_self, names):
        if names:
            raise StorageError("the disk refused")

    monkeypatch.setattr("gateway.storage.blobs.BlobFolder.remove", stuck)
    mbmid = federation.nodes[TO]
    with pytest.raises(StorageError):
        await erase_turn(mbmid.capabilities, mbmid.operations.scrub)
    assert await table(mbmid, "SELECT count(*) FROM outbox WHERE kind = 'erasure.receipt'") == [(0,)]
    assert [row[0] for row in await rows(federation)] == ["erasing"]
    monkeypatch.undo()
    await erase_turn(mbmid.capabilities, mbmid.operations.scrub)
    assert await table(mbmid, "SELECT count(*) FROM outbox WHERE kind = 'erasure.receipt'") == [(1,)]
    assert folder(federation, TO) == []


async def test_what_is_erased_while_it_is_fetched_is_gone_too(federation):
    [entry], message = await sent(federation)
    await federation.turn()
    federation.network.cut_after = 5_000
    await federation.turn()
    [half] = await claim_again(federation)
    await order(federation, message)
    mbmid = federation.nodes[TO].capabilities
    async with mbmid.begin() as work:
        await work.attachments.erase([entry.thread_id])
    await collect(half, mbmid)  # a fetch that was under way
    await clear_erased(mbmid)
    assert folder(federation, TO) == []


async def claim_again(federation):
    federation.clock.forward(minutes=10)
    return await claim(federation.nodes[TO].capabilities)


async def test_what_nobody_was_told_of_can_be_dropped_and_goes_by_itself_in_the_end(federation):
    node = federation.nodes[FROM].capabilities
    actor = node.pseudonyms.actor("officer")
    one, other = await added(node, content(900)), await added(node, content(901))
    await drop(one.id, node, actor=actor)
    assert folder(federation, FROM) == [other.name]
    [named], _ = await sent(federation, content(902))
    with pytest.raises(NoSuchAttachmentError):
        await drop(named.id, node, actor=actor)
    federation.clock.forward(days=31)
    await clear_erased(node)
    assert folder(federation, FROM) == [named.name]


async def test_what_a_process_left_behind_between_file_and_row_is_swept(federation):
    node = federation.nodes[FROM].capabilities
    kept = await added(node, content(900))
    await node.blobs.put("ab" * 32, b"left behind")
    written = federation.clock.now().timestamp()  # the disk goes by the machine's clock, the node by the test's
    os.utime(federation.nodes[FROM].config.blobs / ("ab" * 32), (written, written))
    federation.clock.forward(minutes=30)
    await sweep(node)
    assert len(folder(federation, FROM)) == 2, "not while somebody may be about to write its row"
    federation.clock.forward(hours=2)
    await sweep(node)
    assert folder(federation, FROM) == [kept.name]


async def restored(federation, folder, made, key, *, with_keys):
    """The receiver of a backup, elsewhere and on SQLite, whatever it was on."""
    old = federation.nodes[TO].config
    again = old.model_copy(update={"data": folder, "database_url": None, "key_store_url": None})
    for name in ("keys", "trust"):
        shutil.copytree(old.data / name, folder / name)
    main, keys = (item.file for item in made)
    await restore(again, RestoreRequest(main, keys if with_keys else None, key), federation.clock.now())
    federation.nodes[TO] = await federation.stack.enter_async_context(open_simulated(again, federation))


async def backed_up(federation, tmp_path):
    config, key = federation.nodes[TO].config, tmp_path / "recovery.key"
    add_recovery_key(config, key)
    report = await back_up(config, config.data / "paradero.toml", tmp_path / "b", federation.clock.now())
    return report.made, key


async def test_a_backup_holds_the_ciphertext_and_no_key_and_a_restore_gives_it_back(federation, tmp_path):
    [entry], message = await sent(federation)
    await until_settled(federation)
    made, key = await backed_up(federation, tmp_path)
    [ref] = await references(federation, [message.records[0].sd_jwt])
    found = {item.kind: [*read_frames(item.file, key, check_outer(item.file, None))] for item in made}
    assert any(frame.startswith(f'{{"file":"blobs/{entry.name}"'.encode()) for frame in found["main"])
    assert not any(ref.key.encode() in frame for frames in found.values() for frame in frames)
    assert not any(b"blobs/" in frame for frame in found["keys"])
    await restored(federation, tmp_path / "again", made, key, with_keys=True)
    assert (await taken(federation)).data == noise(3 * SLICE + 77)


async def test_an_old_backup_of_an_erased_thread_opens_no_attachment(federation, tmp_path):
    [entry], _ = await sent(federation)
    await until_settled(federation)
    made, key = await backed_up(federation, tmp_path)
    await restored(federation, tmp_path / "again", made, key, with_keys=False)  # its keys' backup expired, or was destroyed
    assert folder(federation, TO) == [entry.name], "control: the ciphertext is there"
    with pytest.raises(StorageError):
        await taken(federation)


async def test_what_is_not_on_disk_after_a_restore_is_fetched_again_and_what_we_lost_is_told(federation):
    [entry], _ = await sent(federation)
    await until_settled(federation)
    for name in (TO, FROM):
        if name == FROM:
            (federation.nodes[name].config.blobs / entry.name).rename(federation.nodes[name].config.blobs / "aside")
        else:
            whole = federation.nodes[name].config.blobs / entry.name
            whole.with_name(f"{entry.name}.part").write_bytes(whole.read_bytes()[:1000])  # begun is not there
            whole.unlink()
            await look_for_files(federation.nodes[name].capabilities)
    assert [row[0] for row in await rows(federation)] == ["wanted"]
    await look_for_files(federation.nodes[FROM].capabilities)
    assert [row[0] for row in await rows(federation, FROM)] == ["missing"]
    assert await table(federation.nodes[FROM], "SELECT count(*) FROM alarms WHERE code = 'attachment-missing'") == [(1,)]
    assert await served(entry.name, federation.nodes[FROM].capabilities) is None


async def test_no_byte_that_leaves_says_where_a_picture_was_taken_or_of_whom(federation):
    """Never list, N5. What is carried, and what is served, is searched for what the files said before."""
    node = federation.nodes[FROM].capabilities
    files = [photograph(), photograph("PNG"), photograph("WEBP"), autopsy()]
    assert all(CANARY.encode() in data for data in files), "control: each says it"
    found = [clean_attachment(data) for data in files]
    await sent(federation, *(Content(item.media_type, Grade.FACE, item.content) for item in found))
    await until_settled(federation)
    mbmid = federation.nodes[TO].capabilities
    async with mbmid.begin() as work:
        entries = await work.attachments.listed(limit=9)
    assert len(entries) == 4
    for entry in entries:
        data = (await content_of(entry.id, mbmid, actor=node.pseudonyms.actor("officer"))).data
        assert not [word for word in (CANARY.encode(), b"Exif", b"GPS", b"xmpmeta", b"/Author") if word in data]
    for _, envelope in federation.network.carried:
        assert CANARY.encode() not in envelope
    for name, _, _ in federation.network.served:
        assert set(name) <= set("0123456789abcdef")

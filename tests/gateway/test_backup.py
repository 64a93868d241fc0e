"""Backups: whole, signed, refused with reasons, consistent under load, nothing half made; commands and exit codes."""

import asyncio
import json
import os
import re
import signal
import warnings
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from contracts.errors import BackupRefusedError, ConfigurationError
from contracts.ids import MessageId, ThreadId, uuid7
from gateway.cli import app
from gateway.config import load_config
from gateway.main import backup as backup_main
from gateway.main.backup import add_recovery_key, back_up, check_file, verify_backup
from gateway.main.node import SystemClock
from gateway.main.restore import RestoreRequest, restore
from gateway.storage.engine import create_engine
from gateway.storage.log import SqlLog
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.revisions import Schema
from gateway.storage.selfcheck import check_database, refuse_unsafe
from gateway.storage.thread_keys import ThreadKeys
from gateway.storage.unit_of_work import unit_of_work_factory
from keys.backups import BackupHeader, BackupWriter
from keys.keystore import load_node_keys
from keys.model import generate_node_keys
from keys.sealing import Sealer
from keys.vault import Vault

RUN = CliRunner()
CLOCK = SystemClock()


def run(*words):
    return RUN.invoke(app, [str(word) for word in words])


def init(folder, name="gt.prueba"):
    result = run(
        "init", "--node", name, "--role", "migrant-council", "--name", "Prueba", "--country", "GT", "--endpoint",
        "https://node.example/x", "--config", folder / "p.toml", "--data", folder / "d", "--self-signed", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder / "p.toml"


@pytest.fixture
def node(tmp_path):
    return init(tmp_path)


@pytest.fixture
def made(node, tmp_path):
    """(config, recovery key, main backup, key store backup)."""
    key = tmp_path / "recovery.key"
    assert run("backup", "key", key, "--config", node).exit_code == 0
    result = run("backup", "now", "--config", node, "--to", tmp_path / "b", "--json")
    assert result.exit_code == 0, result.output
    main, keys = (Path(item["file"]) for item in json.loads(result.stdout)["made"])
    return node, key, main, keys


def test_without_a_recovery_key_nothing_is_written(node, tmp_path):
    result = run("backup", "now", "--config", node, "--to", tmp_path / "b")
    assert result.exit_code == 3
    assert "backup key" in result.stderr
    assert not list((tmp_path / "b").glob("*"))


def test_a_backup_verifies_and_says_what_that_does_not_prove(made):
    node, key, main, keys = made
    assert (key.stat().st_mode & 0o777, main.stat().st_mode & 0o777, keys.stat().st_mode & 0o777) == (0o600,) * 3
    outside = run("backup", "verify", main, "--config", node)
    assert outside.exit_code == 0, outside.output
    assert "No se abrió" in outside.stdout
    inside = run("backup", "verify", main, "--config", node, "--identity", key, "--json")
    assert inside.exit_code == 0, inside.output
    told = json.loads(inside.stdout)
    assert told["opened"]
    assert told["signature_checked"]
    assert told["not_proved"]
    assert run("backup", "verify", keys, "--config", node, "--identity", key).exit_code == 0
    listed = json.loads(run("backup", "list", "--config", node, "--json").stdout)["backups"]
    assert {row["kind"] for row in listed} == {"main", "keys"}


def test_that_a_backup_was_verified_is_noted_and_how(made, tmp_path):
    node, key, main, keys = made
    told = lambda *more: json.loads(run("backup", "verify", main, "--config", node, "--json", *more).stdout)  # noqa: E731
    assert told()["noted"]
    outside = checks(node, main)
    assert (outside.whole_at is not None, outside.opened_at) == (True, None)
    assert told("--identity", key)["noted"]
    inside = checks(node, main)
    assert inside.opened_at is not None
    assert checks(node, keys).whole_at is None
    gone = load_config(node).data / "paradero.db"
    gone.rename(tmp_path / "aside.db")
    assert told()["noted"] is False
    assert not gone.exists()  # no empty one in the way of a restore


def checks(node, file):
    import asyncio

    from gateway.storage.backups import checked_backups
    from gateway.storage.engine import create_read_engine

    async def look():
        engine = create_read_engine(load_config(node).main_database)
        try:
            return {item.row.file: item for item in await checked_backups(engine)}[file.name]
        finally:
            await engine.dispose()

    return asyncio.run(look())


def test_no_secret_is_in_the_clear_or_in_the_main_backup(made):
    _, _, main, keys = made
    for file in (main, keys):
        data = file.read_bytes()
        assert b"AGE-SECRET-KEY" not in data
        assert b"wrapped" not in data
    assert b"thread_keys" not in main.read_bytes()


@pytest.mark.parametrize("where", ["header", "first", "middle", "end"])
def test_one_changed_bit_is_refused(made, where):
    node, key, main, _ = made
    data = bytearray(main.read_bytes())
    place = {"header": 60, "first": data.index(b"\n") + 40, "middle": len(data) // 2, "end": len(data) - 40}[where]
    data[place] ^= 1
    main.write_bytes(data)
    result = run("backup", "verify", main, "--config", node, "--identity", key)
    assert result.exit_code == 8, result.output
    assert "Por qué" in result.stderr
    assert "Qué hacer" in result.stderr
    refused = run("backup", "restore", main, "--without-keys", "--identity", key, "--config", node, "--replace")
    assert refused.exit_code == 8


def test_a_cut_file_is_refused_at_every_length(made):
    node, key, main, _ = made
    config, data = load_config(node), main.read_bytes()
    for length in (0, 1, 100, len(data) // 3, len(data) - 200, len(data) - 1):
        main.write_bytes(data[:length])
        with pytest.raises(BackupRefusedError):
            verify_backup(main, key, config, CLOCK.now())


def test_another_nodes_backup_is_refused_and_so_is_one_anybody_could_have_made(made, tmp_path):
    node, _, main, _ = made
    other = init(tmp_path / "other", "gt.otro")
    result = run("backup", "verify", main, "--config", other)
    assert result.exit_code == 8
    assert "gt.prueba" in result.stderr
    stranger = load_node_keys(load_config(other).node_keys, load_config(other).key_identity)
    outer = check_file(main, load_config(node), CLOCK.now())
    forged = BackupWriter(tmp_path / "forged.main.backup", outer.header)
    forged.finish(stranger.log)
    forged.publish()
    assert run("backup", "verify", tmp_path / "forged.main.backup", "--config", node).exit_code == 8


def test_the_wrong_recovery_key_opens_nothing(made, tmp_path):
    node, _, main, _ = made
    add_recovery_key(load_config(node), tmp_path / "later.key")
    result = run("backup", "verify", main, "--config", node, "--identity", tmp_path / "later.key")
    assert result.exit_code == 8
    assert "llave" in result.stderr


def test_a_key_store_copy_expires_and_is_destroyed_by_the_next_backup(made):
    node, key, main, keys = made
    config, later = load_config(node), CLOCK.now() + timedelta(days=30, seconds=1)
    with pytest.raises(BackupRefusedError, match="venció") as refused:
        check_file(keys, config, later)
    assert "shred" in refused.value.advice
    with pytest.raises(BackupRefusedError, match="venció"):
        asyncio.run(restore(config, RestoreRequest(main, keys, key, replace=True), later))
    report = asyncio.run(back_up(config, node, keys.parent, later))
    assert report.pruned == (keys,)
    assert not keys.exists()
    assert main.exists()


def test_a_schema_from_the_future_is_refused(made, tmp_path):
    node, key, _, _ = made
    config = load_config(node)
    header = BackupHeader(
        "main", config.node, "00", int(CLOCK.now().timestamp()), "r9999_later", backup_main.recipients(config)
    )
    writer = BackupWriter(tmp_path / "future.main.backup", header)
    writer.finish(load_node_keys(config.node_keys, config.key_identity).log)
    writer.publish()
    result = run("backup", "verify", tmp_path / "future.main.backup", "--config", node, "--identity", key)
    assert (result.exit_code, "más nueva" in result.stderr) == (8, True)
    result = run("backup", "restore", tmp_path / "future.main.backup", "--without-keys", "--identity", key, "--config", node)
    assert (result.exit_code, "más nueva" in result.stderr) == (8, True)


def test_restore_wants_an_empty_node_or_moves_data_aside(made):
    node, key, main, keys = made
    config = load_config(node)
    words = ("backup", "restore", main, "--keys", keys, "--identity", key, "--config", node)
    refused = run(*words)
    assert refused.exit_code == 3  # `backup now` has noted itself
    assert "--replace" in refused.stderr
    done = run(*words, "--replace", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (config.data / told["aside"] / "paradero.db").exists()
    assert "/restored-" in told["origin"]
    assert (config.data / "paradero.toml.from-backup").exists()
    assert run("db", "check", "--config", node).exit_code == 0
    assert not config.restoring.exists()


def test_a_restore_that_was_killed_keeps_the_node_from_starting_and_can_be_repeated(made, monkeypatch):
    node, key, main, keys = made
    config = load_config(node)
    request = RestoreRequest(main, keys, key, replace=True)

    async def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gateway.main.restore._begin_again", killed)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(restore(config, request, CLOCK.now()))
    with pytest.raises(ConfigurationError, match="no terminó"):
        asyncio.run(back_up(config, node, None, CLOCK.now()))
    asyncio.run(restore(config, request, CLOCK.now()))
    assert not config.restoring.exists()


def test_a_backup_of_the_first_schema_is_migrated(tmp_path, node):
    """What release r0001 would have written: no epochs, none of a restore's tables."""
    config = load_config(node)
    key = tmp_path / "recovery.key"
    add_recovery_key(config, key)
    at = int(CLOCK.now().timestamp())
    header = BackupHeader("main", config.node, "00", at, "r0001_core", backup_main.recipients(config))
    writer = BackupWriter(tmp_path / "old.main.backup", header)
    writer.write(b'{"table":"alarms","rows":[{"code":"note","subject":"uno","raised_ms":5}]}')
    writer.write(b'{"counts":{"alarms":1}}')
    writer.finish(load_node_keys(config.node_keys, config.key_identity).log)
    writer.publish()
    report = asyncio.run(restore(config, RestoreRequest(tmp_path / "old.main.backup", None, key), CLOCK.now()))
    assert report.rows == 1
    assert run("db", "check", "--config", node).exit_code == 0


def test_kill_9_while_a_backup_is_written_leaves_no_file_that_passes(made, tmp_path, monkeypatch):
    node, key, _, _ = made
    kills = 0
    for step in (2, 9, 15, 16):
        folder = tmp_path / f"killed{step}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fork of a process with threads: the child only writes and dies
            child = os.fork()
        if child == 0:
            _die_at(step, node, folder)
        status = os.waitpid(child, 0)[1]
        kills += os.WIFSIGNALED(status)
        for file in folder.iterdir():
            if file.name.startswith("."):
                # Signed and synced, but without its name; whatever is not whole is refused.
                assert file.name.endswith(".new")
            else:
                assert verify_whole(file, key, node), "what has a backup's name is a backup"
    assert kills >= 2


def _die_at(step, node, folder):
    seen = 0

    def dying(real):
        def call(*words):
            nonlocal seen
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*words)

        return call

    try:
        for name in ("write", "finish", "publish"):
            setattr(BackupWriter, name, dying(getattr(BackupWriter, name)))
        asyncio.run(back_up(load_config(node), node, folder, CLOCK.now()))
    finally:
        os._exit(0)


def verify_whole(file, key, node):
    return verify_backup(file, key, load_config(node), CLOCK.now()).contents is not None


async def test_a_backup_under_load_is_one_moment(tmp_path, database_urls):
    """Writers keep two tables equal; a copy in which they differ, or whose bodies lack a key, is no backup."""
    await asyncio.to_thread(init, tmp_path)
    text_ = (tmp_path / "p.toml").read_text()
    urls = f'database_url = "{database_urls[0]}"\nkey_store_url = "{database_urls[1]}"\n'
    (tmp_path / "p.toml").write_text(text_.replace("[federation]", urls + "[federation]", 1))
    config = load_config(tmp_path / "p.toml")
    for url, schema in ((config.main_database, Schema.MAIN), (config.key_store, Schema.KEYS)):
        await upgrade_async(url, schema)
    key = tmp_path / "recovery.key"
    add_recovery_key(config, key)
    engine, key_engine = create_engine(config.main_database), create_engine(config.key_store)
    keys = ThreadKeys(key_engine, Vault(bytes(32)), CLOCK)
    stop = asyncio.Event()
    body = Sealer(generate_node_keys(config.node), lambda: None, "log").sign_message(b'{"a":"%s"}' % (b"x" * 2000))

    async def load():
        number = 0
        while not stop.is_set():
            number += 1
            thread = ThreadId(uuid7(number, number.to_bytes(10)))
            await keys.seal([(thread, MessageId(thread), body)])
            async with engine.begin() as connection:
                values = {"t": thread, "n": number}
                await connection.execute(
                    text(
                        "INSERT INTO cases (thread_id, kind, peer, opened_by, state, opened_ms) VALUES (:t,'k','gt.x',:t,'s',:n)"
                    ),
                    values,
                )
                await connection.execute(text("INSERT INTO alarms (code, subject, raised_ms) VALUES ('c', :t, :n)"), values)

    worker = asyncio.create_task(load())
    while (await counts(engine))[0] < 30 and not worker.done():  # noqa: ASYNC110 - the worker has no event to tell
        await asyncio.sleep(0.01)
    report = await back_up(config, tmp_path / "p.toml", tmp_path / "b", CLOCK.now())
    after = await counts(engine)
    stop.set()
    await worker
    main, thread_keys = (item.file for item in report.made)
    rows = verify_backup(main, key, config, CLOCK.now()).contents.rows
    held = verify_backup(thread_keys, key, config, CLOCK.now()).contents.rows["thread_keys"]
    assert 30 <= rows["cases"] == rows["alarms"] <= after[0]
    assert held >= rows["cases"]
    for one in (engine, key_engine):
        await one.dispose()
    await restore(config, RestoreRequest(main, thread_keys, key, replace=True), CLOCK.now())
    assert (await counts(engine))[0] == rows["cases"]
    refuse_unsafe(await check_database(engine, Schema.MAIN))
    async with unit_of_work_factory(engine)() as work:
        assert await work.restores.unsettled() is None
    log = SqlLog(engine)
    await log.sequence()
    assert [epoch.number for epoch in await log.epochs()] == [1, 2]
    for one in (engine, key_engine):
        await one.dispose()


async def counts(engine):
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT (SELECT count(*) FROM cases), (SELECT count(*) FROM alarms)"))
        return tuple(found.one())


def test_every_command_of_the_handbook_runs(node, tmp_path, monkeypatch):
    """docs/backup.md, block by block, as it stands there; only NODO-FECHA-ID is filled in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARADERO_CONFIG", str(node))
    page = (Path(__file__).parents[2] / "docs" / "backup.md").read_text()
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines() if line]
    assert len(commands) >= 6
    assert {"key", "now", "list", "verify", "restore"} <= {line.split()[2] for line in commands}
    for line in commands:
        words = line.split()[1:]
        if any("NODO-FECHA-ID" in word for word in words):
            [main] = (tmp_path / "respaldos").glob("*.main.backup")
            words = [word.replace("NODO-FECHA-ID", main.name.removesuffix(".main.backup")) for word in words]
        if words[1] == "restore":
            for file in load_config(node).data.glob("*.db*"):
                file.unlink()
        result = run(*words)
        assert result.exit_code == 0, (line, result.output)

"""The demo as a program: says what happened, fails when it is not as told, and leaves nothing behind."""

import asyncio
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.demo.home import demo_home
from gateway.demo.narrator import Narrator, StepFailedError
from gateway.demo.ports import reserved_ports
from gateway.demo.processes import DemoNode
from gateway.demo.stage import Pages
from gateway.demo.story import play
from gateway.demo.visiting import Visit

ROOT = Path(__file__).parents[2]
NO_PAGES = Pages(preview=lambda _: (), who_has=lambda *_: ())


def demo(*words, temporary):
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
    terminal = ["env", "--default-signal=INT"]  # tests that run in the background ignore Ctrl-C, and their children would
    return subprocess.Popen(
        [*terminal, sys.executable, "-m", "gateway", "demo", *words],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def nodes_of(folder):
    """Processes that serve a node of the demo in `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def until(process, word):
    text = ""
    for line in process.stdout:
        text += line
        if word in line:
            return text
    raise AssertionError(f"{word} was never said: {text}{process.stderr.read()}")


def wait_until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def test_two_searches_never_get_the_same_port_and_a_server_can_still_listen_on_its_own():
    with reserved_ports(6) as ours, reserved_ports(6) as theirs:
        assert not set(ours) & set(theirs)

        async def listen():
            server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", ours[0], reuse_address=True)
            server.close()
            await server.wait_closed()

        asyncio.run(listen())
        # Control: who does not say SO_REUSEADDR, as a search, is refused.
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", ours[1]))


def test_time_passes_at_a_demo_that_runs_and_nowhere_else(tmp_path):
    from typer.testing import CliRunner

    from gateway.cli import app
    from gateway.demo.clock import DemoClock, ahead
    from gateway.main.node import SystemClock

    runner = CliRunner()
    for words in (["links"], ["tour"]):
        assert runner.invoke(app, ["demo", *words, "--folder", str(tmp_path)]).exit_code == 4
    assert runner.invoke(app, ["demo", "--ahead", "20", "--folder", str(tmp_path)]).exit_code == 4
    assert runner.invoke(app, ["demo", "--ahead", "20"]).exit_code == 4
    (tmp_path / "register").mkdir()
    assert runner.invoke(app, ["demo", "--ahead", "20", "--folder", str(tmp_path)]).exit_code == 0
    assert runner.invoke(app, ["demo", "--ahead", "5", "--folder", str(tmp_path)]).exit_code == 0
    assert ahead(tmp_path).total_seconds() == 25 * 60
    assert 24 < (DemoClock(tmp_path).now() - SystemClock().now()).total_seconds() / 60 < 26


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(StepFailedError, match="no está vacía"), demo_home(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_killed_demos_folder_is_swept_and_a_running_ones_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed = tmp_path / "paradero-demo-killed"
    killed.mkdir()
    (killed / "en-marcha.lock").touch()
    strange = tmp_path / "paradero-demo-strange"
    strange.mkdir()
    with demo_home(None) as running, demo_home(None) as second:
        assert running.exists()
        assert second.exists()
        assert not killed.exists()
        assert strange.exists(), "a folder without our lock may be anybody's"
    assert [path.name for path in tmp_path.iterdir()] == ["paradero-demo-strange"]


@pytest.mark.parametrize("failure", [StepFailedError("lost one"), KeyError("nodes"), OSError(28, "No space left on device")])
def test_a_step_that_breaks_is_told_as_json_and_ends_the_story(failure, capsys):
    narrator = Narrator(time.monotonic, as_json=True)
    with pytest.raises(StepFailedError), narrator.step("cut", "x"):
        raise failure
    [line] = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert told["ok"] is False
    assert told["failure"]


async def test_another_program_on_the_port_is_not_taken_for_our_node(tmp_path):
    import aiohttp
    from aiohttp import web

    async def anything(_request):
        return web.json_response({"node": "gt.otra", "ready": True})

    application = web.Application()
    application.router.add_get("/{path:.*}", anything)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    (tmp_path / "operator.token").write_text("x")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(1)")
    node = DemoNode("gt.prueba", "Prueba", tmp_path, 0, port, process)
    try:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(StepFailedError, match="terminó al arrancar"):
                await node.until_ready(session)
            # Control: the node it is looking for is found there.
            node.node, node.process = "gt.otra", None
            await node.until_ready(session)
    finally:
        await runner.cleanup()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_whole_story_is_one_json_line_a_step_and_leaves_nothing(tmp_path):
    started = time.monotonic()
    process = demo("--headless", "--json", temporary=tmp_path)
    out, err = process.communicate(timeout=360)
    steps = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0, out + err
    assert [step["step"] for step in steps] == list(range(1, 14))
    assert all(step["ok"] for step in steps)
    facts = {step["name"]: step["facts"] for step in steps}
    assert {"found_coordinates", "cause_of_death", "local_ref"} <= set(facts["answer"]["stays"])
    assert "found_place" in facts["answer"]["leaves"]
    assert facts["who-has"]["nodes"] == ["gt.minex"]
    assert facts["withdrawal"]["ordered"] == {"gt.minex": 1}
    assert facts["withdrawal"]["state"] == "erased"
    assert err == ""
    assert nodes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    assert facts["cost"]["memory_mb"] <= 600
    assert facts["links"]["links"] == 9
    print(f"demo: {time.monotonic() - started:.1f} s")


@pytest.mark.slow
async def test_a_step_that_is_not_as_told_fails_the_story_and_leaves_nothing(tmp_path, capsys):
    async def lie(stage):
        with stage.narrator.step("lie", "Una mentira") as telling:
            telling.expect(len(await stage.cases(stage.mbmid, "report")) == 1_000, "hay mil reportes", reports=0)

    async def never(_stage):
        raise AssertionError("the story went on")

    folder = tmp_path / "demo"
    with pytest.raises(StepFailedError):
        await play(folder, headless=True, as_json=True, program="paradero", scenes=(lie, never), pages=NO_PAGES)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["name"], last["ok"]) == ("lie", False)
    assert nodes_of(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop_it_says_goodbye_and_leaves_nothing(tmp_path, told):
    process = demo(temporary=tmp_path)
    until(process, "Arrancan seis nodos")
    assert len(nodes_of(tmp_path)) == 6
    process.send_signal(told)
    try:
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()  # what did not stop is not left to the tests that follow
    assert process.returncode == 130
    assert "Adiós" in out
    assert nodes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_without_warning_its_nodes_end_too(tmp_path):
    process = demo(temporary=tmp_path)
    until(process, "Arrancan seis nodos")
    assert len(nodes_of(tmp_path)) == 6
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: nodes_of(tmp_path) == [])


def walked(folder, account):
    """The tour: alone, over the pages; and with somebody, for whom it waits."""

    def run(*words):
        command = [sys.executable, "-m", "gateway", "demo", *words, "--folder", str(folder), "--json"]
        return subprocess.run(command, cwd=ROOT, env=account, capture_output=True, text=True, timeout=120, check=False)

    played = run("tour", "--yes")
    steps = [json.loads(line) for line in played.stdout.splitlines()]
    assert played.returncode == 0, played.stdout + played.stderr
    assert [step["name"] for step in steps] == ["enter", "read", "answer", "second", "slot", "arrived"]
    assert all(step["ok"] for step in steps)
    assert "/enlace/" not in played.stdout

    command = [sys.executable, "-m", "gateway", "demo", "tour", "--folder", str(folder)]
    tour = subprocess.Popen(command, cwd=ROOT, env=account, stdout=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://\S+/enlace/\w+", until(tour, "/enlace/"))[0]
        waits = select.select([tour.stdout], [], [], 3)[0]
        assert waits == []  # nobody came in: it does not go on
        asyncio.run(opened(url))
        assert "✓ 1." in until(tour, "✓ 1.")
    finally:
        tour.terminate()
        tour.communicate(timeout=30)
    links = json.loads(run("links").stdout)["links"]
    assert {link["node"] for link in links} == {"gt.conamigua", "gt.igm.mbmid", "gt.minex", "gt.pgn", "gt.pdh"}


async def opened(url):
    import aiohttp

    host, _, path = url.removeprefix("http://").partition("/")
    async with aiohttp.ClientSession() as session:
        visit = Visit(session, host)
        assert await visit.open(f"/{path}") == 200
        assert await visit.send("") == 200


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_it_suggests_works_when_pasted(tmp_path):
    folder = tmp_path / "una carpeta"
    process = demo("--folder", folder, temporary=tmp_path)
    try:
        told = until(process, "Ctrl-C")
        commands = [line.strip() for line in told[told.index("Pruebe") :].splitlines() if line.startswith("    ")]
        account = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "account")}
        codes = [
            subprocess.run(command, shell=True, cwd=ROOT, env=account, capture_output=True, timeout=60, check=False).returncode
            for command in commands
        ]
        # 9: some sample rows need a person; 8: the log that was tampered with
        assert codes == [0, 0, 0, 9, 0, 0, 8] + [0] * 12, list(zip(codes, commands, strict=True))
        walked(folder, account)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert folder.exists()

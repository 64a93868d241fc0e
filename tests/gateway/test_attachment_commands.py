"""`paradero attachment` as officers of a running node use it: from a telephone's photograph to what the asker gets."""

import json
import stat

from gateway.cli.output import ExitCode
from tests.adapters.pictures import CANARY, photograph
from tests.gateway import test_requests_commands
from tests.gateway.test_answers import at_slot
from tests.gateway.test_exchange import table
from tests.gateway.test_requests_commands import MBMID, ONE, OTHER, answer_file, arrived, asked

world = test_requests_commands.world


def picture(world, name=f"{CANARY}.jpg", data=None):
    path = world.folder / name
    path.write_bytes(photograph() if data is None else data)
    return path


async def test_an_officer_answers_with_a_picture_and_another_agrees_to_exactly_that(world):
    request = await asked(world, "sex", "attachments")
    added = await world.ask(ONE, "attachment", "add", picture(world), "--grade", "mark", "--request", request)
    assert (added["state"], added["grade"], added["media_type"]) == ("ready", "mark", "image/jpeg")
    answer = answer_file(world, attachments=[added["id"]])
    shown = (await world.cli(ONE, "preview", request, answer)).stdout
    assert "image/jpeg (mark)" in shown
    went = (await world.ask(ONE, "request", "answer", request, answer, "--yes"))["went"]
    assert "wall:two-persons" in went["waits"], "a patient's picture is of two persons (answer-01)"
    [waits] = (await world.ask(OTHER, "hold", "show", went["id"]))["messages"]
    [told] = waits["records"][0]["claims"]["attachments"]
    assert set(told) == {"mt", "grade", "size"}, "a person sees what it is, never what opens it"
    await world.ask(OTHER, "approve", went["id"], "--content", went["content"])
    await at_slot(world.federation)
    [found] = await arrived(world)
    mbmid = world.federation.nodes[MBMID]
    assert {item.field for record in found.records for item in record.disclosed} == {"sex", "attachments"}
    assert await table(mbmid, "SELECT state, grade FROM attachments") == [("here", "mark")]
    await world.login(ONE)  # twenty minutes went by
    listed = (await world.ask(ONE, "attachment", "list"))["attachments"]
    assert [(item["state"], item["peer"]) for item in listed] == [("sent", MBMID)]
    for path in (*world.federation.nodes[MBMID].config.data.rglob("*"), *world.node.config.data.rglob("*")):
        assert CANARY not in path.name
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


async def test_saving_is_an_act_with_a_name_in_the_log_and_writes_over_nothing(world):
    request = await asked(world, "sex", "attachments")
    added = await world.ask(ONE, "attachment", "add", picture(world), "--grade", "face", "--request", request)
    out = world.folder / "copia.jpg"
    assert (await world.ask(ONE, "attachment", "save", added["id"], "--to", out))["bytes"] == added["bytes"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert CANARY.encode() not in out.read_bytes()
    leaves = [leaf for leaf in await world.leaves() if f"attachment.saved {added['id']}" in str(leaf)]
    assert len(leaves) == 1
    assert leaves[0]["actor"].startswith("a:")
    again = await world.cli(ONE, "attachment", "save", added["id"], "--to", out, code=ExitCode.USAGE)
    assert "Ya existe" in again.output
    await world.hire("v.ficticia", "desk-clerk@" + test_requests_commands.OFFICE)
    await world.cli("v.ficticia", "attachment", "save", added["id"], "--to", world.folder / "otra", code=ExitCode.DENIED)


async def test_what_cannot_be_taken_is_refused_in_words_and_nothing_is_kept(world):
    office = picture(world, "autopsia.docx", b"PK\x03\x04" + bytes(60))
    said = await world.cli(ONE, "attachment", "add", office, "--grade", "face", code=None)
    assert said.exit_code not in {ExitCode.DONE, ExitCode.BUG}
    assert "PDF" in said.output
    assert "autopsia" not in said.output
    for words in (("--grade", "tattoo"), ("--grade", "mark", "--thread", "x"), ("--grade", "mark", "--request", "x")):
        refused = await world.cli(ONE, "attachment", "add", picture(world), *words, code=None)
        assert refused.exit_code not in {ExitCode.DONE, ExitCode.BUG}
        assert "Qué hacer:" in refused.output or "Qué pasó" in refused.output or refused.output
    for verb in ("show", "fetch", "drop"):
        assert (await world.cli(ONE, "attachment", verb, "x", code=ExitCode.NOT_FOUND)).output
    assert (await world.ask(ONE, "attachment", "list"))["attachments"] == []


async def test_one_that_was_not_sent_can_be_dropped_and_is_told_of_as_it_stands(world):
    added = await world.ask(ONE, "attachment", "add", picture(world), "--grade", "object")
    assert "objeto" in (await world.cli(ONE, "attachment", "show", added["id"])).stdout
    assert "listo, sin enviar" in (await world.cli(ONE, "attachment", "list")).stdout
    assert json.dumps(added).count("key") == 0
    await world.cli(ONE, "attachment", "drop", added["id"])
    assert (await world.ask(ONE, "attachment", "show", added["id"]))["state"] == "erased"

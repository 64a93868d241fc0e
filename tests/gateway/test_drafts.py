"""Forms that are not finished: one person's alone, sealed, never written over unseen, gone after a week. On both databases."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from contracts.errors import ThreadErasedError
from contracts.ids import ThreadId
from gateway.exchange import drafting
from gateway.exchange.drafting import (
    KEPT,
    LONGEST,
    MOST,
    DraftChangedError,
    DraftTooLongError,
    NoSuchDraftError,
    Place,
    TooManyDraftsError,
    begin_draft,
    draft_of,
    drafts_of,
    drop_draft,
    drop_finished,
    open_draft,
    save_in,
    save_part,
    sweep_drafts,
)
from gateway.storage.engine import create_engine
from keys.vault import Vault
from tests.conftest import new_node_databases
from tests.gateway.test_exchange import table
from tests.simulator.federation import simulated_federation

NODE, ME, OTHER = "gt.conamigua", "persona-1", "persona-2"
CANARY = "Ficticiacanaria Caal"


@pytest.fixture(params=["sqlite", "postgresql"])
async def node(request, tmp_path):
    databases = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        if server is None:
            pytest.skip("NO POSTGRESQL FOUND: this test ran on SQLite only. apt-get install postgresql")
        databases = {NODE: new_node_databases(server)}
    async with simulated_federation(tmp_path, NODE, databases=databases) as found:
        yield found.nodes[NODE]


async def begun(capabilities, person=ME):
    place = Place(f"intake {capabilities.new_message_id(capabilities.clock.now())}")
    return (await begin_draft(place, capabilities, person=person)).draft.id


async def saved(draft_id, capabilities, words, *, seen, part="persona", person=ME):
    return await save_part(draft_id, part, {"p-narrative": [words]}, capabilities, person=person, seen=seen)


async def test_what_was_written_comes_back_part_by_part(node):
    us = node.capabilities
    draft = await begun(us)
    first = await saved(draft, us, 'ñ "[[[[{{{{" \n', seen=0)
    await saved(draft, us, "otra", seen=0, part="viaje")
    found = await open_draft(draft, us, person=ME)
    assert found.part("persona").fields == {"p-narrative": ['ñ "[[[[{{{{" \n']}
    assert (first.version, found.part("persona").version, found.part("viaje").version) == (1, 1, 1)
    assert found.part("consentimientos").version == 0
    [listed] = await drafts_of("intake", us, person=ME)
    assert (listed.id, listed.version) == (draft, 3)


async def test_another_persons_draft_is_not_there(node):
    us = node.capabilities
    draft = await begun(us)
    for act in (
        open_draft(draft, us, person=OTHER),
        saved(draft, us, "x", seen=None, person=OTHER),
        drop_draft(draft, us, person=OTHER),
    ):
        with pytest.raises(NoSuchDraftError):
            await act
    assert await drafts_of("intake", us, person=OTHER) == []
    assert (await open_draft(draft, us, person=ME)).draft.version == 1


async def test_a_window_that_shows_something_older_writes_nothing_over_until_it_says_so(node):
    us = node.capabilities
    draft = await begun(us)
    await saved(draft, us, "una", seen=0)
    with pytest.raises(DraftChangedError) as told:
        await saved(draft, us, "otra", seen=0)
    assert told.value.saved_at is not None
    assert (await open_draft(draft, us, person=ME)).part("persona").fields == {"p-narrative": ["una"]}
    assert (await saved(draft, us, "una", seen=0)).version == 2, "the same words are no conflict"
    assert (await saved(draft, us, "otra", seen=None)).version == 3
    assert (await open_draft(draft, us, person=ME)).part("persona").fields == {"p-narrative": ["otra"]}


async def test_of_windows_that_save_at_once_one_is_first_and_the_others_are_told(node):
    us = node.capabilities
    draft = await begun(us)
    done = await asyncio.gather(*(saved(draft, us, f"ventana {n}", seen=0) for n in range(4)), return_exceptions=True)
    assert sorted(type(item).__name__ for item in done) == ["DraftChangedError"] * 3 + ["Part"]
    assert (await open_draft(draft, us, person=ME)).part("persona").version == 1


async def test_windows_on_different_parts_keep_each_others(node):
    us = node.capabilities
    draft = await begun(us)
    await asyncio.gather(*(saved(draft, us, part, seen=0, part=part) for part in ("a", "b", "c")))
    found = await open_draft(draft, us, person=ME)
    assert {name: part.fields["p-narrative"] for name, part in found.parts.items()} == {n: [n] for n in "abc"}


async def test_a_person_has_one_draft_of_a_form_and_so_many_in_all(node):
    us = node.capabilities
    thread = us.new_thread_id(us.clock.now())
    place = Place("answer 1", thread_id=thread)
    assert (await save_in(place, "", {"v-sex": ["female"]}, us, person=ME, seen=None)).version == 1
    assert (await save_in(place, "", {"v-sex": ["male"]}, us, person=ME, seen=1)).version == 2
    with pytest.raises(DraftChangedError):
        await begin_draft(place, us, person=ME)
    for _ in range(MOST - 1):
        await begun(us)
    with pytest.raises(TooManyDraftsError):
        await begun(us)
    await begun(us, OTHER)


async def test_a_draft_has_a_longest(node):
    us = node.capabilities
    draft = await begun(us)
    with pytest.raises(DraftTooLongError):
        await saved(draft, us, "a" * LONGEST, seen=0)
    assert (await open_draft(draft, us, person=ME)).parts == {}


async def test_a_week_after_the_last_change_row_and_key_are_gone(node):
    us = node.capabilities
    draft, other = await begun(us), await begun(us)
    thread = (await open_draft(draft, us, person=ME)).draft.thread_id
    us.clock.forward(days=4)
    await saved(other, us, "sigue", seen=0)
    us.clock.forward(seconds=(KEPT - timedelta(days=4)).total_seconds() - 60)
    await sweep_drafts(us)
    await open_draft(draft, us, person=ME)
    us.clock.forward(minutes=2)
    await sweep_drafts(us)
    with pytest.raises(NoSuchDraftError):
        await open_draft(draft, us, person=ME)
    with pytest.raises(ThreadErasedError):
        await us.bodies.seal_draft(thread, draft, b"{}")
    assert (await open_draft(other, us, person=ME)).part("persona").version == 1


async def test_the_nodes_eraser_sweeps_drafts(node):
    us = node.capabilities
    draft = await begun(us)
    await drop_draft(draft, us, person=ME)
    assert await drafts_of("intake", us, person=ME) == []
    [erase] = [loop for loop in node.loops if loop.name == "erase"]
    await erase.step()
    assert await table(node, "SELECT count(*) FROM form_drafts") == [(0,)]


async def test_drafts_of_a_thread_go_with_it_and_when_the_form_is_finished(node):
    us = node.capabilities
    thread = us.new_thread_id(us.clock.now())
    for person in (ME, OTHER):
        await save_in(Place("answer 1 custody", thread_id=thread), "", {"v-sex": ["x"]}, us, person=person, seen=None)
    await save_in(Place("answer 2 custody", thread_id=thread), "", {"v-sex": ["x"]}, us, person=ME, seen=None)
    await drop_finished(thread, "answer 1 ", us)
    assert await draft_of("answer 1 custody", us, person=OTHER) is None
    assert await draft_of("answer 2 custody", us, person=ME) is not None
    await us.bodies.destroy([ThreadId(thread)])
    async with us.begin() as work:
        await work.erasures.empty([ThreadId(thread)], now=us.clock.now())
    assert {row[0] for row in await table(node, "SELECT sealed FROM form_drafts")} == {b""}
    with pytest.raises(ThreadErasedError):
        await draft_of("answer 2 custody", us, person=ME)


async def traces(node):
    """Whether a canary stands in clear in anything either database holds."""
    found = False
    for url in (node.config.main_database, node.config.key_store):
        engine = create_engine(url)
        try:
            if engine.dialect.name == "sqlite":
                files = [Path(f"{engine.url.database}{end}") for end in ("", "-wal")]
                found = found or any(CANARY.encode() in file.read_bytes() for file in files if file.exists())
                continue
            async with engine.connect() as connection:
                names = (
                    await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
                ).scalars()
                for name in list(names):
                    rows = (await connection.execute(text(f'SELECT * FROM "{name}"'))).all()
                    found = found or any(CANARY.encode() in _bytes(value) for row in rows for value in row)
        finally:
            await engine.dispose()
    return found


def _bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.mark.parametrize("plain", [False, True], ids=["sealed", "control: stored plain"])
async def test_what_was_written_stands_in_no_file_in_clear(node, monkeypatch, plain):
    if plain:
        for step in ("keep_draft", "kept_draft"):
            monkeypatch.setattr(Vault, step, lambda _self, _wrapped, _thread, _draft, data: data)
    us = node.capabilities
    draft = await begun(us)
    await saved(draft, us, CANARY, seen=0)
    assert await traces(node) is plain


async def test_control_without_the_version_a_window_writes_over_unseen(node, monkeypatch):
    real = drafting.save_part

    async def blind(*args, seen, **given):
        return await real(*args, seen=None, **given)

    us = node.capabilities
    draft = await begun(us)
    await saved(draft, us, "una", seen=0)
    monkeypatch.setattr(f"{__name__}.save_part", blind)
    await saved(draft, us, "otra", seen=0)
    assert (await open_draft(draft, us, person=ME)).part("persona").fields == {"p-narrative": ["otra"]}

"""A federation in which one node is lost at a random moment and restored from a backup of another; what must hold after."""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from contracts.disclosure import SourceRecord
from contracts.fields import RecordType
from contracts.ids import Code
from contracts.messages.reports import Channel
from gateway.exchange.deliver import deliver_lane, lanes_due
from gateway.exchange.desk import AFTER_RESTORE, DeskRow, send_rows
from gateway.exchange.dispatch import dispatch_batch
from gateway.main.backup import add_recovery_key, back_up
from gateway.main.restore import RestoreRequest, restore
from gateway.storage.engine import create_engine
from tests.simulator.federation import Federation

DESK, MBMID, PGN = "gt.conamigua", "gt.igm.mbmid", "gt.pgn"
NAMES = (DESK, MBMID, PGN)


def row(number: int) -> DeskRow:
    """A fictitious report; every third is of a child."""
    age = (12, 15) if number % 3 == 0 else (30, 35)
    person = {
        "given_names": ["Ficticio"],
        "surname_1": f"Caal{number}",
        "age_range": {"min": age[0], "max": age[1]},
        "last_contact_date": {"date": "2026-10-15", "precision": "day"},
    }
    return DeskRow(
        source="simulada",
        row=number,
        key=number.to_bytes(32),
        records=(SourceRecord(RecordType.MISSING_PERSON, person),),
        office=Code("banco"),
        channel=Channel.DESK,
        language="es",
    )


async def query(url, statement):
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            return [tuple(found) for found in await connection.execute(text(statement))]
    finally:
        await engine.dispose()


@dataclass
class Story:
    """One loss and one restore, from a seed; and what was seen on the way."""

    federation: Federation
    seed: int
    victim: str
    published: dict = field(default_factory=lambda: defaultdict(list))
    folios: dict = field(default_factory=lambda: defaultdict(set))
    given: dict = field(default_factory=lambda: defaultdict(set))
    rows: list = field(default_factory=list)
    count: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self.chance = random.Random(self.seed)

    # -- moving ------------------------------------------------------------------------------------------------------

    async def step(self, name):
        """One turn of one node's loops, each with some chance."""
        node = self.federation.nodes[name]
        done = 0
        if self.chance.random() < 0.8:
            for lane in await lanes_due(node.capabilities, limit=20):
                done += await deliver_lane(lane, node.capabilities, owner=f"{name}:test")
        if self.chance.random() < 0.8:
            done += await dispatch_batch(node.capabilities, owner="test")
        for loop in node.loops:
            if loop.name in ("log", "reconcile", "expire"):
                done += bool(await loop.step())
        return done

    async def wander(self, turns):
        """Let nodes take turns at random; now and then somebody looks at what they publish."""
        for _ in range(turns):
            await self.step(self.chance.choice(NAMES))
            self.federation.clock.forward(seconds=self.chance.uniform(0.5, 8))
            if self.chance.random() < 0.5:
                await self.look()

    async def settle(self):
        """Take turns until nothing moves."""
        idle = 0
        for _ in range(200):
            done = 0
            for name in NAMES:
                done += await self.step(name)
            idle = 0 if done else idle + 1
            if idle >= 6:
                await self.look()
                return
            self.federation.clock.forward(seconds=31)
        raise AssertionError(f"seed {self.seed}: the federation does not settle")

    async def send(self, how_many):
        """An officer sends new rows."""
        fresh = [row(len(self.rows) + number + 1) for number in range(how_many)]
        self.rows += fresh
        return await self.import_(fresh)

    async def import_(self, rows):
        """Import rows, again if they were imported before."""
        node = self.federation.nodes[DESK].capabilities
        results = await send_rows(rows, node, actor=node.pseudonyms.actor("officer"))
        self.count["refused while restoring"] += sum(AFTER_RESTORE in result.reasons for result in results)
        return results

    # -- looking -----------------------------------------------------------------------------------------------------

    async def look(self):
        """Note what anybody may have seen: signed heads with the leaves under them, and folios."""
        for name, node in self.federation.nodes.items():
            head = await node.log.head()
            if head is not None:
                leaves = await node.log.scan(0, head.size, head.epoch)
                self.published[head.note.partition("\n")[0]].append(tuple(leaf.leaf_hash for leaf in leaves))
            for thread, folio in await query(
                node.config.main_database, "SELECT thread_id, folio FROM cases WHERE folio IS NOT NULL"
            ):
                if name != PGN:
                    self.given[folio].add(thread)
                if name == DESK:  # what left the MBMID must stay; what only it saw went with it, and is not given again
                    self.folios[thread].add(folio)

    # -- losing ------------------------------------------------------------------------------------------------------

    async def back_up(self, folder: Path):
        config = self.federation.nodes[self.victim].config
        identity = folder / "recovery.key"
        add_recovery_key(config, identity)
        report = await back_up(config, config.data / "paradero.toml", folder / "backups", self.federation.clock.now())
        return RestoreRequest(report.made[0].file, report.made[1].file, identity, replace=True)

    async def restore(self, request):
        await self.look()
        config = self.federation.nodes[self.victim].config
        report = await restore(config, request, self.federation.clock.now())
        await self.federation.reopen(self.victim)
        return report

    async def play(self, folder: Path):
        """Backup, go on, lose, restore, reconcile, import everything once more."""
        await self.send(self.chance.randint(2, 5))
        await self.wander(self.chance.randint(0, 15))
        request = await self.back_up(folder)
        await self.wander(self.chance.randint(0, 6))
        await self.send(self.chance.randint(2, 6))
        await self.wander(self.chance.randint(4, 30))
        self.federation.clock.forward(hours=self.chance.choice([0.1, 3, 20]))
        await self.restore(request)
        self.federation.clock.forward(minutes=1)
        if self.chance.random() < 0.5:
            await self.import_(self.rows)  # an officer who does not know whether they were sent
        await self.wander(self.chance.randint(0, 10))
        await self.settle()
        await self.import_(self.rows)
        await self.send(2)
        await self.settle()

    # -- judging -----------------------------------------------------------------------------------------------------

    async def verdict(self):
        """Return how often each part of the promise was broken, and what was recovered."""
        ask = lambda name, statement: query(self.federation.nodes[name].config.main_database, statement)  # noqa: E731
        found = Counter()
        reports = await ask(MBMID, "SELECT alias, opened_by FROM cases WHERE kind = 'report'")
        found["lost"] = max(0, len(self.rows) - len(reports))
        found["repeated"] = max(0, len(reports) - len(self.rows))
        duties = await ask(PGN, "SELECT opened_by FROM cases WHERE kind = 'duty'")
        wanted = sum(number % 3 == 0 for number in range(1, len(self.rows) + 1))
        found["lost"] += max(0, wanted - len(duties))
        found["repeated"] += max(0, len(duties) - wanted)
        answers = await ask(DESK, "SELECT in_reply_to, count(*) FROM inbox WHERE kind = 'report.acknowledgement' GROUP BY 1")
        found["repeated"] += sum(count - 1 for _, count in answers)
        found["folio changed"] = sum(len(folios) > 1 for folios in self.folios.values())
        found["folio of two cases"] = sum(len(threads) > 1 for threads in self.given.values())
        here = dict(await ask(MBMID, "SELECT thread_id, folio FROM cases WHERE kind = 'report'"))
        found["folio differs"] = sum(here.get(thread) not in folios for thread, folios in self.folios.items())
        held = await ask(DESK, "SELECT count(*) FROM cases WHERE kind = 'report-sent' AND folio IS NULL")
        found["without folio"] = held[0][0]
        for views in self.published.values():
            longest = max(views, key=len)
            found["forks"] += sum(longest[: len(view)] != view for view in set(views))
        for name in NAMES:
            waiting = await ask(name, "SELECT count(*) FROM outbox WHERE state <> 'delivered'")
            stuck = await ask(name, "SELECT count(*) FROM inbox WHERE state <> 'done'")
            found["stuck"] += waiting[0][0] + stuck[0][0]
        found["books differ"] = await self._differences(ask)
        unwritten = "kind IN ('report.transfer', 'duty.notice') AND message_id NOT IN (SELECT message_id FROM disclosures)"
        found["not in the ledger"] = (await ask(DESK, f"SELECT count(*) FROM outbox WHERE {unwritten}"))[0][0]
        found["unreconciled"] = len(await ask(self.victim, "SELECT peer FROM reconciliations WHERE state <> 'done'"))
        recovered = (await ask(self.victim, "SELECT coalesce(sum(returned), 0) FROM reconciliations"))[0][0]
        for name in NAMES:
            again = "SELECT count(*) FROM outbox_bodies WHERE earlier_receipt <> receipt AND lane = "
            recovered += (await ask(name, f"{again}'{self.victim}'"))[0][0]
        return +found, int(recovered)

    async def _differences(self, ask):
        """How many exchanges stand elsewhere in the desk's books than in those of whom they are with."""
        columns = "SELECT opener, opening_id, state, outcome FROM exchanges"
        ours = set(await ask(DESK, columns))
        theirs = {row for name in (MBMID, PGN) for row in await ask(name, columns)}
        return len(ours ^ theirs)

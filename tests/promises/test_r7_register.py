"""R7: a forked, frozen, rolled back or half-signed register is refused by every node, and the conflict is kept."""

import shutil
from dataclasses import replace

import pytest
from tuf.api.metadata import Metadata

from contracts.errors import ExchangeError, TrustStaleError
from contracts.ids import Code, NodeId
from gateway.exchange.submit import submit
from keys.register import client as client_module
from keys.register import state as state_module
from keys.register.ceremony import publish_alone, stage_suspension
from keys.register.client import RegisterClient
from keys.register.state import Freshness, Standing
from keys.register.tuf_client import KeepingFetcher
from tests.promises import register_attacks as attacks
from tests.promises.life import ping, rows_of
from tests.reliability.ledger import control, note
from tests.simulator.federation import simulated_federation

CONAMIGUA, PGN = NodeId("gt.conamigua"), NodeId("gt.pgn")
NAMES = ("gt.igm.mbmid", "gt.conamigua", "gt.pgn")


@pytest.fixture
async def federation(tmp_path):
    async with simulated_federation(tmp_path, *NAMES) as found:
        await grown(found)
        yield found


async def grown(federation):
    """Bring every role to a second version, so that there is one to go back to."""
    register, custodians, now = federation.register, federation.custodians, federation.clock.now()
    hands = attacks.Hands(federation)
    stage_suspension(register, CONAMIGUA, reason=Code("exercise"), by="duty", now=now)
    publish_alone(register, custodians["duty"][0], custodians["online"][0], now=now)
    for role in ("targets", "policy"):
        hands.write(role, hands.grown(role))
    hands.announce(targets=2, policy=2)
    await federation.poll()
    assert {node.trust.state.version for node in federation.nodes.values()} == {hands.current("snapshot").signed.version}


class Served:
    """The published folder, put back after an attack."""

    def __init__(self, federation):
        self.folder = federation.register.folder
        self.kept = federation.home / "kept"
        shutil.copytree(self.folder, self.kept)

    def restore(self):
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept, self.folder)
        shutil.rmtree(self.kept)


async def suffered(federation, attack):
    """Serve an attack to every node; return which accepted it, and which kept no trace of it."""
    accepted, untold = [], []
    before = {name: node.trust.state for name, node in federation.nodes.items()}
    attack(attacks.Hands(federation))
    for name, node in federation.nodes.items():
        problems = ()
        try:
            await node.trust.poll()
            problems = await rows_of(node, "SELECT subject FROM alarms WHERE code = 'register-problem'")
        except ExchangeError:
            problems = ("out of reach",)
        if node.trust.state is not before[name]:
            accepted.append(name)
        if not problems:
            untold.append(name)
    return accepted, untold


def pairs(federation):
    """How many nodes hold both files of a conflict."""
    found = 0
    for node in federation.nodes.values():
        kept = [path.name for path in (node.config.trust / "evidence").glob("*")]
        found += any(".held." in name for name in kept) and any(".shown." in name for name in kept)
    return found


async def heals(federation):
    """The true register goes on, every role signed anew by its holders: past whatever versions an online key invented."""
    federation.clock.forward(minutes=5)
    hands = attacks.Hands(federation)
    versions = {role: hands.write(role, hands.grown(role, by=2)).signed.version for role in attacks.ROLES}
    for _ in range(3):
        hands.announce(**versions)
    await federation.poll()
    return {node.trust.state.version for node in federation.nodes.values()} == {hands.current("snapshot").signed.version}


async def restarts(federation):
    """What is on disk verifies from the root on, and says the same."""
    for name in NAMES:
        before = federation.nodes[name].trust.state.version
        if (await federation.reopen(name)).trust.state.version != before:
            return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", [*sorted({name.partition(":")[0] for name in attacks.REFUSED if ":" in name}), "others"])
async def test_what_is_no_true_register_is_refused_by_every_node(federation, family):
    names = [name for name in attacks.REFUSED if (name.partition(":")[0] if ":" in name else "others") == family]
    failed = {}
    for name in names:
        served = Served(federation)
        for node in federation.nodes.values():
            shutil.rmtree(node.config.trust / "evidence", ignore_errors=True)
        accepted, untold = await suffered(federation, attacks.REFUSED[name])
        kept = pairs(federation)
        if accepted or untold or (family == "equivocation" and kept != len(NAMES)):
            failed[name] = (accepted, untold, kept)
        note("R7", name, unit="nodes", trials=len(NAMES), failures=len(failed.get(name, ((), ()))[0]),
             figures={"conflicting pairs kept": kept} if family == "equivocation" else {})  # fmt: skip
        served.restore()
        assert name in failed or await heals(federation), f"{name}: refused, and then the true one too"
    assert failed == {}
    assert await restarts(federation)


async def test_a_root_changed_by_both_quorums_is_followed(federation):
    before = {name: node.trust.state.version for name, node in federation.nodes.items()}
    attacks.new_root(old=5, new=5)(attacks.Hands(federation))
    await federation.poll()
    assert all(node.trust.state.version > before[name] for name, node in federation.nodes.items())
    held = [Metadata.from_bytes(path.read_bytes()).signed.version
            for node in federation.nodes.values() for path in (node.trust.client.mirror / "metadata").glob("2.root.json")]  # fmt: skip
    note("R7", "a root changed by the old and the new quorum, followed", unit="nodes", trials=len(NAMES),
         failures=len(NAMES) - len(held))  # fmt: skip
    assert held == [2] * len(NAMES)


async def test_a_root_that_jumps_over_a_version_is_not_followed(federation):
    attacks.new_root(old=5, new=5, by=2)(attacks.Hands(federation))
    await federation.poll()
    followed = [name for name, node in federation.nodes.items() if list(node.config.trust.rglob("3.root.json"))]
    note("R7", "root: a version jumped over", unit="nodes", trials=len(NAMES), failures=len(followed))
    assert followed == []


LOOSENINGS = {
    "written again under its id, as good as over": attacks.shorter_suspension,
    "written again under its id, of another node": attacks.suspension_moved_to_another,
    "left out": attacks.suspension_taken_back,
}


async def loosened(federation, attack):
    attack(attacks.Hands(federation))
    await federation.poll()
    federation.clock.forward(seconds=2)
    now = federation.clock.now()
    return [
        name for name, node in federation.nodes.items() if node.trust.state.standing(CONAMIGUA, now) is not Standing.SUSPENDED
    ]


@pytest.mark.parametrize("how", LOOSENINGS)
async def test_the_key_that_suspends_cannot_loosen(federation, how):
    free = await loosened(federation, LOOSENINGS[how])
    note("R7", f"a suspension {how}", unit="nodes", trials=len(NAMES), failures=len(free))
    assert free == []


async def taken_over(federation):
    before = {name: node.trust.state.keyset(CONAMIGUA).jws for name, node in federation.nodes.items()}
    attacks.of_another_node(attacks.Hands(federation))
    await federation.poll()
    return [name for name, node in federation.nodes.items() if node.trust.state.keyset(CONAMIGUA).jws != before[name]]


async def test_a_keyset_another_key_signed_is_not_taken_and_people_are_told(federation):
    taken = await taken_over(federation)
    told = [
        await rows_of(node, "SELECT subject FROM alarms WHERE subject LIKE 'keyset-invalid%'")
        for node in federation.nodes.values()
    ]
    note("R7", "a keyset signed by another node's key", unit="nodes", trials=len(NAMES), failures=len(taken))
    assert taken == []
    assert all(told)


async def test_a_frozen_register_ages_in_steps_and_then_nothing_leaves(federation):
    steps = ((0.75, Freshness.FRESH), (0.01, Freshness.AMBER), (23.2, Freshness.AMBER), (0.1, Freshness.STALE),
             (143.9, Freshness.STALE), (0.1, Freshness.FROZEN))  # fmt: skip
    node = federation.nodes["gt.igm.mbmid"]
    federation.clock.time = node.trust.state.published_at
    wrong = []
    for hours, expected in steps:
        federation.clock.forward(hours=hours)
        await federation.poll()
        if (found := node.trust.state.freshness(federation.clock.now())) is not expected:
            wrong.append((federation.clock.now(), found))
        if expected is Freshness.FROZEN:
            with pytest.raises(TrustStaleError):
                await submit([ping(node.capabilities, to=PGN)], node.capabilities)
        else:
            await submit([ping(node.capabilities, to=PGN)], node.capabilities)
    told = await rows_of(node, "SELECT subject FROM alarms WHERE subject LIKE 'expired-metadata%'")
    note("R7", "frozen: the register ages in steps, then nothing leaves", unit="steps", trials=len(steps), failures=len(wrong))
    assert wrong == []
    assert told


# -- controls ----------------------------------------------------------------------------------------------------------


async def test_control_a_client_blind_to_equivocation_is_seen(federation, monkeypatch):
    monkeypatch.setattr(KeepingFetcher, "_compare", lambda *_: None)
    accepted, untold = await suffered(federation, attacks.two_snapshots)
    seen = bool(accepted or untold) and pairs(federation) == 0
    control("R7", "The client compares no file with the one it holds under that version.", seen=seen)
    assert seen


async def test_control_a_client_that_keeps_no_evidence_is_seen(federation, monkeypatch):
    monkeypatch.setattr(client_module, "EquivocationError", type("Nothing", (Exception,), {}))
    await suffered(federation, attacks.two_timestamps)
    seen = pairs(federation) == 0
    control("R7", "A conflict is refused, and the pair of files is not kept.", seen=seen)
    assert seen


async def test_control_a_client_that_ignores_thresholds_is_seen(federation, monkeypatch):
    from tuf.api.metadata import VerificationResult

    monkeypatch.setattr(VerificationResult, "verified", property(lambda self: len(self.signed) > 0))
    accepted, _ = await suffered(federation, attacks.too_few("members"))
    control("R7", "One signature is enough, whatever the threshold.", seen=accepted == list(NAMES))
    assert accepted == list(NAMES)


async def test_control_a_client_that_goes_back_is_seen(federation, monkeypatch):
    """Versions are forgotten between refreshes: the cache is emptied, as a client that keeps no state does."""
    real = RegisterClient.refresh

    def forgetful(self, now):
        for path in (self._folder / "cache" / "metadata").glob("*.json"):
            if path.name != "root.json":
                path.unlink()
        return real(self, now)

    monkeypatch.setattr(RegisterClient, "refresh", forgetful)
    accepted, _ = await suffered(federation, attacks.older_snapshot)
    control("R7", "The client forgets which versions it has seen.", seen=accepted == list(NAMES))
    assert accepted == list(NAMES)


async def test_control_suspensions_kept_by_id_are_seen(federation, monkeypatch):
    real = state_module.build_state

    def by_id(targets):
        state = real(targets)
        return replace(state, suspensions=tuple({entry.id: entry for entry in state.suspensions}.values()))

    monkeypatch.setattr(client_module, "build_state", by_id)
    free = await loosened(federation, attacks.shorter_suspension)
    control("R7", "The last entry of a suspension's id counts, so its holder can end it.", seen=free == list(NAMES))
    assert free == list(NAMES)

"""The register's promises: enough signatures, no way back, no second truth, one key may restrict; and the ceremonies."""

import contextlib
import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet

from contracts.codec import decode_model
from contracts.errors import ConfigurationError
from contracts.ids import Code, KeyId, NodeId
from contracts.policy import load_template
from contracts.register import Ed25519Jwk, FederationInfo, KeysetLog, MemberEntry, Role
from keys.model import generate_node_keys
from keys.notes import verifier_key
from keys.register import client as client_module
from keys.register.ceremony import (
    Holders,
    Preset,
    make_keyset,
    make_self_suspension,
    publish,
    publish_alone,
    stage_clearing,
    stage_founding,
    stage_keyset,
    stage_member,
    stage_policy,
    stage_self_suspension,
    stage_suspension,
    stage_upgrade,
)
from keys.register.client import RegisterClient, fingerprint, read_folder
from keys.register.custodians import new_custodian
from keys.register.repository import Repository
from keys.register.state import Freshness, Standing
from keys.register.tuf_client import KeepingFetcher

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINEX = NodeId("gt.minex")


class World:
    """A founded federation with one member and one client."""

    def __init__(self, home, preset=Preset.FULL):
        self.home, self.now = home, NOW
        self.register = Repository(home / "register")
        self.council = [new_custodian(f"c{n}") for n in range(5)]
        self.registrars = [new_custodian(f"r{n}") for n in range(3)]
        self.policy = [new_custodian(f"p{n}") for n in range(3)]
        self.duty, self.online = new_custodian("duty"), new_custodian("online")
        everyone = [item.public for item in self.council[:3]]
        if preset is Preset.START:
            self.registrars = self.policy = self.council[:3]
            holders = Holders(everyone, everyone, everyone, everyone, self.online.public)
        else:
            holders = self.full_holders()
        info = FederationInfo(name="Prueba", demo=False, preset=preset.value)
        stage_founding(self.register, preset, holders, info, load_template("first-policy"), now=NOW)
        self.sign_and_publish(*self.council[:3], *self.registrars[:2], *self.policy)
        self.keys = generate_node_keys(MINEX)
        self.enrol(self.keys)
        root = self.register.root_bytes()
        RegisterClient.initialise(home / "client", root, expected=fingerprint(root))
        self.client = self.new_client()
        self.refresh()

    def full_holders(self):
        council = [item.public for item in self.council]
        return Holders(
            council,
            [item.public for item in self.registrars],
            [item.public for item in self.policy],
            [*council, self.duty.public],
            self.online.public,
        )

    def new_client(self, folder="client"):
        return RegisterClient(self.home / folder, read_folder(self.register.folder))

    def sign_and_publish(self, *custodians):
        for item in custodians:
            self.register.sign(item)
        return publish(self.register, self.online, now=self.now)

    def entry(self, keys, **changes):
        fields = {
            "node": keys.node,
            "name": "Ministerio ficticio",
            "role": Role.FOREIGN_MINISTRY,
            "country": "GT",
            "status": "active",
            "since": int(NOW.timestamp()),
            "id_key": Ed25519Jwk.model_validate(keys.identity.public.jwk()),
        }
        return MemberEntry(**fields | changes)

    def keyset(self, keys, seq=1):
        origin = f"{keys.node}/paradero-log"
        log = KeysetLog(origin=origin, vkey=str(verifier_key(origin, keys.log.public.raw)))
        return make_keyset(keys, endpoint="https://node.example/x", log=log, seq=seq, now=self.now)

    def enrol(self, keys):
        stage_member(self.register, self.entry(keys), now=self.now)
        stage_keyset(self.register, self.keyset(keys), now=self.now)
        self.sign_and_publish(*self.registrars[:2])

    def refresh(self, **later):
        self.now += timedelta(**later)
        return self.client.refresh(self.now)

    @property
    def timestamp(self):
        return self.register.folder / "metadata" / "timestamp.json"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_member_is_known_with_its_keys_and_policy(world):
    state = world.refresh().state
    assert state.standing(MINEX, world.now) is Standing.ACTIVE
    assert state.signer(KeyId("gt.minex#sig-1")) == world.keys.sig.public
    assert state.policy.version == 1
    assert state.freshness(world.now) is Freshness.FRESH


@pytest.mark.parametrize(("hours", "expected"), [(0.7, "fresh"), (0.8, "amber"), (24.1, "stale"), (7 * 24 + 0.1, "frozen")])
def test_freshness_steps(world, hours, expected):
    assert world.refresh().state.freshness(NOW + timedelta(hours=hours)).value == expected


def refused(world, kind):
    before = world.client._state
    result = world.client.refresh(world.now)
    assert [problem.kind for problem in result.problems] == [kind], result.problems
    assert result.state is before
    return result


def test_rollback_of_the_timestamp_is_refused(world):
    old = world.timestamp.read_bytes()
    world.register.resign_timestamp(world.online, now=NOW)
    assert world.refresh().changed
    world.timestamp.write_bytes(old)
    refused(world, "bad-version-number")


def test_a_frozen_register_is_refused(world):
    world.now += timedelta(days=8)
    refused(world, "expired-metadata")


def test_another_file_under_a_version_we_hold_is_refused_and_kept_as_evidence(world):
    old = world.timestamp.read_bytes()
    world.register.resign_timestamp(world.online, now=NOW)
    world.refresh()
    world.timestamp.write_bytes(old)
    world.register.resign_timestamp(world.online, now=NOW + timedelta(hours=1))
    refused(world, "equivocation")
    kept = sorted(path.name.split(".")[3] for path in (world.home / "client" / "evidence").iterdir())
    assert kept == ["held", "shown"]


def test_control_without_our_comparison_equivocation_passes(world, monkeypatch):
    old = world.timestamp.read_bytes()
    world.register.resign_timestamp(world.online, now=NOW)
    world.refresh()
    world.timestamp.write_bytes(old)
    world.register.resign_timestamp(world.online, now=NOW + timedelta(hours=1))
    monkeypatch.setattr(KeepingFetcher, "_compare", lambda *_: None)
    assert world.client.refresh(world.now).problems == ()


def test_too_few_signatures_are_not_published(world):
    stage_member(world.register, world.entry(generate_node_keys(NodeId("gt.pgn"))), now=NOW)
    with pytest.raises(ConfigurationError, match="members 1/2"):
        world.sign_and_publish(world.registrars[0], world.registrars[0])


def test_a_file_with_too_few_signatures_is_refused_by_the_client(world):
    stage_member(world.register, world.entry(generate_node_keys(NodeId("gt.pgn"))), now=NOW)
    world.sign_and_publish(*world.registrars[:2])
    path = world.register.folder / "metadata" / "3.members.json"
    metadata = json.loads(path.read_text())
    metadata["signatures"] = metadata["signatures"][:1] * 2
    path.write_text(json.dumps(metadata))
    result = world.client.refresh(world.now)
    assert result.problems
    assert not result.changed


def test_a_mirror_that_alters_a_target_is_refused(world):
    stage_member(world.register, world.entry(generate_node_keys(NodeId("gt.pgn"))), now=NOW)
    world.sign_and_publish(*world.registrars[:2])
    newest = max((world.register.folder / "targets").glob("*.members.json"), key=lambda p: p.stat().st_mtime)
    newest.write_bytes(newest.read_bytes().replace(b"Ministerio ficticio", b"Ministerio falsoooo"))
    assert [problem.kind for problem in world.client.refresh(world.now).problems] == ["length-or-hash-mismatch"]


def test_one_key_suspends_and_the_suspension_lapses_after_72_hours(world):
    stage_suspension(world.register, MINEX, reason=Code("lost-laptop"), by="duty", now=world.now)
    publish_alone(world.register, world.duty, world.online, now=world.now)
    state = world.refresh(seconds=30).state
    assert state.standing(MINEX, world.now) is Standing.SUSPENDED
    assert state.suspended(world.now) == {MINEX}
    assert state.standing(MINEX, world.now + timedelta(hours=73)) is Standing.ACTIVE


def test_the_quorum_clears_a_suspension_and_the_suspension_key_cannot(world):
    found = stage_suspension(world.register, MINEX, reason=Code("lost-laptop"), by="duty", now=world.now)
    publish_alone(world.register, world.duty, world.online, now=world.now)
    world.refresh()
    stage_clearing(world.register, found, now=world.now)
    with pytest.raises(ConfigurationError, match="signatures are missing"):
        publish_alone(world.register, world.duty, world.online, now=world.now)
    world.sign_and_publish(*world.registrars[:2])
    assert world.refresh().state.standing(MINEX, world.now) is Standing.ACTIVE


def test_a_suspension_is_sticky_even_if_its_holder_takes_it_back(world):
    stage_suspension(world.register, MINEX, reason=Code("lost-laptop"), by="duty", now=world.now)
    publish_alone(world.register, world.duty, world.online, now=world.now)
    world.refresh()
    world.register.stage_target("suspensions", b'{"suspensions":[]}', now=world.now)
    publish_alone(world.register, world.duty, world.online, now=world.now)
    assert world.refresh().state.standing(MINEX, world.now) is Standing.SUSPENDED


def test_a_node_suspends_itself_until_it_has_new_keys(world):
    jws = make_self_suspension(world.keys, seq=1, reason=Code("panic"), now=world.now)
    stage_self_suspension(world.register, MINEX, jws, now=world.now)
    publish(world.register, world.online, now=world.now)
    assert world.refresh().state.standing(MINEX, world.now) is Standing.SUSPENDED
    stage_keyset(world.register, world.keyset(world.keys, seq=2), now=world.now)
    publish(world.register, world.online, now=world.now)
    assert world.refresh().state.standing(MINEX, world.now) is Standing.ACTIVE


def test_the_online_key_cannot_take_a_nodes_own_suspension_back(world):
    """It signs the file alone; only the node's new keyset, signed by its identity key, ends what the node said."""
    before = world.register.target("keysets.json")
    jws = make_self_suspension(world.keys, seq=1, reason=Code("panic"), now=world.now)
    stage_self_suspension(world.register, MINEX, jws, now=world.now)
    publish(world.register, world.online, now=world.now)
    assert world.refresh().state.standing(MINEX, world.now) is Standing.SUSPENDED
    world.register.stage_target("keysets", before, now=world.now)
    publish(world.register, world.online, now=world.now)
    assert world.refresh().state.standing(MINEX, world.now) is Standing.SUSPENDED
    stage_keyset(world.register, world.keyset(world.keys, seq=2), now=world.now)
    publish(world.register, world.online, now=world.now)
    assert world.refresh().state.standing(MINEX, world.now) is Standing.ACTIVE


def test_nobody_else_can_suspend_a_node_in_its_name(world):
    stranger = generate_node_keys(MINEX)
    stage_self_suspension(world.register, MINEX, make_self_suspension(stranger, seq=9, reason=Code("x"), now=NOW), now=NOW)
    publish(world.register, world.online, now=world.now)
    assert world.refresh().state.standing(MINEX, world.now) is Standing.ACTIVE


def test_a_keyset_must_grow_and_must_be_the_members_own(world):
    with pytest.raises(ConfigurationError, match="does not grow"):
        stage_keyset(world.register, world.keyset(world.keys, seq=1), now=NOW)
    with pytest.raises(ConfigurationError, match="no member"):
        stage_keyset(world.register, world.keyset(generate_node_keys(NodeId("gt.pgn"))), now=NOW)


def test_the_online_key_cannot_roll_a_nodes_keys_back(world):
    first = world.register.target("keysets.json")
    stage_keyset(world.register, world.keyset(world.keys, seq=2), now=NOW)
    publish(world.register, world.online, now=NOW)
    world.refresh()
    world.register.stage_target("keysets", first, now=NOW)
    publish(world.register, world.online, now=NOW)
    state = world.refresh().state
    assert state.keyset(MINEX).seq == 2
    assert [problem.kind for problem in state.problems] == ["keyset-rollback"]


def test_small_order_identity_keys_and_stolen_ones_are_refused_at_enrolment(world):
    bad = Ed25519Jwk.model_validate(world.keys.identity.public.jwk() | {"kid": "gt.pgn#id-1", "x": "A" * 43})
    keys = generate_node_keys(NodeId("gt.pgn"))
    with pytest.raises(ConfigurationError, match="refused"):
        stage_member(world.register, world.entry(keys, id_key=bad), now=NOW)
    stolen = Ed25519Jwk.model_validate(world.keys.identity.public.jwk() | {"kid": "gt.pgn#id-1"})
    with pytest.raises(ConfigurationError, match="another member"):
        stage_member(world.register, world.entry(keys, id_key=stolen), now=NOW)
    with pytest.raises(ConfigurationError, match="cannot be replaced"):
        stage_member(world.register, world.entry(generate_node_keys(MINEX)), now=NOW)


def test_old_policies_hold_for_thirty_days(world):
    policy = json.loads(load_template("first-policy")) | {"version": 2, "since": int(NOW.timestamp())}
    stage_policy(world.register, json.dumps(policy).encode(), now=NOW)
    world.sign_and_publish(*world.policy)
    state = world.refresh().state
    assert state.policy.version == 2
    assert state.policy_at(1, NOW + timedelta(days=29)).version == 1
    with pytest.raises(Exception, match="replaced too long ago"):
        state.policy_at(1, NOW + timedelta(days=31))


def test_from_start_to_full(tmp_path):
    world = World(tmp_path, Preset.START)
    old = world.council[:3]
    world.registrars = [new_custodian(f"nr{n}") for n in range(3)]
    world.policy = [new_custodian(f"np{n}") for n in range(3)]
    world.council = [new_custodian(f"nc{n}") for n in range(5)]
    stage_upgrade(world.register, world.full_holders(), now=NOW)
    with pytest.raises(ConfigurationError, match="signatures are missing"):
        world.sign_and_publish(*world.council[:3], *world.registrars[:2], *world.policy)
    world.sign_and_publish(*old[:2])
    state = world.refresh().state
    assert state.federation.preset == "full"
    assert state.standing(MINEX, NOW) is Standing.ACTIVE
    world.enrol(generate_node_keys(NodeId("gt.pgn")))
    assert NodeId("gt.pgn") in world.refresh().state.members


def test_the_preflight_stops_a_root_that_forgets_to_resign_a_role(tmp_path):
    world = World(tmp_path, Preset.START)
    old = world.council[:3]
    world.registrars = [new_custodian(f"nr{n}") for n in range(3)]
    world.policy = [new_custodian(f"np{n}") for n in range(3)]
    world.council = [new_custodian(f"nc{n}") for n in range(5)]
    stage_upgrade(world.register, world.full_holders(), now=NOW)
    (world.register.folder / "staged" / "members.json").unlink()
    with pytest.raises(ConfigurationError, match="a client would refuse this"):
        world.sign_and_publish(*old[:2], *world.council[:3], *world.policy)
    assert world.refresh().state.federation.preset == "start"


def test_the_copy_on_disk_verifies_again_without_network_and_a_changed_one_does_not(world):
    offline = RegisterClient(world.home / "client", read_folder(world.home / "nowhere"))
    assert offline.load().standing(MINEX, NOW) is Standing.ACTIVE
    target = next((world.home / "client" / "mirror" / "targets").glob("*.members.json"))
    target.write_bytes(target.read_bytes().replace(b"gt.minex", b"gt.minez"))
    with pytest.raises(ConfigurationError):
        RegisterClient(world.home / "client", read_folder(world.home / "nowhere")).load()


def test_a_mirror_can_be_mirrored(world):
    RegisterClient.initialise(
        world.home / "second", world.register.root_bytes(), expected=fingerprint(world.register.root_bytes())
    )
    second = RegisterClient(world.home / "second", read_folder(world.client.mirror))
    assert MINEX in second.refresh(NOW).state.members


def test_a_demo_federation_and_a_real_node_refuse_each_other(world):
    root = world.register.root_bytes()
    RegisterClient.initialise(world.home / "demo", root, expected=fingerprint(root))
    with pytest.raises(ConfigurationError, match="demo-mismatch"):
        RegisterClient(world.home / "demo", read_folder(world.register.folder), demo=True).refresh(NOW)


def test_a_root_is_taken_in_only_with_its_fingerprint(world):
    root = world.register.root_bytes()
    words = fingerprint(root).split()
    with pytest.raises(ConfigurationError, match="fingerprint"):
        RegisterClient.initialise(world.home / "x", root, expected=" ".join([*words[:-1], "0000"]))
    assert not (world.home / "x").exists()


def test_a_refresh_cut_short_anywhere_can_be_done_again(world, monkeypatch):
    """Kill after every durable write in turn: the copy on disk is the old version or the new one, never between."""
    stage_member(world.register, world.entry(generate_node_keys(NodeId("gt.pgn"))), now=NOW)
    world.sign_and_publish(*world.registrars[:2])
    real = client_module.write_durably
    for cut in range(12):
        folder = world.home / f"cut{cut}"
        shutil.copytree(world.home / "client", folder)
        count = iter(range(100))

        def dying(*args, count=count, cut=cut, **kwargs):
            if next(count) == cut:
                raise KeyboardInterrupt
            real(*args, **kwargs)

        monkeypatch.setattr(client_module, "write_durably", dying)
        with contextlib.suppress(KeyboardInterrupt):
            RegisterClient(folder, read_folder(world.register.folder)).refresh(NOW)
        monkeypatch.setattr(client_module, "write_durably", real)
        offline = RegisterClient(folder, read_folder(world.home / "nowhere")).load()
        assert MINEX in offline.members
        again = RegisterClient(folder, read_folder(world.register.folder)).refresh(NOW).state
        assert NodeId("gt.pgn") in again.members


def test_python_tuf_still_reads_its_clock_where_we_set_it(world):
    """Pins the one private attribute we rely on."""
    trusted = TrustedMetadataSet(
        world.register.root_bytes(), __import__("tuf.ngclient.config", fromlist=["EnvelopeType"]).EnvelopeType.METADATA
    )
    assert isinstance(trusted.reference_time, datetime)


def test_federation_info_is_part_of_what_the_council_signs(world):
    assert decode_model(FederationInfo, world.register.target("federation.json")).name == "Prueba"


@pytest.mark.parametrize("size", [0, 100])
def test_a_cache_that_a_power_cut_left_empty_or_short_is_made_anew(world, size):
    # python-tuf renames what it wrote and never syncs it: after a cut the name can be there without the content.
    for file in sorted((world.home / "client" / "cache").rglob("*.json")):
        whole = file.read_bytes()
        file.write_bytes(whole[:size])
        world.client = world.new_client()
        world.client.load()
        refreshed = world.client.refresh(world.now)
        assert refreshed.problems == (), file.name
    held = world.client.load().version
    world.now += timedelta(minutes=1)
    world.sign_and_publish()
    assert world.client.refresh(world.now).state.version >= held

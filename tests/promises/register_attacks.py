"""What whoever serves a register, or holds some of its keys, could try. Each attack writes into the published folder.

An attacker here has the online key (snapshot, timestamp, keysets) unless the case says otherwise, and never a quorum.
"""

import json
import secrets
from hashlib import sha256

from tuf.api.metadata import DelegatedRole, Delegations, MetaFile, TargetFile

from contracts.codec import decode_model, encode_model
from contracts.ids import NodeId
from contracts.register import KeysetLog, Keysets
from keys.model import generate_node_keys
from keys.register.ceremony import make_keyset
from keys.register.custodians import new_custodian

ROLES = ("targets", "members", "policy", "suspensions", "keysets")
HOLDERS = {"root": "council", "targets": "council", "members": "registrars", "policy": "policy", "suspensions": "duty",
           "keysets": "online", "snapshot": "online", "timestamp": "online"}  # fmt: skip
THRESHOLD = {"root": 3, "targets": 3, "members": 2, "policy": 3, "suspensions": 1, "keysets": 1, "snapshot": 1, "timestamp": 1}


class Hands:
    """The published files of one register in the wrong hands."""

    def __init__(self, federation):
        self.federation, self.register = federation, federation.register
        self.folder, self.custodians, self.now = federation.register.folder, federation.custodians, federation.clock.now()

    def current(self, role):
        return self.register.current(role)

    def path(self, role, version):
        return self.folder / "metadata" / ("timestamp.json" if role == "timestamp" else f"{version}.{role}.json")

    def signers(self, role, number=None):
        return self.custodians[HOLDERS[role]][: THRESHOLD[role] if number is None else number]

    def write(self, role, metadata, *, signers=None, version=None):
        """Sign metadata anew with `signers` and publish it."""
        metadata.signatures.clear()
        for custodian in self.signers(role) if signers is None else signers:
            metadata.sign(custodian.signer, append=True)
        self.path(role, version or metadata.signed.version).write_bytes(metadata.to_bytes())
        return metadata

    def grown(self, role, *, by=1):
        metadata = self.current(role)
        metadata.signed.version += by
        return metadata

    def announce(self, **versions):
        """A new snapshot and timestamp, as the online key can make them; `versions` of roles are what it names."""
        snapshot = self.grown("snapshot")
        for role, version in versions.items():
            snapshot.signed.meta[f"{role}.json"] = MetaFile(version)
        self.write("snapshot", snapshot)
        self.point_at(snapshot.signed.version)

    def point_at(self, snapshot, *, signers=None):
        timestamp = self.grown("timestamp")
        timestamp.signed.snapshot_meta = MetaFile(snapshot)
        self.write("timestamp", timestamp, signers=signers)

    def place(self, role, content, *, length=None):
        """A new version of a role's target, signed by its holders."""
        metadata, name = self.grown(role), f"{role}.json"
        digest = sha256(content).hexdigest()
        metadata.signed.targets[name] = TargetFile(length or len(content), {"sha256": digest}, name)
        self.write(role, metadata)
        (self.folder / "targets" / f"{digest}.{name}").write_bytes(content)
        self.announce(**{role: metadata.signed.version})
        return self.folder / "targets" / f"{digest}.{name}"


# -- equivocation: another file under a version that is held -----------------------------------------------------------


def two_timestamps(hands):
    timestamp = hands.current("timestamp")
    timestamp.signed.expires = timestamp.signed.expires.replace(
        microsecond=0, second=(timestamp.signed.expires.second + 1) % 60
    )
    hands.write("timestamp", timestamp)


def two_snapshots(hands):
    snapshot = hands.current("snapshot")
    snapshot.signed.meta["members.json"] = MetaFile(snapshot.signed.meta["members.json"].version + 1)
    hands.write("snapshot", snapshot)
    hands.point_at(snapshot.signed.version)


# -- rollback ----------------------------------------------------------------------------------------------------------


def older_timestamp(hands):
    hands.write("timestamp", hands.grown("timestamp", by=-1))


def older_snapshot(hands):
    hands.point_at(hands.current("snapshot").signed.version - 1)


def older(role):
    return lambda hands: hands.announce(**{role: hands.current(role).signed.version - 1})


def role_left_out(hands):
    snapshot = hands.grown("snapshot")
    del snapshot.signed.meta["suspensions.json"]
    hands.write("snapshot", snapshot)
    hands.point_at(snapshot.signed.version)


# -- signatures --------------------------------------------------------------------------------------------------------


def too_few(role, *, doubled=False):
    """One signature short; `doubled`: the first of them once more in the place of the missing one."""

    def attack(hands):
        metadata = hands.grown(role)
        signers = hands.signers(role, THRESHOLD[role] - 1) or [new_custodian("stranger")]
        hands.write(role, metadata, signers=signers)
        if doubled:
            path = hands.path(role, metadata.signed.version)
            data = json.loads(path.read_text())
            data["signatures"] += data["signatures"][:1]
            path.write_text(json.dumps(data))
        if role == "snapshot":
            hands.point_at(metadata.signed.version)
        elif role not in {"root", "timestamp"}:
            hands.announce(**{role: metadata.signed.version})

    return attack


def by_others(role, office):
    """Signed by holders of another office, as many as are asked."""

    def attack(hands):
        metadata = hands.grown(role)
        hands.write(role, metadata, signers=hands.custodians[office])
        hands.announce(**{role: metadata.signed.version})

    return attack


# -- mix and match, sizes, hashes, holes -------------------------------------------------------------------------------


def old_content_under_a_new_name(role):
    def attack(hands):
        version = hands.current(role).signed.version
        hands.path(role, version + 1).write_bytes(hands.path(role, version).read_bytes())
        hands.point_at(version + 1) if role == "snapshot" else hands.announce(**{role: version + 1})

    return attack


def one_roles_file_as_anothers(hands):
    version = hands.current("policy").signed.version
    hands.path("policy", version + 1).write_bytes(hands.path("members", hands.current("members").signed.version).read_bytes())
    hands.announce(policy=version + 1)


def padded(role, size):
    """A file far over its limit, signatures and all."""

    def attack(hands):
        metadata = hands.grown(role)
        metadata.signed.unrecognized_fields["x-pad"] = "0" * size
        hands.write(role, metadata)
        if role == "snapshot":
            hands.point_at(metadata.signed.version)
        elif role not in {"root", "timestamp"}:
            hands.announce(**{role: metadata.signed.version})

    return attack


def endless_roots(hands):
    for version in range(2, 600):
        root = hands.current("root")
        root.signed.version = version
        hands.write("root", root, signers=[])


def other_bytes_of_a_target(hands):
    path = hands.place("keysets", hands.register.target("keysets.json"))
    path = hands.place("members", hands.register.target("members.json").replace(b"ficticio", b"ficticia"))
    path.write_bytes(path.read_bytes().replace(b"ficticia", b"falsitia"))


def longer_target(hands):
    path = hands.place("members", hands.register.target("members.json").replace(b"ficticio", b"ficticia"))
    path.write_bytes(path.read_bytes() + b" " * 9_000_000)


def wrong_length(hands):
    content = hands.register.target("members.json").replace(b"ficticio", b"ficticia")
    hands.place("members", content, length=len(content) - 1)


def missing(role):
    def attack(hands):
        metadata = hands.grown(role)
        hands.write(role, metadata)
        hands.point_at(metadata.signed.version) if role == "snapshot" else hands.announce(**{role: metadata.signed.version})
        hands.path(role, metadata.signed.version).unlink()

    return attack


def missing_target(hands):
    hands.place("members", hands.register.target("members.json").replace(b"ficticio", b"ficticia")).unlink()


def cut_short(role):
    def attack(hands):
        missing(role)(hands)
        data = hands.path(role, hands.current(role).signed.version).read_bytes()
        hands.path(role, hands.current(role).signed.version + 1).write_bytes(data[: len(data) // 2])

    return attack


def member_twice(hands):
    """Two readings of one file: a name twice in an object."""
    hands.write("timestamp", hands.grown("timestamp"))
    path = hands.path("timestamp", 0)
    path.write_bytes(path.read_bytes().replace(b'"version":', b'"version":1,"version":', 1))


# -- root --------------------------------------------------------------------------------------------------------------


def new_root(*, old, new, by=1):
    """A root with three council members replaced, signed by `old` of the old quorum and `new` of the new one."""

    def attack(hands):
        root = hands.grown("root", by=by)
        leaving, fresh = hands.custodians["council"][:3], [new_custodian(f"n{secrets.token_hex(2)}") for _ in range(3)]
        for gone, comes in zip(leaving, fresh, strict=True):
            root.signed.revoke_key(gone.public.keyid, "root")
            root.signed.add_key(comes.public, "root")
        staying = hands.custodians["council"][3:]
        signers = {
            custodian.public.keyid: custodian for custodian in [*hands.custodians["council"][:old], *[*fresh, *staying][:new]]
        }
        hands.write("root", root, signers=list(signers.values()))
        hands.announce()

    return attack


# -- what a role may not say -------------------------------------------------------------------------------------------


def members_sign_a_policy(hands):
    content = hands.register.target("policy.json").replace(b'"version":1', b'"version":9')
    metadata = hands.grown("members")
    digest = sha256(content).hexdigest()
    metadata.signed.targets["policy.json"] = TargetFile(len(content), {"sha256": digest}, "policy.json")
    hands.write("members", metadata)
    (hands.folder / "targets" / f"{digest}.policy.json").write_bytes(content)
    hands.announce(members=metadata.signed.version)


def members_sign_a_file_outside(hands):
    metadata = hands.grown("members")
    metadata.signed.targets["../../root.json"] = TargetFile(2, {"sha256": sha256(b"{}").hexdigest()}, "../../root.json")
    hands.write("members", metadata)
    hands.announce(members=metadata.signed.version)


def members_delegate_the_policy(hands):
    metadata = hands.grown("members")
    own = new_custodian("own")
    role = DelegatedRole("policy", [own.public.keyid], 1, terminating=True, paths=["policy.json"])
    metadata.signed.delegations = Delegations({own.public.keyid: own.public}, {"policy": role})
    hands.write("members", metadata)
    policy = hands.grown("policy")
    hands.write("policy", policy, signers=[own])
    hands.announce(members=metadata.signed.version, policy=policy.signed.version)


def suspension_for_a_year(hands):
    entry = json.loads(hands.register.target("suspensions.json"))["suspensions"][0]
    hands.place("suspensions", json.dumps({"suspensions": [entry | {"until": entry["since"] + 366 * 86_400}]}).encode())


def weak_identity_key(hands):
    """A member whose key anybody can sign with (small order), by the registrars' own quorum."""
    members = json.loads(hands.register.target("members.json"))
    stranger = dict(members["members"][0])
    stranger |= {"node": "gt.ajeno", "id_key": stranger["id_key"] | {"kid": "gt.ajeno#id-1", "x": "A" * 43}}
    members["members"].append(stranger)
    hands.place("members", json.dumps(members).encode())


def no_json(hands):
    hands.place("policy", b"not a policy")


def of_another_node(hands):
    """A keyset for gt.conamigua made and signed by somebody else; the online key carries it."""
    victim = NodeId("gt.conamigua")
    keysets = decode_model(Keysets, hands.register.target("keysets.json"))
    thief = generate_node_keys(victim)
    held = hands.federation.nodes["gt.igm.mbmid"].trust.state.keyset(victim)
    log = {"origin": held.log.origin, "vkey": held.log.vkey}
    jws = make_keyset(thief, endpoint="https://thief.example/x", log=KeysetLog(**log), seq=9, now=hands.now)
    changed = Keysets(keysets={**keysets.keysets, victim: jws}, self_suspensions=keysets.self_suspensions)
    hands.place("keysets", encode_model(changed))


def shorter_suspension(hands):
    """The suspension's own holder writes it again under its id, as good as over."""
    entries = json.loads(hands.register.target("suspensions.json"))["suspensions"]
    hands.place("suspensions", json.dumps({"suspensions": [entries[-1] | {"until": entries[-1]["since"] + 1}]}).encode())


def suspension_moved_to_another(hands):
    entries = json.loads(hands.register.target("suspensions.json"))["suspensions"]
    hands.place("suspensions", json.dumps({"suspensions": [entries[-1] | {"node": "gt.pgn"}]}).encode())


def suspension_taken_back(hands):
    hands.place("suspensions", b'{"suspensions":[]}')


REFUSED = {
    "equivocation: two timestamps of one version": two_timestamps,
    "equivocation: two snapshots of one version": two_snapshots,
    "rollback: an older timestamp": older_timestamp,
    "rollback: an older snapshot": older_snapshot,
    **{f"rollback: an older {role} file": older(role) for role in ROLES},
    "rollback: a role left out of the snapshot": role_left_out,
    **{f"{role}: one signature short": too_few(role) for role in THRESHOLD},
    **{f"{role}: one signature twice": too_few(role, doubled=True) for role in ("root", "targets", "members", "policy")},
    "members signed by the policy's holders": by_others("members", "policy"),
    "policy signed by the registrars": by_others("policy", "registrars"),
    "suspensions signed by the online key": by_others("suspensions", "online"),
    "keysets signed by the registrars": by_others("keysets", "registrars"),
    **{
        f"mix and match: {role} of the version before under a new name": old_content_under_a_new_name(role)
        for role in ("snapshot", "members", "policy", "keysets")
    },
    "mix and match: members in the policy's place": one_roles_file_as_anothers,
    "endless: a timestamp of 100 kB": padded("timestamp", 100_000),
    "endless: a snapshot of 1 MB": padded("snapshot", 1_000_000),
    "endless: members metadata of 9 MB": padded("members", 9_000_000),
    "endless: a root of 1 MB": padded("root", 1_000_000),
    "endless: roots without end, unsigned": endless_roots,
    "a target with other bytes": other_bytes_of_a_target,
    "a target with 9 MB behind it": longer_target,
    "a target of another length": wrong_length,
    "a target that is not there": missing_target,
    **{f"cut short: no {role} file": missing(role) for role in ("snapshot", "members", "keysets")},
    **{f"cut short: half a {role} file": cut_short(role) for role in ("snapshot", "members")},
    "a timestamp with a member twice": member_twice,
    "root: by the old quorum alone": new_root(old=3, new=0),
    "root: by the new quorum and two of the old": new_root(old=0, new=5),
    "delegation: members sign a policy": members_sign_a_policy,
    "delegation: members sign a file outside": members_sign_a_file_outside,
    "delegation: members hand the policy on": members_delegate_the_policy,
    "content: a suspension for a year": suspension_for_a_year,
    "content: an identity key of small order": weak_identity_key,
    "content: a policy that is none": no_json,
}

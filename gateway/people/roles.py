"""Roles, and the one table that says which role may do what. Checked when it is imported.

No role holds everything; who administers cannot read cases; who audits cannot act (SPEC 13.2).
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Role(StrEnum):
    """What a person is at this node. Values are stored: add, never rename."""

    DESK_CLERK = "desk-clerk"
    OFFICER = "officer"
    OFFICE_HEAD = "office-head"
    DATA_PROTECTION = "data-protection"
    NODE_ADMIN = "node-admin"
    NETWORK_REGISTRY = "network-registry"
    AUDITOR = "auditor"
    MACHINE = "machine"
    """Nobody: a program on the node's own machine that reads the operator's token. Not for people."""


ROLE_NAMES: Mapping[Role, tuple[str, str]] = {
    Role.DESK_CLERK: ("Ventanilla", "Desk clerk"),
    Role.OFFICER: ("Oficial", "Officer"),
    Role.OFFICE_HEAD: ("Responsable de oficina", "Head of office"),
    Role.DATA_PROTECTION: ("Protección de datos", "Data protection"),
    Role.NODE_ADMIN: ("Administración del nodo", "Node administrator"),
    Role.NETWORK_REGISTRY: ("Registro de la red", "Network registry"),
    Role.AUDITOR: ("Auditoría", "Auditor"),
    Role.MACHINE: ("Equipo del nodo", "The node's machine"),
}
"""Each role's name, Spanish and English."""

OFFICE_ROLES = frozenset({Role.DESK_CLERK, Role.OFFICER, Role.OFFICE_HEAD})
"""Held at one office (or at several, each by itself); the others are held at the node."""


class Permission(StrEnum):
    """What a route may ask for."""

    STATUS_READ = "status.read"
    REPORTS_SEND = "reports.send"
    IMPORTS_READ = "imports.read"
    CASES_READ = "cases.read"
    EVIDENCE_EXPORT = "evidence.export"
    APPROVE = "approvals.give"
    REQUESTS_READ = "requests.read"
    REQUESTS_ANSWER = "requests.answer"
    WORK_READ = "work.read"
    WORK_TAKE = "work.take"
    WORK_MOVE = "work.move"
    REFERRALS_SEND = "referrals.send"
    FINDINGS_SEND = "findings.send"
    OUTBOX_READ = "outbox.read"
    OUTBOX_OPERATE = "outbox.operate"
    ALARMS_READ = "alarms.read"
    FEDERATION_READ = "federation.read"
    FEDERATION_POLL = "federation.poll"
    LINKS_TEST = "links.test"
    RESTORE_OPERATE = "restore.operate"
    PEOPLE_READ = "people.read"
    PEOPLE_MANAGE = "people.manage"
    OFFICES_READ = "offices.read"
    DIAGNOSIS_READ = "diagnosis.read"
    SOURCES_READ = "sources.read"
    SOURCES_TRY = "sources.try"
    OFFICES_MANAGE = "offices.manage"
    CONSENTS_RECORD = "consents.record"
    ERASURE_READ = "erasure.read"
    ERASURE_RUN = "erasure.run"
    CASES_CLOSE = "cases.close"
    WINDOWS_ASK = "windows.ask"
    WINDOWS_READ = "windows.read"
    OVERSIGHT_READ = "oversight.read"
    NOTICES_READ = "notices.read"
    NOTICES_MANAGE = "notices.manage"
    STATISTICS_READ = "statistics.read"
    SHEETS_READ = "sheets.read"
    SHEETS_PUBLISH = "sheets.publish"
    SHEETS_WITHDRAW = "sheets.withdraw"


_CLERK, _OFFICER, _HEAD = Role.DESK_CLERK, Role.OFFICER, Role.OFFICE_HEAD
_DATA, _ADMIN, _REGISTRY, _AUDIT, _MACHINE = (
    Role.DATA_PROTECTION,
    Role.NODE_ADMIN,
    Role.NETWORK_REGISTRY,
    Role.AUDITOR,
    Role.MACHINE,
)
_PEOPLE = frozenset(Role) - {_MACHINE}

PERMISSIONS: Mapping[Permission, frozenset[Role]] = {
    Permission.STATUS_READ: frozenset(Role),
    Permission.REPORTS_SEND: frozenset({_CLERK, _OFFICER, _HEAD}),
    Permission.IMPORTS_READ: frozenset({_CLERK, _OFFICER, _HEAD}),
    Permission.CASES_READ: frozenset({_OFFICER, _HEAD}),
    Permission.EVIDENCE_EXPORT: frozenset({_OFFICER, _HEAD}),
    Permission.APPROVE: frozenset({_OFFICER, _HEAD}),
    Permission.REQUESTS_READ: frozenset({_OFFICER, _HEAD}),
    Permission.REQUESTS_ANSWER: frozenset({_OFFICER, _HEAD}),
    Permission.WORK_READ: frozenset({_OFFICER, _HEAD}),
    Permission.WORK_TAKE: frozenset({_OFFICER, _HEAD}),
    Permission.WORK_MOVE: frozenset({_HEAD}),
    Permission.REFERRALS_SEND: frozenset({_OFFICER, _HEAD}),
    Permission.FINDINGS_SEND: frozenset({_OFFICER, _HEAD}),
    Permission.OUTBOX_READ: frozenset({_OFFICER, _HEAD, _ADMIN}),
    Permission.OUTBOX_OPERATE: frozenset({_ADMIN}),
    Permission.ALARMS_READ: frozenset({_OFFICER, _HEAD, _DATA, _ADMIN, _AUDIT}),
    Permission.FEDERATION_READ: _PEOPLE - {_CLERK},
    Permission.FEDERATION_POLL: frozenset({_ADMIN, _REGISTRY}),
    Permission.LINKS_TEST: frozenset({_ADMIN}),
    Permission.RESTORE_OPERATE: frozenset({_ADMIN}),
    Permission.PEOPLE_READ: frozenset({_HEAD, _ADMIN}),
    Permission.PEOPLE_MANAGE: frozenset({_ADMIN}),
    Permission.OFFICES_READ: _PEOPLE,
    Permission.DIAGNOSIS_READ: frozenset({_ADMIN}),
    Permission.SOURCES_READ: frozenset({_CLERK, _OFFICER, _HEAD, _DATA, _ADMIN}),
    Permission.SOURCES_TRY: frozenset({_CLERK, _OFFICER, _HEAD, _ADMIN}),
    Permission.OFFICES_MANAGE: frozenset({_ADMIN}),
    Permission.CONSENTS_RECORD: frozenset({_OFFICER, _HEAD}),
    Permission.ERASURE_READ: frozenset({_HEAD, _DATA, _ADMIN, _AUDIT}),
    Permission.ERASURE_RUN: frozenset({_DATA}),
    Permission.CASES_CLOSE: frozenset({_OFFICER, _HEAD}),
    Permission.WINDOWS_ASK: frozenset({_OFFICER, _HEAD}),
    Permission.WINDOWS_READ: frozenset({_OFFICER, _HEAD}),
    Permission.OVERSIGHT_READ: frozenset({_HEAD, _DATA, _AUDIT}),
    Permission.NOTICES_READ: frozenset({_DATA, _ADMIN}),
    Permission.NOTICES_MANAGE: frozenset({_ADMIN}),
    Permission.STATISTICS_READ: frozenset({_HEAD, _DATA, _ADMIN, _REGISTRY, _AUDIT}),
    Permission.SHEETS_READ: frozenset({_OFFICER, _HEAD}),
    Permission.SHEETS_PUBLISH: frozenset({_OFFICER, _HEAD}),
    Permission.SHEETS_WITHDRAW: frozenset({_OFFICER, _HEAD}),
}

ABOUT_CASES = frozenset(
    {
        Permission.REPORTS_SEND,
        Permission.IMPORTS_READ,
        Permission.CASES_READ,
        Permission.EVIDENCE_EXPORT,
        Permission.APPROVE,
        Permission.REQUESTS_READ,
        Permission.REQUESTS_ANSWER,
        Permission.WORK_READ,
        Permission.WORK_TAKE,
        Permission.WORK_MOVE,
        Permission.REFERRALS_SEND,
        Permission.FINDINGS_SEND,
        Permission.CONSENTS_RECORD,
        Permission.CASES_CLOSE,
        Permission.WINDOWS_ASK,
        Permission.WINDOWS_READ,
        Permission.SHEETS_READ,
        Permission.SHEETS_PUBLISH,
        Permission.SHEETS_WITHDRAW,
    }
)
"""What shows or moves the content of cases."""

ACTS = frozenset(
    {
        Permission.REPORTS_SEND,
        Permission.EVIDENCE_EXPORT,
        Permission.APPROVE,
        Permission.REQUESTS_ANSWER,
        Permission.WORK_TAKE,
        Permission.WORK_MOVE,
        Permission.REFERRALS_SEND,
        Permission.FINDINGS_SEND,
        Permission.OUTBOX_OPERATE,
        Permission.FEDERATION_POLL,
        Permission.LINKS_TEST,
        Permission.SOURCES_TRY,
        Permission.RESTORE_OPERATE,
        Permission.PEOPLE_MANAGE,
        Permission.OFFICES_MANAGE,
        Permission.CONSENTS_RECORD,
        Permission.ERASURE_RUN,
        Permission.CASES_CLOSE,
        Permission.WINDOWS_ASK,
        Permission.NOTICES_MANAGE,
        Permission.SHEETS_PUBLISH,
        Permission.SHEETS_WITHDRAW,
    }
)
"""What changes something or takes something out; the rest only looks."""

SENSITIVE = frozenset(
    {
        Permission.EVIDENCE_EXPORT,
        Permission.RESTORE_OPERATE,
        Permission.PEOPLE_MANAGE,
        Permission.OFFICES_MANAGE,
        Permission.ERASURE_RUN,
        Permission.NOTICES_MANAGE,
        Permission.SHEETS_PUBLISH,
    }
)
"""What a person must have signed in for a short while ago: a terminal left alone must not be enough."""

TWO_FACTORS = frozenset({Role.OFFICER, Role.OFFICE_HEAD, Role.DATA_PROTECTION, Role.NODE_ADMIN, Role.NETWORK_REGISTRY})
"""Of whom a node that asks for more than a password asks it: who may disclose, erase, or decide on people and the network."""

_APART = (
    (frozenset({Role.NODE_ADMIN}), OFFICE_ROLES),
    (frozenset({Role.NETWORK_REGISTRY}), OFFICE_ROLES),
    (frozenset({Role.DATA_PROTECTION}), OFFICE_ROLES),
    (frozenset({Role.AUDITOR}), frozenset(Role) - {Role.AUDITOR}),
)


def permits(permission: Permission, roles: Iterable[Role]) -> bool:
    """Return whether one of `roles` may do it."""
    return not PERMISSIONS[permission].isdisjoint(roles)


def compatible(roles: Iterable[Role]) -> bool:
    """Return whether one person may hold all of these: what the table keeps apart, a person must not join."""
    held = frozenset(roles)
    return Role.MACHINE not in held and not any(held & one and held & other for one, other in _APART)


def check_table(table: Mapping[Permission, frozenset[Role]]) -> None:
    """See to it that the table is whole and keeps apart what must be.

    Raises:
        RuntimeError: it does not; the program does not start.
    """
    problems = [f"{permission} has no row" for permission in Permission if not table.get(permission)]
    for role in Role:
        held = {permission for permission, roles in table.items() if role in roles}
        problems += [f"{role} may do nothing"] if not held else []
        problems += [f"{role} may do everything"] if held == set(Permission) else []
        if role not in OFFICE_ROLES and held & ABOUT_CASES:
            problems.append(f"{role} sees or moves cases")
        if role in {Role.AUDITOR, Role.MACHINE} and held & ACTS:
            problems.append(f"{role} acts")
        if role in OFFICE_ROLES and held & {Permission.PEOPLE_MANAGE, Permission.OFFICES_MANAGE}:
            problems.append(f"{role} works on cases and decides who does")
    if problems:
        raise RuntimeError("the table of permissions is wrong: " + "; ".join(problems))


check_table(PERMISSIONS)
if set(ROLE_NAMES) != set(Role):
    raise RuntimeError("every role has a name in two languages")

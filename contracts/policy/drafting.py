"""From the readable source of a policy (TOML, docs/policy.md) to `policy.json`. Pure, deterministic: one source, one file."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from json import dumps
from typing import Any

from contracts.errors import SchemaError
from contracts.fields import FIELDS, FieldDefinition, Form, record_definition
from contracts.policy.model import MAX_POLICY_BYTES, parse_policy

Table = Mapping[str, Any]

_FORMS = tuple(form.value for form in Form)
_FLOW_WORDS = {
    "hours": "deadline_hours",
    "urgent": "urgent_hours",
    "life": "life_hours",
    "escalate": "escalate_hours",
    "counts": "counts",
    "keep_days": "retain_days",
    "people": "approvals",
}
_RENAMED = {"from": "senders", "to": "recipients", **_FLOW_WORDS}
_SECTIONS = {
    "purpose": "purposes",
    "basis": "bases",
    "scope": "scopes",
    "flow": "flows",
    "forbid": "forbids",
    "rule": "rules",
    "never": "nevers",
    "second": "second_person",
    "search": "searches",
    "record": "records",
}
_ROLE_LISTS = frozenset({"from", "to", "askers", "answerers"})
_NEED = re.compile(r"(?P<scope>[a-z][a-z0-9-]*)(?P<or>\|duty)?(?:\+(?P<two>[1-3]))?|(?P<people>[1-3])")


def build_policy(source: str) -> bytes:
    """Return the `policy.json` a source says: one entry a line, so that two versions compare line by line.

    Raises:
        SchemaError: not TOML, a group or set nobody defined, an unknown word, or no policy. Says in which entry.
    """
    try:
        tables = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"the source is no TOML: {error}") from None
    _known_words("the source", tables, {"title", "version", "since", "roles", "kinds", "sets", *_SECTIONS})
    drafting = _Drafting(tables)
    policy: dict[str, Any] = {"version": tables.get("version"), "since": _since(tables), "title": tables.get("title")}
    for section, name in _SECTIONS.items():
        entries = [drafting.entry(section, entry) for entry in tables.get(section, ())]
        if entries:
            policy[name] = entries
    data = _lines(policy)
    parse_policy(data)
    return data


def policy_text(data: bytes) -> bytes:
    """Return policy bytes as they are when they are JSON, built when they are a source."""
    return data if data.lstrip()[:1] == b"{" else build_policy(data.decode("utf-8"))


def policy_digest(data: bytes) -> str:
    """Return SHA-256 of a policy file, hex: what a signed paper names it by."""
    return sha256(data).hexdigest()


class _Drafting:
    """One source, its groups and sets at hand."""

    def __init__(self, tables: Table) -> None:
        self._roles: Table = tables.get("roles", {})
        self._kinds: Table = tables.get("kinds", {})
        self._sets: Table = tables.get("sets", {})
        self._fields = {**FIELDS, **_own_fields(tables.get("record", ()))}

    def entry(self, section: str, entry: Table) -> dict[str, Any]:
        where = str(entry.get("id", section))
        if section == "rule":
            return self._rule(where, entry)
        made: dict[str, Any] = {}
        for word, value in entry.items():
            if word in _ROLE_LISTS:
                made[_RENAMED.get(word, word)] = _expanded(where, value, self._roles)
            elif word == "kinds":
                made[word] = _expanded(where, value, self._kinds)
            elif word == "fields" and section == "record":
                made[word] = [line.strip() for line in value.splitlines() if line.strip()]
            elif word == "fields":
                made[word] = self._named(where, str(entry.get("record")), value)
            else:
                made[_FLOW_WORDS.get(word, word)] = value
        return made

    def _rule(self, where: str, entry: Table) -> dict[str, Any]:
        _known_words(where, entry, {*_FORMS, "id", "es", "en", "record", "kinds", "to", "purposes", "need", "needs", "about"})
        record = str(entry.get("record"))
        fields: dict[str, str] = {}
        for form in _FORMS:
            for name in self._named(where, record, entry.get(form, ())):
                if name in fields:
                    raise SchemaError(f"{where}: {name} is named in two forms")
                if Form(form) not in self._fields[record][name].forms:
                    raise SchemaError(f"{where}: {name} cannot leave as {form}")
                fields[name] = form
        made = {word: entry[word] for word in ("id", "es", "en", "record") if word in entry}
        made["kinds"] = _expanded(where, entry.get("kinds", ()), self._kinds)
        made["recipients"] = _expanded(where, entry.get("to", ()), self._roles)
        made |= {"purposes": entry.get("purposes"), "fields": fields}
        if "need" in entry:
            made["need"] = _need(where, entry["need"])
        needs = {
            name: _need(where, need)
            for need, names in entry.get("needs", {}).items()
            for name in self._named(where, record, names)
        }
        return made | ({"needs": needs} if needs else {}) | ({"about": entry["about"]} if "about" in entry else {})

    def _named(self, where: str, record: str, names: Sequence[str]) -> list[str]:
        if record not in self._fields:
            raise SchemaError(f"{where}: there is no record type {record}")
        known = self._fields[record]
        leaving = [name for name, found in known.items() if found.forms]
        found = _expanded(where, names, {**self._sets.get(record, {}), "all": leaving})
        for name in found:
            if name not in known:
                raise SchemaError(f"{where}: {record} has no field {name}")
        return found


def _own_fields(tables: Sequence[Table]) -> dict[str, Mapping[str, FieldDefinition]]:
    found: dict[str, Mapping[str, FieldDefinition]] = {}
    for table in tables:
        try:
            made = record_definition(
                str(table["id"]), str(table["es"]), str(table["en"]), filter(str.strip, table["fields"].splitlines())
            )
        except (KeyError, ValueError, AttributeError) as error:
            raise SchemaError(f"record {table.get('id')}: {error}") from None
        found[made.id] = made.fields
    return found


def _expanded(where: str, words: Sequence[str], groups: Table) -> list[str]:
    found: list[str] = []
    for word in words:
        if not isinstance(word, str):
            raise SchemaError(f"{where}: a list of words is needed")
        if word.startswith("@") and word[1:] not in groups:
            raise SchemaError(f"{where}: there is no group or set {word}")
        found += [item for item in (groups[word[1:]] if word.startswith("@") else [word]) if item not in found]
    return found


def _need(where: str, text: Any) -> dict[str, Any]:
    """Read ``c4``, ``duty``, ``c8|duty``, ``2``, ``c13+2``."""
    match = _NEED.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise SchemaError(f"{where}: a need is written c4, duty, c8|duty, 2 or c4+2")
    scope, people = match["scope"], match["two"] or match["people"]
    need: dict[str, Any] = {}
    if scope == "duty" or match["or"]:
        need["duty"] = True
    if scope and scope != "duty":
        need["scope"] = scope
    if people:
        need["approvals"] = int(people)
    return need


def _known_words(where: str, table: Table, words: set[str]) -> None:
    if unknown := sorted(set(table) - words):
        raise SchemaError(f"{where}: unknown word {unknown[0]}")


def _since(tables: Table) -> Any:
    since = tables.get("since")
    if isinstance(since, datetime) and since.tzinfo is not None:
        return int(since.timestamp())
    raise SchemaError("since: a moment with its time zone is needed, as 2025-12-01T00:00:00Z")


def _lines(policy: Mapping[str, Any]) -> bytes:
    write: Callable[[Any], str] = lambda value: dumps(value, ensure_ascii=False, separators=(",", ":"))  # noqa: E731 - one word for one way of writing
    members = []
    for name, value in policy.items():
        entries = ",\n".join(write(entry) for entry in value) if isinstance(value, list) else None
        members.append(f"{write(name)}:" + (write(value) if entries is None else f"[\n{entries}]"))
    data = ("{" + ",\n".join(members) + "}\n").encode()
    if len(data) > MAX_POLICY_BYTES:
        raise SchemaError(f"the policy has {len(data)} bytes, at most {MAX_POLICY_BYTES} are a policy")
    return data

"""Two policies compared in words: what becomes wider, what narrower, what merely other. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from contracts.fields import Form
from contracts.fields.kinds import at_most
from contracts.ids import Code
from contracts.messages import MESSAGE_TYPES
from contracts.policy.entries import ANY_ROLE, BlindSearch, Flow, Need, Rule, covers
from contracts.policy.model import RETAIN_DAYS, Policy
from contracts.policy.words import Labelled, Lang, need_in_words, say, word, words
from contracts.register import Role


class Direction(StrEnum):
    """Which way a change goes."""

    WIDER = "wider"
    NARROWER = "narrower"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Change:
    """One change, said in words. `where` names what it is about: ``message``, ``field``, ``terms``, ``norm`` …"""

    direction: Direction
    where: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _State:
    """What a rule says of one field in one message."""

    form: Form
    need: Need | None
    about: frozenset[str]


class _Named(Labelled, Protocol):
    """An entry of a policy: a name and labels."""

    @property
    def id(self) -> Code:
        """Its name."""
        ...


EntryKind = TypeVar("EntryKind", bound=_Named)
_Cell = tuple[str, str, str]
"""A message type, a recipient role, a purpose."""


def compare_policies(old: Policy, new: Policy, lang: Lang) -> list[Change]:
    """Return every change from `old` to `new`, wider ones first."""
    found = [
        *_message_changes(old, new, lang),
        *_field_changes(old, new, lang),
        *_term_changes(old, new, lang),
        *_second_person_changes(old, new, lang),
        *_search_changes(old, new, lang),
        *_norm_changes(old, new, lang),
    ]
    order = list(Direction)
    return sorted(found, key=lambda change: order.index(change.direction))


# -- messages --------------------------------------------------------------------------------------------------------------


def _message_changes(old: Policy, new: Policy, lang: Lang) -> Iterator[Change]:
    for kind in MESSAGE_TYPES:
        opened: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        closed: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        before, after = _ways(old, kind), _ways(new, kind)
        for pair in before.keys() | after.keys():
            opened[pair] = after.get(pair, set()) - before.get(pair, set())
            closed[pair] = before.get(pair, set()) - after.get(pair, set())
        for direction, ways in ((Direction.WIDER, opened), (Direction.NARROWER, closed)):
            for text in _ways_in_words(kind, ways, direction, lang):
                yield Change(direction, "message", text)


def _ways(policy: Policy, kind: str) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """Return, by sender and recipient, the purposes and bases a message type may go on."""
    found: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    bans = [ban for ban in policy.forbids if kind in ban.kinds]
    for flow in policy.flows:
        if kind not in flow.kinds:
            continue
        ways = {(purpose, basis) for purpose in flow.purposes for basis in flow.bases}
        for sender in _each(flow.senders):
            for recipient in _each(flow.recipients):
                if not any(covers(ban.senders, sender) and covers(ban.recipients, recipient) for ban in bans):
                    found[sender, recipient] |= ways
    return found


def _ways_in_words(
    kind: str, ways: Mapping[tuple[str, str], set[tuple[str, str]]], direction: Direction, lang: Lang
) -> Iterator[str]:
    # Senders and recipients with the same change are told together, so that a group reads as a group.
    by_way: dict[tuple[str, frozenset[tuple[str, str]]], list[str]] = defaultdict(list)
    for (sender, recipient), reasons in ways.items():
        if reasons:
            by_way[sender, frozenset(reasons)].append(recipient)
    by_recipients: dict[tuple[tuple[str, ...], frozenset[tuple[str, str]]], list[str]] = defaultdict(list)
    for (sender, changed), whom in by_way.items():
        by_recipients[tuple(sorted(whom)), changed].append(sender)
    es = lang == "es"
    verb = {
        Direction.WIDER: "puede ir ahora" if es else "may now go",
        Direction.NARROWER: "ya no puede ir" if es else "may no longer go",
    }[direction]
    for (recipients, changed), senders in sorted(by_recipients.items(), key=lambda item: (item[0][0], sorted(item[1]))):
        why = ", ".join(sorted({purpose for purpose, _ in changed}))
        law = ", ".join(sorted({basis for _, basis in changed}))
        who, to = words("role", sorted(senders), lang), words("role", recipients, lang)
        yield (
            f"{word('kind', kind, lang)} ({kind}) {verb} de {who} a {to} (finalidad {why}; base {law})"
            if es
            else f"{word('kind', kind, lang)} ({kind}) {verb} from {who} to {to} (purpose {why}; basis {law})"
        )


# -- fields ----------------------------------------------------------------------------------------------------------------


def _field_changes(old: Policy, new: Policy, lang: Lang) -> Iterator[Change]:
    for record in sorted({rule.record for rule in (*old.rules, *new.rules)}):
        before, after = _states(old, record), _states(new, record)
        grouped: dict[tuple[str, _State | None, _State | None], set[_Cell]] = defaultdict(set)
        for key in before.keys() | after.keys():
            one, other = before.get(key), after.get(key)
            if one != other:
                grouped[key[0], one, other].add(key[1])
        together: dict[tuple[_State | None, _State | None, frozenset[_Cell]], list[str]] = defaultdict(list)
        for (name, one, other), where in grouped.items():
            together[one, other, frozenset(where)].append(name)
        for (one, other, cells), names in together.items():
            policy = new if other is not None else old
            direction = _direction(policy, record, names[0], one, other)
            yield Change(direction, "field", _fields_in_words(policy, record, (names, one, other, cells), lang))


def _states(policy: Policy, record: str) -> dict[tuple[str, _Cell], _State]:
    found = {}
    for rule in policy.rules:
        if rule.record != record:
            continue
        for cell in _cells(rule):
            for name, form in rule.fields.items():
                found[str(name), cell] = _State(form, rule.need_of(name), frozenset(rule.about))
    return found


def _cells(rule: Rule) -> Iterator[_Cell]:
    for kind in rule.kinds:
        for role in _each(rule.recipients):
            for purpose in rule.purposes:
                yield (str(kind), role.value, str(purpose))


def _direction(policy: Policy, record: str, name: str, one: _State | None, other: _State | None) -> Direction:
    if one is None or other is None:
        return Direction.WIDER if one is None else Direction.NARROWER
    kind = policy.fields_of(record)[name].kind
    finer = not at_most(kind, other.form, one.form)
    coarser = not at_most(kind, one.form, other.form)
    wider = finer or _asks_less(one.need, other.need) or not other.about <= one.about
    narrower = coarser or _asks_less(other.need, one.need) or not one.about <= other.about
    if wider and narrower:
        # Both at once: what leaves more is what people must see first.
        return Direction.WIDER
    return Direction.WIDER if wider else Direction.NARROWER


def _asks_less(one: Need | None, other: Need | None) -> bool:
    """Return whether some grant is enough for `other` that was not for `one`."""
    if one is None:
        return False
    if other is None:
        return True
    if (other.approvals or 1) < (one.approvals or 1):
        return True
    ways_before = {way for way in (one.scope, "duty" if one.duty else None) if way}
    ways_after = {way for way in (other.scope, "duty" if other.duty else None) if way}
    return bool(ways_before) and (not ways_after or not ways_after <= ways_before)


def _fields_in_words(
    policy: Policy, record: str, change: tuple[list[str], _State | None, _State | None, frozenset[_Cell]], lang: Lang
) -> str:
    names, one, other, cells = change
    found = policy.record_of(record)
    labels = ", ".join(found.fields[name].label(lang) for name in sorted(names)) if found else ", ".join(sorted(names))
    kinds = words("kind", sorted({kind for kind, _, _ in cells}), lang)
    roles = words("role", sorted({role for _, role, _ in cells}), lang)
    purposes = ", ".join(sorted({purpose for _, _, purpose in cells}))
    es = lang == "es"
    where = f"{kinds} a {roles} ({purposes})" if es else f"{kinds} to {roles} ({purposes})"
    title = found.label(lang) if found else record
    if other is None:
        return f"{title}: {labels} {'ya no sale en' if es else 'no longer leaves in'} {where}"
    now = _state_in_words(other, lang)
    if one is None:
        return f"{title}: {labels} {'sale ahora' if es else 'now leaves'} {now} {'en' if es else 'in'} {where}"
    before = _state_in_words(one, lang)
    if es:
        return f"{title}: {labels} pasa de «{before}» a «{now}» en {where}"
    return f"{title}: {labels} goes from «{before}» to «{now}» in {where}"


def _state_in_words(state: _State, lang: Lang) -> str:
    told = [word("form", state.form.value, lang)]
    if state.need is not None:
        told.append(f"{'con' if lang == 'es' else 'with'} {need_in_words(state.need, lang)}")
    if state.about:
        told.append("+ " + words("about", sorted(state.about), lang))
    return " ".join(told)


# -- the rest --------------------------------------------------------------------------------------------------------------


def _term_changes(old: Policy, new: Policy, lang: Lang) -> Iterator[Change]:
    es = lang == "es"
    sorts: tuple[tuple[Callable[[Flow], int | None], bool | None, str, str], ...] = (
        (lambda flow: flow.deadline_hours, None, "plazo (horas)", "deadline (hours)"),
        (lambda flow: flow.urgent_hours, None, "plazo urgente (horas)", "urgent deadline (hours)"),
        (lambda flow: flow.life_hours, None, "plazo con vida en riesgo (horas)", "deadline with life at risk (hours)"),
        (lambda flow: flow.escalate_hours, None, "aviso a una persona (horas)", "escalation (hours)"),
        (lambda flow: flow.retain_days or RETAIN_DAYS, True, "conservación (días)", "retention (days)"),
        (lambda flow: flow.approvals or 1, False, "personas que autorizan", "people who release it"),
    )
    for flow in new.flows:
        before = old.flow(flow.id)
        if before is not None and old.counting(flow.id) is not new.counting(flow.id):
            how = "cómo corren las horas" if es else "how hours run"
            told = f"{flow.id}: {how} {old.counting(flow.id)} → {new.counting(flow.id)}"
            yield Change(Direction.OTHER, "terms", told)
        for read, more_is_wider, name_es, name_en in sorts if before is not None else ():
            one, other = read(before) if before else None, read(flow)
            if one != other:
                direction = Direction.OTHER
                if more_is_wider is not None:
                    direction = Direction.WIDER if ((other or 0) > (one or 0)) is more_is_wider else Direction.NARROWER
                text = f"{flow.id}: {name_es if es else name_en} {one or '—'} → {other or '—'}"
                yield Change(direction, "terms", text)


def _second_person_changes(old: Policy, new: Policy, lang: Lang) -> Iterator[Change]:
    for name, one, other in _pairs(old.second_person, new.second_person):
        direction = Direction.NARROWER if one is None else Direction.WIDER if other is None else Direction.OTHER
        yield Change(direction, "second-person", f"{name}: {say(other or one, lang)}{_how(one, other, lang)}")


def _search_changes(old: Policy, new: Policy, lang: Lang) -> Iterator[Change]:
    for name, one, other in _pairs(old.searches, new.searches):
        direction = _search_direction(one, other)
        text = f"{name}: {say(other or one, lang)}{_how(one, other, lang)}"
        if one is not None and other is not None:
            quotas = (
                f"{one.cases_per_day} × {one.evaluations_per_case}",
                f"{other.cases_per_day} × {other.evaluations_per_case}",
            )
            text += f" {quotas[0]} → {quotas[1]}"
        yield Change(direction, "blind-search", text)


def _search_direction(one: BlindSearch | None, other: BlindSearch | None) -> Direction:
    if one is None or other is None:
        return Direction.WIDER if one is None else Direction.NARROWER
    more = other.cases_per_day > one.cases_per_day or other.evaluations_per_case > one.evaluations_per_case
    more = more or other.epoch_days < one.epoch_days
    for before, after in ((one.askers, other.askers), (one.answerers, other.answerers)):
        more = more or not set(_each(after)) <= set(_each(before))
    for why, now in ((one.purposes, other.purposes), (one.bases, other.bases)):
        more = more or not set(now) <= set(why)
    return Direction.WIDER if more else Direction.NARROWER


def _norm_changes(old: Policy, new: Policy, lang: Lang) -> Iterator[Change]:
    sorts: tuple[tuple[str, Sequence[_Named], Sequence[_Named]], ...] = (
        ("norm", old.bases, new.bases),
        ("scope", old.scopes, new.scopes),
        ("purpose", old.purposes, new.purposes),
        ("record", old.records, new.records),
    )
    for sort, before, after in sorts:
        for name, one, other in _pairs(before, after):
            yield Change(Direction.OTHER, sort, f"{name}: {say(other or one, lang)}{_how(one, other, lang)}")
    for name, basis, now in _pairs(old.bases, new.bases):
        if basis is not None and now is not None and basis.verified != now.verified:
            told = ("verificada", "sin verificar") if lang == "es" else ("verified", "not verified")
            yield Change(Direction.OTHER, "norm", f"{name}: {told[not now.verified]}")
    bans: tuple[tuple[str, Sequence[_Named], Sequence[_Named]], ...] = (
        ("never", old.nevers, new.nevers),
        ("forbid", old.forbids, new.forbids),
    )
    for sort, before, after in bans:
        for name, ban, ban_now in _pairs(before, after):
            direction = Direction.WIDER if ban_now is None else Direction.NARROWER if ban is None else Direction.OTHER
            yield Change(direction, sort, f"{name}: {say(ban_now or ban, lang)}{_how(ban, ban_now, lang)}")


def _pairs(old: Sequence[EntryKind], new: Sequence[EntryKind]) -> Iterator[tuple[str, EntryKind | None, EntryKind | None]]:
    """Return entries that differ, by id; None where a policy has none of that name."""
    before, after = ({str(entry.id): entry for entry in entries} for entries in (old, new))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)


def _how(one: object | None, other: object | None, lang: Lang) -> str:
    if one is not None and other is not None:
        return " (cambia)" if lang == "es" else " (changed)"
    if one is None:
        return " (nuevo)" if lang == "es" else " (new)"
    return " (se quita)" if lang == "es" else " (removed)"


def _each(roles: Iterable[str]) -> tuple[Role, ...]:
    listed = tuple(roles)
    return tuple(Role) if ANY_ROLE in listed else tuple(Role(role) for role in listed)

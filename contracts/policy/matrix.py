"""The policy as a table: what leaves of each field to each recipient role at most, and which rules say so. Pure."""

from dataclasses import dataclass

from contracts.ids import Code
from contracts.policy.entries import Rule, covers
from contracts.policy.model import Policy
from contracts.policy.words import Lang, need_in_words, word
from contracts.register import Role


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One field, and what each role may get of it: role → words. A role that gets nothing has no entry."""

    field: str
    label: str
    sensitivity: str
    cells: dict[str, str]


def matrix(policy: Policy, record: str, lang: Lang, *, kind: str | None = None, purpose: str | None = None) -> list[MatrixRow]:
    """Return what leaves of a record type at most, by field and recipient role, over all rules or those asked for."""
    rows = []
    for name, found in policy.fields_of(record).items():
        cells: dict[str, str] = {}
        for role in Role:
            rules = [rule for rule in rules_to(policy, record, role, kind=kind, purpose=purpose) if Code(name) in rule.fields]
            if rules:
                best = min(rules, key=lambda rule: (found.forms.index(rule.fields[Code(name)]), _asks(rule, name)))
                cells[role.value] = _cell(best, name, lang)
        rows.append(MatrixRow(name, found.label(lang), f"S{found.sensitivity.value}", cells))
    return rows


def rules_to(policy: Policy, record: str, role: Role, *, kind: str | None = None, purpose: str | None = None) -> list[Rule]:
    """Return the rules by which anything of a record type goes to a role, of those asked for."""
    return [
        rule
        for rule in policy.rules
        if rule.record == record
        and covers(rule.recipients, role)
        and (kind is None or kind in rule.kinds)
        and (purpose is None or purpose in rule.purposes)
    ]


def _asks(rule: Rule, name: str) -> int:
    need = rule.need_of(name)
    return 0 if need is None else 1 + (need.approvals or 0)


def _cell(rule: Rule, name: str, lang: Lang) -> str:
    need = need_in_words(rule.need_of(name), lang)
    form = word("form", rule.fields[Code(name)].value, lang)
    return f"{form} ({need})" if need else form

"""Who has what of a case, as a family can read it: institution by institution, field by field, and what became of each copy."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from contracts.policy import Policy
from contracts.policy.words import word
from gateway.console.marking import N_
from gateway.console.pages.letters import type_in_words
from gateway.console.pages.questions import basis_in_words, purpose_in_words
from gateway.console.words import Words
from gateway.exchange.holdings import GONE, Holding, RecallState

STATES = {
    RecallState.HELD: N_("lo tiene"),
    RecallState.NOT_TAKEN: N_("no lo aceptó: no lo tiene"),
    RecallState.UNKNOWN: N_("se envió y no se sabe si llegó"),
    RecallState.WITHDRAWN: N_("no llegó a salir"),
    RecallState.WANTED: N_("debe borrarlo; aún no se le pudo avisar"),
    RecallState.ORDERED: N_("se le ordenó borrarlo; falta su constancia"),
    RecallState.ERASED: N_("lo borró, con constancia firmada"),
    RecallState.REFUSED: N_("dice que una ley le obliga a conservarlo"),
}
OUTSTANDING = frozenset({RecallState.WANTED, RecallState.ORDERED, RecallState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Copy:
    """One field that an institution has or had."""

    label: str
    form: str
    at: datetime
    purpose: str
    basis: str
    state: str
    keep_until: datetime
    overdue: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class Holder:
    """One institution and what it was given, by type of record."""

    node: str
    name: str
    sorts: tuple[tuple[str, tuple[Copy, ...]], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """How many fields of a type of record an institution has, in how many of them something is to come back, since when."""

    has: int
    back: int
    gone: int
    since: datetime | None


def holders(lines: Iterable[Holding], policy: Policy, told: Words, name: Callable[[str], str]) -> list[Holder]:
    """Return who was given what, institution by institution."""
    found = []
    for node, held in groupby(lines, key=lambda line: line.node):
        sorts = [
            (type_in_words(sort, policy, told), tuple(_copy(line, policy, told) for line in same))
            for sort, same in groupby(held, key=lambda line: line.record_type)
        ]
        found.append(Holder(str(node), name(str(node)), tuple(sorts)))
    return sorted(found, key=lambda holder: holder.name)


def _copy(line: Holding, policy: Policy, told: Words) -> Copy:
    known = policy.fields_of(line.record_type).get(line.field)
    return Copy(
        label=line.field if known is None else known.label(told.lang),
        form=word("form", line.form, told.lang),
        at=line.sent_at,
        purpose=purpose_in_words(policy, line.purpose, told),
        basis=basis_in_words(policy, line.basis, told),
        state=told.gettext(STATES[line.recall]),
        keep_until=line.retain_until,
        overdue=line.overdue,
        gone=line.recall in GONE,
    )


def matrix(
    lines: Sequence[Holding], policy: Policy, told: Words, name: Callable[[str], str]
) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    """Return the types of record there are, and for each institution a cell for each of them."""
    types = sorted({line.record_type for line in lines})
    nodes = sorted({str(line.node) for line in lines}, key=name)
    rows = [
        (name(node), [_cell([line for line in lines if line.node == node and line.record_type == kind]) for kind in types])
        for node in nodes
    ]
    return [type_in_words(kind, policy, told) for kind in types], rows


def _cell(lines: Sequence[Holding]) -> Cell:
    kept = {line.field for line in lines if line.recall not in GONE}
    back = {line.field for line in lines if line.recall in OUTSTANDING}
    return Cell(
        len(kept),
        len(back),
        len({line.field for line in lines} - kept),
        min((line.sent_at for line in lines if line.recall not in GONE), default=None),
    )

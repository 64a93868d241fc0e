"""Two reports about one person: searched for once; who reported what stays apart, for they may be estranged (E2; SPEC 19.6)."""

from contracts.errors import MessageConflictError, NotPermittedError
from contracts.ids import ActorPseudonym, ThreadId
from gateway.exchange.acts import note_act
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import CaseEntry, Nudge, UnitOfWork
from gateway.exchange.work import NoSuchWorkError

_REPORTS = frozenset({"report", "report-sent"})


async def join(case: CaseEntry, to: CaseEntry, work: UnitOfWork, node: Capabilities, *, actor: ActorPseudonym) -> None:
    """Note that the person of `case` is the one of `to`: from now on they are searched for in `to`.

    Nothing else of `case` changes: its reporter, their consents and what left of it stay its own.

    Raises:
        NotPermittedError: one is no report, both are one, or `to` itself stands for another.
        MessageConflictError: `case` stands for another already, or others stand for it.
    """
    if case.kind not in _REPORTS or to.kind not in _REPORTS or case.thread_id == to.thread_id:
        raise NotPermittedError("two reports are joined, and nothing else")
    if to.same_as is not None:
        raise NotPermittedError("that case itself stands for another: name that one")
    if case.same_as not in {None, to.thread_id} or await work.cases.with_same_person(case.thread_id):
        raise MessageConflictError("it is joined to another case already")
    if case.same_as is None:
        await work.cases.same_person(case.thread_id, to.thread_id)
        await _log(case, to.thread_id, work, node, actor=actor)


async def part(case: CaseEntry, work: UnitOfWork, node: Capabilities, *, actor: ActorPseudonym) -> None:
    """Note that it was somebody else after all: namesakes are many.

    Raises:
        NoSuchWorkError: it stands for no other case.
    """
    if case.same_as is None:
        raise NoSuchWorkError("it stands for itself")
    await work.cases.same_person(case.thread_id, None)
    await _log(case, None, work, node, actor=actor)


async def _log(case: CaseEntry, to: ThreadId | None, work: UnitOfWork, node: Capabilities, *, actor: ActorPseudonym) -> None:
    detail = f"case.parted {case.thread_id}" if to is None else f"case.same-person {case.thread_id} {to}"
    await note_act(detail, work, node, actor=actor)
    node.nudge(Nudge.LOG)

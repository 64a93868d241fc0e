"""That a person did something, in this node's log: staged in the transaction of what they did."""

from contracts.ids import ActorPseudonym
from contracts.leaves import LeafEvent, LeafFields
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import UnitOfWork


async def note_act(
    detail: str, work: UnitOfWork, node: Capabilities, *, actor: ActorPseudonym, case_ref: str | None = None
) -> None:
    """Stage the leaf of an act: codes and ids, and the case under a name that is ours alone. The caller nudges the log."""
    fields = LeafFields(
        at=int(node.clock.now().timestamp()),
        event=LeafEvent.ADMIN,
        actor=actor,
        case=None if case_ref is None else node.pseudonyms.case_alias(case_ref, node.us),
        detail=detail,
    )
    await work.audit.stage([node.leaves.leaf(fields)])

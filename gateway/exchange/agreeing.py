"""Two persons for what one must not decide alone: lifting a rule that protects somebody, ending a search (SPEC 18.3)."""

from datetime import timedelta

from contracts.ids import Code
from gateway.exchange.acts import note_act
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.gate import By
from gateway.exchange.ports import Nudge, UnitOfWork

PERSONS = 2
TERM = timedelta(days=7)
"""How long a first person's word stands while it waits for the second."""


async def agreed(act: Code, case_ref: str, what: str, work: UnitOfWork, node: Capabilities, *, by: By) -> bool:
    """Note that a person agrees to an act; True when two different persons have, this one among them.

    `what` tells one act from every other of its kind about this case, one that was done before included; it is written
    into the log, so it carries codes and moments alone. A person is their id: neither two sessions nor two offices are two.
    """
    now, case = node.clock.now(), node.pseudonyms.case_alias(case_ref, node.us)
    await work.departures.serialise([case_ref])  # two who agree at once must see each other
    persons = await work.holds.agree(f"{act} {case} {what}", by.person, now=now, since=now - TERM)
    await note_act(f"agreed {act} {what}", work, node, actor=by.actor, case_ref=case_ref)
    node.nudge(Nudge.LOG)
    return len(persons) >= PERSONS

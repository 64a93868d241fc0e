"""Two persons: an approval counts by who gave it, never by how often, from where or under which name it was given.

A person is their id. It survives a disabled account, a new password, another office; a login is never given to a second id.
"""

from contracts.ids import Code
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError
from gateway.people.sign_in import Principal


async def approve(act: Code, subject: str, by: Principal, desk: PeopleDesk) -> int:
    """Note that a person approves of `act` on `subject` (an id); return how many different persons have by now.

    The first approval is that of whoever proposes; what needs two persons goes ahead at two.

    Raises:
        InvalidError: nobody signed in.
    """
    if by.person_id is None:
        raise InvalidError("Una aprobación la da una persona.", advice="Entre con `paradero login USUARIO`.")
    about, now = f"{act} {subject}", desk.clock.now()
    async with desk.begin() as work:
        if await work.approvals.give(about, by.person_id, now=now):
            await work.audit.stage([desk.leaf("approval.given", now=now, actor=by.actor, outcome=about)])
        return len(await work.approvals.given(about))

"""A link that lets one person in, once, without a password: for a demonstration, whose people are made up.

It stands beside a person's invitation, by a digest that opens nothing else; whatever ends an invitation ends it too. Where
it may be made and used is the callers' to see to: on the machine of a demonstration node, and nowhere else.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.codec import b64u_encode
from gateway.people.desk import PeopleDesk
from gateway.people.errors import TakenError, UnknownError, WrongCredentialsError
from gateway.people.ids import Login
from gateway.people.ports import Invitation, PersonState
from gateway.people.sign_in import Knock, SignedIn, open_session
from keys.passwords import new_secret, secret_digest

LIFE = timedelta(minutes=15)
_USE = b"link\0"
_CODE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Link:
    """A code that signs one person in, once, until `expires_at`. Told once; we keep its digest."""

    login: Login
    code: str
    expires_at: datetime


async def make_link(login: str, desk: PeopleDesk) -> Link:
    """Make a link for somebody who works here; one made before for the same person opens nothing any more.

    Raises:
        UnknownError: no such account.
        TakenError: it is shut, or nobody has accepted its invitation yet.
    """
    now = desk.clock.now()
    async with desk.begin() as work:
        person = await work.persons.by_login(Login(login))
        if person is None:
            raise UnknownError("No hay una persona con ese usuario.", advice="Véase `paradero user list`.")
        if person.state is not PersonState.ENABLED:
            raise TakenError("Esa cuenta no está abierta.", advice="Sólo entra por un enlace quien ya aceptó su invitación.")
        random = desk.randomness.token(32)
        _, digest = new_secret(random, _USE)
        expires = now + LIFE
        await work.sessions.invite(Invitation(digest, person.person_id, expires))
        await work.audit.stage([desk.leaf("user.link", now=now, actor=None, subject=person.person_id)])
    desk.nudge_log()
    return Link(person.login, random.hex(), expires)


async def enter(code: str, knock: Knock, desk: PeopleDesk) -> SignedIn:
    """Use a link up and come in.

    Raises:
        WrongCredentialsError: there is no such link, it was used, it has expired, or the account is not open.
    """
    digest, now = _digest(code), desk.clock.now()
    if digest is None:
        raise WrongCredentialsError
    async with desk.begin() as work:
        person_id = await work.sessions.take(digest, now=now)
        person = None if person_id is None else await work.persons.by_id(person_id)
        if person is None or person.state is not PersonState.ENABLED:
            raise WrongCredentialsError
        await work.audit.stage([desk.leaf("user.link-used", now=now, actor=desk.pseudonym(person.person_id))])
        found = await open_session(person, knock, work, desk)
    desk.nudge_log()
    return found


def _digest(code: str) -> bytes | None:
    # Hexadecimal, unlike every other secret: the path of a page has no capital letters.
    return secret_digest(b64u_encode(bytes.fromhex(code)), _USE) if _CODE.fullmatch(code) else None

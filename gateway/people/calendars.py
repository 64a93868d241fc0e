"""The secret address under which a calendar program reads a person's deadlines: it has no cookie, and no password.

It opens that list and nothing else, and ends when its owner says so, makes another, or can no longer come in. The node keeps
the digest; what is shown again to its owner is made anew of the vault's key.
"""

from contracts.codec import b64u_encode
from gateway.people.desk import PeopleDesk
from gateway.people.errors import UnknownError, WaitError
from gateway.people.ids import PersonId
from gateway.people.own_factors import whose
from gateway.people.ports import Listed, PersonState
from gateway.people.sign_in import Principal
from gateway.people.slowdown import FORGOTTEN, Bucket, after_failure, waiting
from keys.passwords import secret_digest

_USE = b"calendar\0"
_FREE = 20


async def make_address(by: Principal, desk: PeopleDesk) -> None:
    """Make a person's secret; one made before opens nothing any more.

    Raises:
        SignedOutError: it is the node's machine, which is nobody.
    """
    person, now = whose(by), desk.clock.now()
    nonce = desk.randomness.token(16)
    digest = secret_digest(_secret(person, nonce, desk), _USE)
    async with desk.begin() as work:
        await work.calendar_links.put(person, digest or b"", nonce, now=now)
        await work.audit.stage([desk.leaf("calendar.address-made", now=now, actor=by.actor)])
    desk.nudge_log()


async def drop_address(by: Principal, desk: PeopleDesk) -> None:
    """Forget a person's secret: it opens nothing any more.

    Raises:
        SignedOutError: it is the node's machine, which is nobody.
    """
    person, now = whose(by), desk.clock.now()
    async with desk.begin() as work:
        if await work.calendar_links.drop(person):
            await work.audit.stage([desk.leaf("calendar.address-dropped", now=now, actor=by.actor)])
    desk.nudge_log()


async def address_of(by: Principal, desk: PeopleDesk) -> str | None:
    """Return a person's own secret, to be shown to them; None when they have none."""
    person = whose(by)
    nonce = await desk.reader.calendar_nonce(person)
    return None if nonce is None else _secret(person, nonce, desk)


async def owner_of(secret: str, address: str, desk: PeopleDesk) -> Listed:
    """Return whose secret it is. Who knows one is never held up; who guesses from an address is, more and more.

    Raises:
        UnknownError: nobody's, or of somebody who can no longer come in.
        WaitError: too many from there were nobody's.
    """
    digest = secret_digest(secret, _USE)
    found = None if digest is None else await desk.reader.calendar_owner(digest)
    if found is not None and found.person.state is PersonState.ENABLED:
        return found
    now, bucket = desk.clock.now(), Bucket(desk.bucket(f"calendar\0{address}"), _FREE)
    async with desk.begin() as work:
        known = (await work.failures.find([bucket.key])).get(bucket.key)
        seconds = waiting(known, now)
        if seconds:
            raise WaitError(seconds)
        await work.failures.put([after_failure(bucket, known, now)], forget_before=now - FORGOTTEN)
    raise UnknownError("No hay nada en esta dirección.")


def _secret(person: PersonId, nonce: bytes, desk: PeopleDesk) -> str:
    # Keyed by the vault: whoever reads the database has half of what it is made of, and not the other.
    return b64u_encode(desk.bucket(f"calendar-address\0{person}\0{nonce.hex()}"))

"""Coming in and going out. A session is a random token that only its holder has; we keep its digest (SPEC 13.3).

A failure is written down **before** the password is looked at and taken back when it was right: guesses made side by side
count like guesses made one after another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.ids import ActorPseudonym, Code
from gateway.exchange.ports import StagedLeaf
from gateway.people.desk import PeopleDesk
from gateway.people.errors import ConfirmError, NotAllowedError, SignedOutError, WaitError, WrongCredentialsError
from gateway.people.ports import Failures, Login, PeopleWork, Person, PersonId, PersonState, Post, Session
from gateway.people.roles import PERMISSIONS, ROLE_NAMES, SENSITIVE, Permission, Role
from gateway.people.slowdown import FORGOTTEN, Bucket, after_failure, burst, waiting
from keys.passwords import new_secret, secret_digest

_ACCOUNT_FREE, _ADDRESS_FREE = 5, 20
_TOUCH = timedelta(seconds=60)
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a person who signed in, or the node's machine. Two principals with one `person_id` are one person."""

    person_id: PersonId | None
    login: Login | None
    name: str
    actor: ActorPseudonym
    posts: frozenset[Post]
    signed_in_at: datetime
    expires_at: datetime

    def may(self, permission: Permission) -> bool:
        """Return whether one of their posts allows it."""
        return any(post.role in PERMISSIONS[permission] for post in self.posts)

    def may_at(self, permission: Permission, office: Code) -> bool:
        """Return whether a post at this office (or one at the node) allows it."""
        return any(post.role in PERMISSIONS[permission] and post.office in (office, None) for post in self.posts)

    def offices(self, permission: Permission) -> frozenset[Code] | None:
        """Return the offices at which they may do it; None when it is the whole node."""
        posts = [post for post in self.posts if post.role in PERMISSIONS[permission]]
        if any(post.office is None for post in posts):
            return None
        return frozenset(post.office for post in posts if post.office is not None)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What somebody who came in is given. `token` and `device` are told once."""

    token: str
    device: str
    principal: Principal


@dataclass(frozen=True, slots=True)
class Knock:
    """Somebody wants to come in: from which address, on a device that was here before, holding which session until now."""

    address: str
    device: str | None = None
    earlier: str | None = None


async def sign_in(login_text: str, password: str, knock: Knock, desk: PeopleDesk) -> SignedIn:
    """Check a password and open a session; whatever session the caller held before ends.

    Raises:
        WrongCredentialsError: any part is wrong; also for accounts that are disabled or not there, and as slowly.
        WaitError: too many failures.
    """
    person, buckets = await _admit(login_text, knock, desk)
    right = await desk.passwords.verify(password, None if person is None else person.password)
    if person is None or not right or person.state is not PersonState.ENABLED:
        raise WrongCredentialsError
    renewed = None
    if person.password is not None and desk.passwords.outdated(person.password):
        renewed = await desk.passwords.hash(password)
    async with desk.begin() as work:
        current = await work.persons.by_id(person.person_id)
        if current is None or current.state is not PersonState.ENABLED or current.password != person.password:
            raise WrongCredentialsError  # disabled, or the password changed, while we looked
        await _forgive(work, buckets)
        if renewed is not None:
            await work.persons.set_password(person.person_id, renewed)
        return await open_session(person, knock, work, desk)


async def _admit(login_text: str, knock: Knock, desk: PeopleDesk) -> tuple[Person | None, Sequence[Bucket]]:
    """Count a failure in every bucket this attempt belongs to, unless one of them says to wait."""
    now = desk.clock.now()
    async with desk.begin() as work:
        person = await _find(login_text, work)
        buckets = await _buckets(login_text, person, knock, work, desk)
        known = await work.failures.find([bucket.key for bucket in buckets])
        seconds = max(waiting(known.get(bucket.key), now) for bucket in buckets)
        if seconds:
            raise WaitError(seconds)
        counted = [after_failure(bucket, known.get(bucket.key), now) for bucket in buckets]
        await work.failures.put(counted, forget_before=now - FORGOTTEN)
        told = _told(person, counted, now, desk)
        await work.audit.stage(told)
    if told:
        desk.nudge_log()
    return person, buckets


async def _find(login_text: str, work: PeopleWork) -> Person | None:
    try:
        return await work.persons.by_login(Login(login_text))
    except ValueError:
        return None


async def _buckets(
    login_text: str, person: Person | None, knock: Knock, work: PeopleWork, desk: PeopleDesk
) -> Sequence[Bucket]:
    digest = None if knock.device is None else secret_digest(knock.device)
    if person is not None and digest is not None and await work.sessions.knows(digest, person.person_id):
        return [Bucket(desk.bucket(f"device\0{person.person_id}\0{digest.hex()}"), _ACCOUNT_FREE)]
    account = Bucket(desk.bucket(f"account\0{login_text}"), _ACCOUNT_FREE)
    return [account, Bucket(desk.bucket(f"address\0{knock.address}"), _ADDRESS_FREE)]


def _told(person: Person | None, counted: Sequence[Failures], now: datetime, desk: PeopleDesk) -> list[StagedLeaf]:
    # Of an account that is not there, only its address's failures are told: names strangers make up fill no log.
    told = []
    for place, failures in enumerate(counted):
        subject = person.person_id if person is not None and place == 0 else None
        if burst(failures.count) and (subject is not None or place > 0):
            told.append(desk.leaf("sign-in.failures", now=now, actor=None, subject=subject, outcome=str(failures.count)))
    return told


async def _forgive(work: PeopleWork, buckets: Sequence[Bucket]) -> None:
    # The account's own failures are over. The address's are not: one right password there must not pay for other guesses.
    for place, bucket in enumerate(buckets):
        if place == 0:
            await work.failures.clear(bucket.key)
        else:
            await work.failures.take_back(bucket.key)


async def open_session(person: Person, knock: Knock, work: PeopleWork, desk: PeopleDesk) -> SignedIn:
    """Open a session in a transaction that established who it is. Its token is new: none that came from outside is used."""
    now = desk.clock.now()
    token, digest = new_secret(desk.randomness.token(32))
    device, device_digest = new_secret(desk.randomness.token(32))
    if knock.earlier is not None and (earlier := secret_digest(knock.earlier)) is not None:
        await work.sessions.end(earlier)
    known = None if knock.device is None else secret_digest(knock.device)
    if knock.device is not None and known is not None and await work.sessions.knows(known, person.person_id):
        device, device_digest = knock.device, known
    session = Session(digest, person.person_id, now, now, now + desk.limits.session)
    await work.sessions.open(session)
    await work.sessions.remember(device_digest, person.person_id, now=now)
    await work.persons.signed_in(person.person_id, now=now)
    posts = await work.persons.posts(person.person_id)
    return SignedIn(token, device, _principal(session, person, posts, desk))


def _principal(session: Session, person: Person, posts: frozenset[Post], desk: PeopleDesk) -> Principal:
    actor = desk.pseudonym(person.person_id)
    return Principal(person.person_id, person.login, person.name, actor, posts, session.created_at, session.expires_at)


async def resolve(token: str, desk: PeopleDesk) -> Principal:
    """Return who holds a token.

    Raises:
        SignedOutError: nobody does, or the session has ended: by time, by going out, or because the person's account,
            password or posts changed.
    """
    digest = secret_digest(token)
    found = None if digest is None else await desk.reader.session(digest)
    if found is None or digest is None:
        raise SignedOutError
    session, person, posts = found
    now = desk.clock.now()
    over = now >= session.expires_at or now - session.used_at >= desk.limits.idle
    if over or session.created_at - now > _SKEW or person.state is not PersonState.ENABLED:
        raise SignedOutError
    if now - session.used_at >= _TOUCH:
        async with desk.begin() as work:
            await work.sessions.used(digest, now=now)
    return _principal(session, person, posts, desk)


async def sign_out(token: str, desk: PeopleDesk) -> None:
    """End a session."""
    digest = secret_digest(token)
    if digest is not None:
        async with desk.begin() as work:
            await work.sessions.end(digest)


def require(principal: Principal, permission: Permission, desk: PeopleDesk) -> None:
    """See to it that somebody may do something.

    Raises:
        NotAllowedError: no post of theirs allows it; says which roles do.
        ConfirmError: it is sensitive and they signed in too long ago.
    """
    if not principal.may(permission):
        names = sorted(ROLE_NAMES[role][0] for role in PERMISSIONS[permission] if role is not Role.MACHINE)
        raise NotAllowedError(
            "Ningún puesto suyo permite esto.",
            advice=f"Hace falta ser: {', '.join(names)}. Pídaselo a quien lo sea, o a la administración del nodo.",
        )
    if permission in SENSITIVE and desk.clock.now() - principal.signed_in_at > desk.limits.fresh:
        raise ConfirmError

"""Coming in and going out. A session is a random token that only its holder has; we keep its digest (SPEC 13.3).

A failure is written down **before** the password is looked at and taken back when it was right: guesses made side by side
count like guesses made one after another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from contracts.ids import ActorPseudonym, Code
from gateway.exchange.ports import StagedLeaf
from gateway.people.codes import begin_step, step_holder, use_code
from gateway.people.desk import PeopleDesk
from gateway.people.errors import (
    CodeNeededError,
    ConfirmError,
    FactorNeededError,
    NotAllowedError,
    SignedOutError,
    StepOverError,
    WaitError,
    WrongCodeError,
    WrongCredentialsError,
)
from gateway.people.factor_ports import STRONG, Method, Use
from gateway.people.ids import Login, PersonId
from gateway.people.ports import Failures, PeopleWork, Person, PersonState, Post, Session
from gateway.people.roles import PERMISSIONS, ROLE_NAMES, SENSITIVE, TWO_FACTORS, Permission, Role
from gateway.people.slowdown import FORGOTTEN, Bucket, after_failure, burst, waiting
from keys.passwords import new_secret, secret_digest

_ACCOUNT_FREE, _ADDRESS_FREE = 5, 20
TOUCH = timedelta(seconds=60)
"""How exactly it is kept when a session was last used."""
_SKEW = timedelta(minutes=5)


class Carrier(Enum):
    """What carries a session's token. The value goes into its digest: what one carries, the other does not open."""

    BEARER = b""
    COOKIE = b"cookie\0"


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
    method: Method = Method.PASSWORD
    factor_due: datetime | None = None
    """When a password alone is not enough for them any more; None where it is, or where they showed more."""

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
class HalfIn:
    """The password was right, and this person has a second factor. `step` is told once; the failure is not forgiven yet."""

    step: str


@dataclass(frozen=True, slots=True)
class Knock:
    """Somebody wants to come in: from which address, on a device that was here before, holding which session until now."""

    address: str
    device: str | None = None
    earlier: str | None = None
    carrier: Carrier = Carrier.BEARER


async def sign_in(login_text: str, password: str, knock: Knock, desk: PeopleDesk, code: str = "") -> SignedIn:
    """Check a password, and a code where there is a second factor, and open a session; the caller's session of before ends.

    Raises:
        WrongCredentialsError: any part is wrong; also for accounts that are disabled or not there, and as slowly.
        CodeNeededError: the password is right, there is a second factor, and no code was given.
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
        if renewed is not None:
            await work.persons.set_password(person.person_id, renewed)
        found = await second(current, code, knock, work, desk)
        await _settle(found, work, buckets)
    return settled(found, desk)


async def finish(step: str, code: str, knock: Knock, desk: PeopleDesk) -> SignedIn:
    """Go on from a right password with a code.

    Raises:
        StepOverError: it took too long, or was begun in another browser.
        WrongCodeError: the code is wrong, or was used; a failure like that of a password.
        WaitError: too many failures.
    """
    now = desk.clock.now()
    begun = await desk.reader.step(step_holder(step), Use.SECOND, now=now)
    if begun is None or begun.person_id is None:
        raise StepOverError
    async with desk.begin() as work:
        known = await work.persons.by_id(begun.person_id)
    person, buckets = await _admit("" if known is None else known.login, knock, desk)
    async with desk.begin() as work:
        current = None if person is None else await work.persons.by_id(person.person_id)
        if current is None or current.state is not PersonState.ENABLED:
            raise StepOverError
        if await work.steps.find(begun.holder, Use.SECOND, now=now) is None:
            raise StepOverError  # somebody else went on from it, or the account changed, while we looked
        method = await use_code(current.person_id, code, work, desk)
        found = None if method is None else await open_session(current, knock, work, desk, method)
        if found is not None:
            await work.steps.take(begun.holder, Use.SECOND, now=now)
        await _settle(found, work, buckets)
    return settled(found, desk)


async def second(
    person: Person, code: str, knock: Knock, work: PeopleWork, desk: PeopleDesk, *, method: Method = Method.PASSWORD
) -> SignedIn | HalfIn | None:
    """Go on where somebody's first proof was right: a session, a step to go on from, or None where a code was wrong."""
    held = await work.factors.held(person.person_id)
    if not held.any or method in STRONG:
        return await open_session(person, knock, work, desk, method)
    if not code:
        return HalfIn(await begin_step(Use.SECOND, person.person_id, b"", work, desk))
    shown = await use_code(person.person_id, code, work, desk)
    return None if shown is None else await open_session(person, knock, work, desk, shown)


def settled(found: SignedIn | HalfIn | None, desk: PeopleDesk) -> SignedIn:
    """Return a session, after the transaction that kept what was found.

    Raises:
        CodeNeededError, WrongCodeError: there is none.
    """
    desk.nudge_log()
    match found:
        case SignedIn():
            return found
        case HalfIn():
            raise CodeNeededError(found.step)
        case None:
            raise WrongCodeError


async def _settle(found: SignedIn | HalfIn | None, work: PeopleWork, buckets: Sequence[Bucket]) -> None:
    # Half in is no failure and forgives none: whoever has the password and guesses codes is slowed down like other guessers.
    if isinstance(found, SignedIn):
        await _forgive(work, buckets)
    elif isinstance(found, HalfIn):
        for bucket in buckets:
            await work.failures.take_back(bucket.key)


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


async def open_session(
    person: Person, knock: Knock, work: PeopleWork, desk: PeopleDesk, method: Method = Method.PASSWORD
) -> SignedIn:
    """Open a session in a transaction that established who it is. Its token is new: none that came from outside is used."""
    now = desk.clock.now()
    token, digest = new_secret(desk.randomness.token(32), knock.carrier.value)
    device, device_digest = new_secret(desk.randomness.token(32))
    if knock.earlier is not None and (earlier := secret_digest(knock.earlier, knock.carrier.value)) is not None:
        await work.sessions.end(earlier)
    known = None if knock.device is None else secret_digest(knock.device)
    if knock.device is not None and known is not None and await work.sessions.knows(known, person.person_id):
        device, device_digest = knock.device, known
    over = now + desk.limits.session
    session = Session(digest, person.person_id, now, now, over, method, pages=knock.carrier is Carrier.COOKIE)
    await work.sessions.open(session)
    person = await _noticed(person, session, work, desk)
    await work.sessions.remember(device_digest, person.person_id, now=now)
    await work.persons.signed_in(person.person_id, now=now)
    posts = await work.persons.posts(person.person_id)
    return SignedIn(token, device, _principal(session, person, posts, desk))


async def _noticed(person: Person, session: Session, work: PeopleWork, desk: PeopleDesk) -> Person:
    """Say, the first time a password alone let somebody in where more is asked, until when it will."""
    if not desk.limits.require_factor or session.method in STRONG or person.factor_due_at is not None:
        return person
    due = session.created_at + desk.limits.factor_grace
    await work.persons.factor_due(person.person_id, due)
    return replace(person, factor_due_at=due)


def _principal(session: Session, person: Person, posts: frozenset[Post], desk: PeopleDesk) -> Principal:
    asked = desk.limits.require_factor and any(post.role in TWO_FACTORS for post in posts)
    due = None
    if asked and session.method not in STRONG:
        due = person.factor_due_at or session.created_at + desk.limits.factor_grace
    return Principal(
        person_id=person.person_id,
        login=person.login,
        name=person.name,
        actor=desk.pseudonym(person.person_id),
        posts=posts,
        signed_in_at=session.created_at,
        expires_at=session.expires_at,
        method=session.method,
        factor_due=due,
    )


async def resolve(token: str, desk: PeopleDesk, carrier: Carrier = Carrier.BEARER) -> Principal:
    """Return who holds a token.

    Raises:
        SignedOutError: nobody does, or the session has ended: by time, by going out, or because the person's account,
            password or posts changed.
    """
    digest = secret_digest(token, carrier.value)
    found = None if digest is None else await desk.reader.session(digest)
    if found is None or digest is None:
        raise SignedOutError
    session, person, posts = found
    now = desk.clock.now()
    if not going_on(session, desk) or person.state is not PersonState.ENABLED:
        raise SignedOutError
    if now - session.used_at >= TOUCH:
        async with desk.begin() as work:
            await work.sessions.used(digest, now=now)
    return _principal(session, person, posts, desk)


async def sign_out(token: str, desk: PeopleDesk, carrier: Carrier = Carrier.BEARER) -> None:
    """End a session."""
    digest = secret_digest(token, carrier.value)
    if digest is not None:
        async with desk.begin() as work:
            await work.sessions.end(digest)


def require(principal: Principal, permission: Permission, desk: PeopleDesk) -> None:
    """See to it that somebody may do something.

    Raises:
        NotAllowedError: no post of theirs allows it; says which roles do.
        FactorNeededError: this node asks for more than a password, and the time to add it is over.
        ConfirmError: it is sensitive and they signed in too long ago.
    """
    if not principal.may(permission):
        names = sorted(ROLE_NAMES[role][0] for role in PERMISSIONS[permission] if role is not Role.MACHINE)
        raise NotAllowedError(
            "Ningún puesto suyo permite esto.",
            advice=f"Hace falta ser: {', '.join(names)}. Pídaselo a quien lo sea, o a la administración del nodo.",
        )
    if principal.factor_due is not None and desk.clock.now() >= principal.factor_due:
        raise FactorNeededError
    if permission in SENSITIVE:
        lately(principal, desk)


def lately(principal: Principal, desk: PeopleDesk) -> None:
    """See to it that somebody showed who they are a short while ago.

    Raises:
        ConfirmError: they did not.
    """
    if not is_fresh(principal, desk):
        raise ConfirmError


def is_fresh(principal: Principal, desk: PeopleDesk) -> bool:
    """Return whether somebody showed who they are a short while ago."""
    return desk.clock.now() - principal.signed_in_at <= desk.limits.fresh


def session_digest(token: str, carrier: Carrier) -> bytes:
    """Return what a session is kept by: steps that are under way in it are bound to this.

    Raises:
        SignedOutError: that is no session's token.
    """
    digest = secret_digest(token, carrier.value)
    if digest is None:
        raise SignedOutError
    return digest


def going_on(session: Session, desk: PeopleDesk) -> bool:
    """Return whether a session still lets somebody in: neither its time nor the time without use is over."""
    now = desk.clock.now()
    return now < session.expires_at and now - session.used_at < desk.limits.idle and session.created_at - now <= _SKEW


async def end_others(session: bytes, by: Principal, desk: PeopleDesk) -> int:
    """End every session of whoever asks but the one they ask in; return how many."""
    if by.person_id is None:
        raise SignedOutError
    async with desk.begin() as work:
        return await work.sessions.end_others(by.person_id, session)

"""Accounts: the first administrator, new people, passwords, disabling, posts. Whatever changes here is a leaf of the log.

An account is never deleted and its login never given again: who comes back is the same person, under the same id.
A change of password, state or posts ends that person's sessions in the same transaction.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contracts.ids import Code
from gateway.exchange.ports import StagedLeaf
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, NotAllowedError, SignedOutError, TakenError, UnknownError, WrongCredentialsError
from gateway.people.ids import Login, PersonId
from gateway.people.ports import Invitation, PeopleWork, Person, PersonState, Post
from gateway.people.roles import OFFICE_ROLES, Role, compatible
from gateway.people.sign_in import Knock, Principal, SignedIn, second, settled
from keys.passwords import new_secret, secret_digest

SHORTEST, LONGEST = 12, 256
_NAME = 120


@dataclass(frozen=True, slots=True)
class Invited:
    """A code that lets one person choose a password, once, until `expires_at`. Told once; we keep its digest."""

    login: Login
    code: str
    expires_at: datetime


async def bootstrap(login: str, name: str, password: str, desk: PeopleDesk) -> PersonId:
    """Make the first administrator, on the node's own machine, while there is nobody.

    Raises:
        TakenError: there is or was somebody.
        InvalidError: login, name or password is not what it must be.
    """
    now = desk.clock.now()
    kept = await desk.passwords.hash(checked_password(password, login))
    person = Person(desk.new_person_id(now), _login(login), _name(name), PersonState.ENABLED, kept, now, None)
    async with desk.begin() as work:
        if await work.persons.count():
            raise TakenError(
                "Este nodo ya tiene personas.", advice="Quien lo administra puede añadir otras: `paradero user add`."
            )
        await work.persons.add(person)
        await work.persons.set_posts(person.person_id, frozenset({Post(Role.NODE_ADMIN, None)}), now=now)
        await work.audit.stage([desk.leaf("user.bootstrap", now=now, actor=None, subject=person.person_id)])
    desk.nudge_log()
    return person.person_id


async def recover(login: str, desk: PeopleDesk) -> Invited:
    """Give an administrator who lost their password an invitation, on the node's own machine.

    Raises:
        UnknownError: no such account, or it does not administer this node.
    """
    now = desk.clock.now()
    async with desk.begin() as work:
        person = await work.persons.by_login(_login(login))
        if person is None or Post(Role.NODE_ADMIN, None) not in await work.persons.posts(person.person_id):
            raise UnknownError(
                "Nadie que administre este nodo tiene ese usuario.", advice="A las demás personas las invita la administración."
            )
        await _out(person, work)
        await work.persons.set_password(person.person_id, None)
        await work.persons.set_state(person.person_id, PersonState.INVITED)
        await _no_factors(person, work)  # nobody else could, for the last who administers; who is at the machine has the keys
        invited = await _invite(person, work, desk)
        await work.audit.stage([desk.leaf("user.recover", now=now, actor=None, subject=person.person_id)])
    return invited


async def add_person(login: str, name: str, posts: Iterable[str], by: Principal, desk: PeopleDesk) -> Invited:
    """Make an account and an invitation to it.

    Raises:
        TakenError: the login is or was somebody's.
        InvalidError, UnknownError, NotAllowedError: login, name or posts are not what they must be.
    """
    now = desk.clock.now()
    person = Person(desk.new_person_id(now), _login(login), _name(name), PersonState.INVITED, None, now, None)
    wanted = parse_posts(posts)
    async with desk.begin() as work:
        await _check_posts(wanted, work)
        if not await work.persons.add(person):
            raise TakenError(
                "Ese usuario es o fue de alguien.",
                advice="Si es la misma persona: `paradero user enable`. Si es otra, elija otro: un usuario no se da dos veces.",
            )
        await work.persons.set_posts(person.person_id, wanted, now=now)
        invited = await _invite(person, work, desk)
        told = [desk.leaf("user.add", now=now, actor=by.actor, subject=person.person_id), _posts_leaf(person, wanted, by, desk)]
        await work.audit.stage(told)
    desk.nudge_log()
    return invited


async def invite(login: str, by: Principal, desk: PeopleDesk) -> Invited:
    """Give somebody a new invitation: the old password and all sessions end now.

    Raises:
        UnknownError: no such account.
        TakenError: it is disabled.
        NotAllowedError: it is one's own.
    """
    async with desk.begin() as work:
        person = await other(login, by, work)
        if person.state is PersonState.DISABLED:
            raise TakenError("Esa cuenta está deshabilitada.", advice="Primero: `paradero user enable`.")
        await _out(person, work)
        await work.persons.set_password(person.person_id, None)
        await work.persons.set_state(person.person_id, PersonState.INVITED)
        invited = await _invite(person, work, desk)
        await work.audit.stage([desk.leaf("user.invite", now=desk.clock.now(), actor=by.actor, subject=person.person_id)])
    desk.nudge_log()
    return invited


async def accept(login: str, code: str, password: str, knock: Knock, desk: PeopleDesk) -> SignedIn:
    """Use an invitation up: choose a password and come in.

    Raises:
        WrongCredentialsError: no such invitation for that login, or it has expired or was used.
        CodeNeededError: the password is chosen; whoever had a second factor before still has it, and shows it.
        InvalidError: not a password; the invitation is not used up.
    """
    digest, now = secret_digest(code), desk.clock.now()
    async with desk.begin() as work:
        if digest is None or not await work.sessions.invited(digest, now=now):
            raise WrongCredentialsError  # before the hash: a stranger must not make us work
    kept = await desk.passwords.hash(checked_password(password, login))
    async with desk.begin() as work:
        person_id = await work.sessions.take(digest, now=now)
        person = None if person_id is None else await work.persons.by_id(person_id)
        if person is None or person.login != login or person.state is not PersonState.INVITED:
            raise WrongCredentialsError
        await work.persons.set_password(person.person_id, kept)
        await work.persons.set_state(person.person_id, PersonState.ENABLED)
        await work.audit.stage([desk.leaf("user.password", now=now, actor=desk.pseudonym(person.person_id))])
        found = await second(person, "", knock, work, desk)
    return settled(found, desk)


async def change_password(current: str, new: str, by: Principal, desk: PeopleDesk) -> None:
    """Change one's own password. Every session of the person ends, this one too.

    Raises:
        WrongCredentialsError: `current` is not it. The caller's session ends too: whoever holds it gets one guess.
        InvalidError: `new` is not a password, or is the old one.
    """
    async with desk.begin() as work:
        person = await _self(by, work)
    if not await desk.passwords.verify(current, person.password):
        async with desk.begin() as work:
            await work.sessions.end_all(person.person_id)
        raise WrongCredentialsError
    if checked_password(new, person.login) == current:
        raise InvalidError("La clave nueva es la de antes.", advice="Elija otra.")
    kept, now = await desk.passwords.hash(new), desk.clock.now()
    async with desk.begin() as work:
        await work.persons.set_password(person.person_id, kept)
        await _out(person, work)
        await work.audit.stage([desk.leaf("user.password", now=now, actor=by.actor)])
    desk.nudge_log()


async def reset_factors(login: str, by: Principal, desk: PeopleDesk) -> None:
    """Take away whatever somebody has beside a password, unseen: they lost it. Their sessions end; they add another.

    Raises:
        UnknownError, NotAllowedError: no such account; one's own.
        TakenError: they have nothing beside a password.
    """
    async with desk.begin() as work:
        person = await other(login, by, work)
        held = await work.factors.held(person.person_id)
        if not held.any and not held.recovery:
            raise TakenError("Esa persona no tiene segunda prueba.", advice="No hace falta nada.")
        await _no_factors(person, work)
        await work.sessions.end_all(person.person_id)
        leaf = desk.leaf("user.factors-reset", now=desk.clock.now(), actor=by.actor, subject=person.person_id)
        await work.audit.stage([leaf])
    desk.nudge_log()


async def disable(login: str, by: Principal, desk: PeopleDesk) -> None:
    """Shut an account: at once, sessions too.

    Raises:
        UnknownError, NotAllowedError, TakenError: no such account; one's own or the last administrator's; it is shut.
    """
    async with desk.begin() as work:
        person = await other(login, by, work)
        if person.state is PersonState.DISABLED:
            raise TakenError("Esa cuenta ya está deshabilitada.", advice="No hace falta nada.")
        await work.persons.set_state(person.person_id, PersonState.DISABLED)
        await _out(person, work)
        await work.audit.stage([desk.leaf("user.disable", now=desk.clock.now(), actor=by.actor, subject=person.person_id)])
    desk.nudge_log()


async def enable(login: str, by: Principal, desk: PeopleDesk) -> Invited:
    """Open a shut account again, to the same person, with an invitation: the old password stays dead.

    Raises:
        UnknownError, NotAllowedError, TakenError: no such account; one's own; it is not shut.
    """
    async with desk.begin() as work:
        person = await other(login, by, work)
        if person.state is not PersonState.DISABLED:
            raise TakenError("Esa cuenta no está deshabilitada.", advice="Para una clave nueva: `paradero user invite`.")
        await work.persons.set_password(person.person_id, None)
        await work.persons.set_state(person.person_id, PersonState.INVITED)
        invited = await _invite(person, work, desk)
        await work.audit.stage([desk.leaf("user.enable", now=desk.clock.now(), actor=by.actor, subject=person.person_id)])
    desk.nudge_log()
    return invited


async def set_posts(login: str, posts: Iterable[str], by: Principal, desk: PeopleDesk) -> frozenset[Post]:
    """Make these somebody's posts, and no others; their sessions end.

    Raises:
        UnknownError, NotAllowedError, InvalidError: no such account or office; one's own; roles that are kept apart.
    """
    wanted, now = parse_posts(posts), desk.clock.now()
    async with desk.begin() as work:
        person = await other(login, by, work)
        await _check_posts(wanted, work)
        await work.persons.set_posts(person.person_id, wanted, now=now)
        await work.sessions.end_all(person.person_id)
        await work.audit.stage([_posts_leaf(person, wanted, by, desk)])
    desk.nudge_log()
    return wanted


def parse_posts(posts: Iterable[str]) -> frozenset[Post]:
    """Return posts from their text: ``node-admin``, ``officer@consulado-houston``.

    Raises:
        InvalidError: one is no role, or a role that wants an office (or none), or roles one person may not hold together.
    """
    found = frozenset(_post(text) for text in posts)
    if not compatible(post.role for post in found):
        raise InvalidError(
            "Esos papeles no pueden ser de una misma persona.",
            advice="Quien administra el nodo o audita no trabaja casos: déselos a personas distintas (docs/people.md).",
        )
    return found


def _post(text: str) -> Post:
    word, at, place = text.partition("@")
    try:
        role, office = Role(word), Code(place) if at else None
    except ValueError:
        role, office = Role.MACHINE, None
    if role is Role.MACHINE or (role in OFFICE_ROLES) is not (office is not None):
        raise InvalidError(
            "Eso no es un puesto.",
            advice="Un papel de oficina lleva la oficina: officer@huehuetenango; los demás no: node-admin.",
        )
    return Post(role, office)


async def _check_posts(posts: frozenset[Post], work: PeopleWork) -> None:
    for code in sorted({post.office for post in posts if post.office is not None}):
        office = await work.offices.find(code)
        if office is None or office.closed_at is not None:
            raise UnknownError("No hay una oficina abierta con ese código.", advice="Véase `paradero office list`.")


def checked_password(password: str, login: str) -> str:
    """Return a password that will do.

    Raises:
        InvalidError: too short, too long, of one character, or made of the login.
    """
    text = unicodedata.normalize("NFKC", password)
    advice = f"Use {SHORTEST} caracteres o más; varias palabras que sólo usted junte son lo mejor. No use el usuario."
    if not SHORTEST <= len(text) <= LONGEST or "\0" in text:
        raise InvalidError("Esa clave es demasiado corta o demasiado larga.", advice=advice)
    if len(set(text)) < 5 or (login and text.casefold().replace(login.casefold(), "") != text.casefold() and len(text) < 20):
        raise InvalidError("Esa clave se adivina.", advice=advice)
    return password


def _login(text: str) -> Login:
    try:
        return Login(text)
    except ValueError:
        raise InvalidError(
            "Eso no puede ser un usuario.",
            advice="Minúsculas sin tilde y cifras, unidas con . - o _; hasta 40. Por ejemplo a.garcia.",
        ) from None


def _name(text: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > _NAME or not name.isprintable():
        raise InvalidError("Falta el nombre de la persona, o no es uno.", advice=f"Hasta {_NAME} caracteres, en una línea.")
    return name


async def other(login: str, by: Principal, work: PeopleWork) -> Person:
    """Return the account of a login; not one's own. Looks, under a lock, that whoever asks administers the node still.

    Two administrators who shut each other out at once would leave nobody.
    """
    if by.person_id not in await work.persons.holders(Role.NODE_ADMIN):
        raise SignedOutError
    try:
        person = await work.persons.by_login(Login(login))
    except ValueError:
        person = None
    if person is None:
        raise UnknownError("No hay una persona con ese usuario.", advice="Véase `paradero user list`.")
    if person.person_id == by.person_id:
        raise NotAllowedError("Nadie decide sobre su propia cuenta.", advice="Pídaselo a otra persona que administre el nodo.")
    return person


async def _out(person: Person, work: PeopleWork) -> None:
    """End all that lets somebody in by what they had until now."""
    await work.sessions.end_all(person.person_id)
    await work.sessions.forget(person.person_id)


async def _no_factors(person: Person, work: PeopleWork) -> None:
    await work.factors.forget(person.person_id)
    await work.persons.factor_due(person.person_id, None)  # as somebody new: there is time to add another


async def _self(by: Principal, work: PeopleWork) -> Person:
    person = None if by.person_id is None else await work.persons.by_id(by.person_id)
    if person is None:
        raise WrongCredentialsError
    return person


async def _invite(person: Person, work: PeopleWork, desk: PeopleDesk) -> Invited:
    now = desk.clock.now()
    code, digest = new_secret(desk.randomness.token(32))
    invitation = Invitation(digest, person.person_id, now + desk.limits.invitation)
    await work.sessions.invite(invitation)
    return Invited(person.login, code, invitation.expires_at)


def _posts_leaf(person: Person, posts: frozenset[Post], by: Principal, desk: PeopleDesk) -> StagedLeaf:
    words = " ".join(sorted(str(post) for post in posts)) or "none"
    return desk.leaf("user.roles", now=desk.clock.now(), actor=by.actor, subject=person.person_id, outcome=words)

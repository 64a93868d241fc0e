"""People, sessions, offices and approvals (gateway.people.ports). Both databases; one transaction per unit of work."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.ids import Code
from gateway.people.factor_ports import Held, Method, Step, Use
from gateway.people.ids import Login, PersonId
from gateway.people.ports import BeginPeopleWork, Invitation, Listed, Office, PeopleWork, Person, PersonState, Post, Session
from gateway.people.roles import Role
from gateway.storage.audit import SqlAuditStage
from gateway.storage.factor_tables import steps
from gateway.storage.factors import SqlFactors, SqlSteps
from gateway.storage.failures import SqlFailures
from gateway.storage.offices import SqlOffices
from gateway.storage.people_tables import approvals, calendar_links, devices, invitations, persons, posts, sessions
from gateway.storage.rows import from_ms, insert_new, insert_or_change, maybe_from_ms, maybe_to_ms, to_ms
from gateway.storage.unit_of_work import typed_errors

_DEVICES = 10


class SqlPersons:
    """Accounts and posts."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def count(self) -> int:
        """Return how many there are or ever were."""
        return int((await self._connection.execute(select(func.count()).select_from(persons))).scalar_one())

    async def add(self, person: Person) -> bool:
        """File a new account; False when the login is or was somebody's."""
        row = {
            "person_id": person.person_id,
            "login": person.login,
            "name": person.name,
            "state": person.state.value,
            "password": person.password,
            "created_ms": to_ms(person.created_at),
        }
        return (await self._connection.execute(insert_new(self._connection, persons).values(row))).rowcount == 1

    async def by_login(self, login: Login) -> Person | None:
        """Return the account of a login."""
        return await self._one(persons.c.login == login)

    async def by_id(self, person_id: PersonId) -> Person | None:
        """Return an account."""
        return await self._one(persons.c.person_id == person_id)

    async def _one(self, where: Any) -> Person | None:
        # Locked: what is decided about an account holds until it is written.
        row = (await self._connection.execute(select(persons).where(where).with_for_update())).one_or_none()
        return None if row is None else _person(row)

    async def set_state(self, person_id: PersonId, state: PersonState) -> None:
        """Change an account's state."""
        await self._change(person_id, state=state.value)

    async def set_password(self, person_id: PersonId, password: str | None) -> None:
        """Change an account's password hash."""
        await self._change(person_id, password=password)

    async def signed_in(self, person_id: PersonId, *, now: datetime) -> None:
        """Note when somebody last came in."""
        await self._change(person_id, signed_in_ms=to_ms(now))

    async def _change(self, person_id: PersonId, **values: Any) -> None:
        await self._connection.execute(update(persons).where(persons.c.person_id == person_id).values(**values))

    async def factor_due(self, person_id: PersonId, due: datetime | None) -> None:
        """Say until when a password alone is enough for somebody."""
        await self._change(person_id, factor_due_ms=maybe_to_ms(due))

    async def posts(self, person_id: PersonId) -> frozenset[Post]:
        """Return what a person is, and where."""
        rows = await self._connection.execute(select(posts).where(posts.c.person_id == person_id))
        return frozenset(_post(row) for row in rows)

    async def set_posts(self, person_id: PersonId, wanted: frozenset[Post], *, now: datetime) -> None:
        """Make these a person's posts, and no others; one that was held before keeps its date."""
        held = await self.posts(person_id)
        for post in held - wanted:
            here = (
                (posts.c.person_id == person_id) & (posts.c.role == post.role.value) & (posts.c.office == (post.office or ""))
            )
            await self._connection.execute(delete(posts).where(here))
        rows = [
            {"person_id": person_id, "role": post.role.value, "office": post.office or "", "since_ms": to_ms(now)}
            for post in sorted(wanted - held, key=str)
        ]
        if rows:
            await self._connection.execute(insert(posts), rows)

    async def holders(self, role: Role) -> frozenset[PersonId]:
        """Return the accounts that hold a role and can come in, locked until the transaction ends."""
        statement = (
            select(persons.c.person_id)
            .join(posts, posts.c.person_id == persons.c.person_id)
            .where(posts.c.role == role.value, persons.c.state == PersonState.ENABLED.value)
            .order_by(persons.c.person_id)  # two that lock the same rows lock them in one order
            .with_for_update()
        )
        return frozenset(PersonId(found) for found in (await self._connection.execute(statement)).scalars())


class SqlSessions:
    """Sessions, invitations and devices."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def open(self, session: Session) -> None:
        """File a session; sweep those that have expired."""
        await self._connection.execute(delete(sessions).where(sessions.c.expires_ms <= to_ms(session.created_at)))
        row = {
            "digest": session.digest,
            "person_id": session.person_id,
            "created_ms": to_ms(session.created_at),
            "used_ms": to_ms(session.used_at),
            "expires_ms": to_ms(session.expires_at),
            "method": session.method.value,
            "pages": session.pages,
        }
        await self._connection.execute(insert(sessions).values(row))

    async def end(self, digest: bytes) -> bool:
        """End one session; False when there is none."""
        return (await self._connection.execute(delete(sessions).where(sessions.c.digest == digest))).rowcount == 1

    async def end_all(self, person_id: PersonId) -> int:
        """End every session of a person; return how many there were."""
        return (await self._connection.execute(delete(sessions).where(sessions.c.person_id == person_id))).rowcount

    async def end_others(self, person_id: PersonId, digest: bytes) -> int:
        """End every session of a person but one; return how many there were."""
        others = (sessions.c.person_id == person_id) & (sessions.c.digest != digest)
        return (await self._connection.execute(delete(sessions).where(others))).rowcount

    async def strengthen(self, digest: bytes, method: Method) -> None:
        """Note that whoever holds a session has shown more since it was opened."""
        await self._connection.execute(update(sessions).where(sessions.c.digest == digest).values(method=method.value))

    async def forget(self, person_id: PersonId) -> None:
        """Forget a person's devices, invitation, steps under way and the secret address of their deadlines."""
        for table in (devices, invitations, steps, calendar_links):
            await self._connection.execute(delete(table).where(table.c.person_id == person_id))

    async def used(self, digest: bytes, *, now: datetime) -> None:
        """Note that a session was used."""
        await self._connection.execute(update(sessions).where(sessions.c.digest == digest).values(used_ms=to_ms(now)))

    async def invite(self, invitation: Invitation) -> None:
        """File an invitation in place of any earlier one of that person."""
        await self._connection.execute(delete(invitations).where(invitations.c.person_id == invitation.person_id))
        row = {
            "digest": invitation.digest,
            "person_id": invitation.person_id,
            "expires_ms": to_ms(invitation.expires_at),
        }
        await self._connection.execute(insert(invitations).values(row))

    async def invited(self, digest: bytes, *, now: datetime) -> bool:
        """Return whether there is such an invitation, good until later than now."""
        here = (invitations.c.digest == digest) & (invitations.c.expires_ms > to_ms(now))
        return (await self._connection.execute(select(invitations.c.digest).where(here))).one_or_none() is not None

    async def take(self, digest: bytes, *, now: datetime) -> PersonId | None:
        """Use an invitation up; return whose it was, None when there is none or it has expired."""
        gone = delete(invitations).where(invitations.c.digest == digest)
        row = (await self._connection.execute(gone.returning(invitations.c.person_id, invitations.c.expires_ms))).one_or_none()
        return None if row is None or row.expires_ms <= to_ms(now) else PersonId(row.person_id)

    async def remember(self, digest: bytes, person_id: PersonId, *, now: datetime) -> None:
        """Note a device somebody signed in from; the ten newest are kept."""
        mine = devices.c.person_id == person_id
        await self._connection.execute(delete(devices).where(mine, devices.c.digest == digest))
        await self._connection.execute(insert(devices).values(digest=digest, person_id=person_id, used_ms=to_ms(now)))
        newest = select(devices.c.digest).where(mine).order_by(devices.c.used_ms.desc(), devices.c.digest).limit(_DEVICES)
        keep = list((await self._connection.execute(newest)).scalars())
        await self._connection.execute(delete(devices).where(mine, devices.c.digest.not_in(keep)))

    async def knows(self, digest: bytes, person_id: PersonId) -> bool:
        """Return whether somebody signed in from that device before."""
        here = (devices.c.digest == digest) & (devices.c.person_id == person_id)
        return (await self._connection.execute(select(devices.c.digest).where(here))).one_or_none() is not None


class SqlApprovals:
    """Who said yes to what."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def give(self, subject: str, person_id: PersonId, *, now: datetime) -> bool:
        """Note a person's yes; False when that person had given it."""
        row = {"subject": subject, "person_id": person_id, "given_ms": to_ms(now)}
        return (await self._connection.execute(insert_new(self._connection, approvals).values(row))).rowcount == 1


class SqlCalendarLinks:
    """The secret addresses of people's deadlines."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, person_id: PersonId, digest: bytes, nonce: bytes, *, now: datetime) -> None:
        """File a person's, in place of any earlier one."""
        row = {"person_id": person_id, "digest": digest, "nonce": nonce, "made_ms": to_ms(now)}
        again = insert_or_change(self._connection, calendar_links, ("digest", "nonce", "made_ms"))
        await self._connection.execute(again.values(row))

    async def drop(self, person_id: PersonId) -> bool:
        """Forget a person's; False when there was none."""
        gone = delete(calendar_links).where(calendar_links.c.person_id == person_id)
        return (await self._connection.execute(gone)).rowcount == 1


class SqlPeopleWork:
    """The stores of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.persons = SqlPersons(connection)
        self.sessions = SqlSessions(connection)
        self.factors = SqlFactors(connection)
        self.steps = SqlSteps(connection)
        self.failures = SqlFailures(connection)
        self.offices = SqlOffices(connection)
        self.approvals = SqlApprovals(connection)
        self.calendar_links = SqlCalendarLinks(connection)
        self.audit = SqlAuditStage(connection)


def people_work_factory(engine: AsyncEngine) -> BeginPeopleWork:
    """Return the function that opens a transaction over people on `engine`."""

    @asynccontextmanager
    async def begin() -> AsyncIterator[PeopleWork]:
        with typed_errors():
            async with engine.begin() as connection:
                yield SqlPeopleWork(connection)

    return begin


class SqlPeopleReader:
    """Reads on the read engine: they wait for nobody who writes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def session(self, digest: bytes) -> tuple[Session, Person, frozenset[Post]] | None:
        """Return a session, whose it is, and what that person is."""
        with typed_errors():
            async with self._engine.connect() as connection:
                found = select(sessions).where(sessions.c.digest == digest)
                row = (await connection.execute(found)).one_or_none()
                if row is None:
                    return None
                owner = (await connection.execute(select(persons).where(persons.c.person_id == row.person_id))).one_or_none()
                held = await connection.execute(select(posts).where(posts.c.person_id == row.person_id))
                return None if owner is None else (_session(row), _person(owner), frozenset(_post(item) for item in held))

    async def held(self, person_id: PersonId) -> Held:
        """Return what somebody has beside a password."""
        with typed_errors():
            async with self._engine.connect() as connection:
                return await SqlFactors(connection).held(person_id)

    async def step(self, holder: bytes, use: Use, *, now: datetime) -> Step | None:
        """Return a step under way."""
        with typed_errors():
            async with self._engine.connect() as connection:
                return await SqlSteps(connection).find(holder, use, now=now)

    async def sessions(self, person_id: PersonId) -> Sequence[Session]:
        """Return a person's sessions, the newest first; those that are over may be among them."""
        statement = select(sessions).where(sessions.c.person_id == person_id).order_by(sessions.c.created_ms.desc())
        with typed_errors():
            async with self._engine.connect() as connection:
                return [_session(row) for row in await connection.execute(statement)]

    async def people(self) -> Sequence[Listed]:
        """Return every account, by login."""
        with typed_errors():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(select(persons).order_by(persons.c.login))).all()
                held: dict[str, list[Post]] = {}
                for row in await connection.execute(select(posts)):
                    held.setdefault(row.person_id, []).append(_post(row))
        return [Listed(_person(row), tuple(sorted(held.get(row.person_id, ()), key=str))) for row in rows]

    async def calendar_nonce(self, person_id: PersonId) -> bytes | None:
        """Return what, with the vault's key, makes the secret address of a person's deadlines; None: there is none."""
        found = select(calendar_links.c.nonce).where(calendar_links.c.person_id == person_id)
        with typed_errors():
            async with self._engine.connect() as connection:
                return (await connection.execute(found)).scalar_one_or_none()

    async def calendar_owner(self, digest: bytes) -> Listed | None:
        """Return whose secret address of deadlines it is."""
        found = select(persons).join(calendar_links, calendar_links.c.person_id == persons.c.person_id)
        with typed_errors():
            async with self._engine.connect() as connection:
                row = (await connection.execute(found.where(calendar_links.c.digest == digest))).one_or_none()
                if row is None:
                    return None
                held = await connection.execute(select(posts).where(posts.c.person_id == row.person_id))
                return Listed(_person(row), tuple(sorted((_post(item) for item in held), key=str)))

    async def offices(self) -> Sequence[Office]:
        """Return every office, by code."""
        with typed_errors():
            async with self._engine.connect() as connection:
                return await SqlOffices(connection).all()


def _person(row: Any) -> Person:
    return Person(
        person_id=PersonId(row.person_id),
        login=Login(row.login),
        name=row.name,
        state=PersonState(row.state),
        password=row.password,
        created_at=from_ms(row.created_ms),
        signed_in_at=maybe_from_ms(row.signed_in_ms),
        factor_due_at=maybe_from_ms(row.factor_due_ms),
    )


def _post(row: Any) -> Post:
    return Post(Role(row.role), Code(row.office) if row.office else None)


def _session(row: Any) -> Session:
    return Session(
        digest=row.digest,
        person_id=PersonId(row.person_id),
        created_at=from_ms(row.created_ms),
        used_at=from_ms(row.used_ms),
        expires_at=from_ms(row.expires_ms),
        method=Method(row.method or Method.PASSWORD),
        pages=bool(row.pages),
    )

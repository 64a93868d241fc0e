"""People, sessions and offices as values, and what is needed of storage. Implemented by gateway.storage.people.

Times are aware UTC datetimes here. Every method of a store runs inside the unit's transaction.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from contracts.calendars import Week
from contracts.ids import Code
from gateway.exchange.ports import AuditStage
from gateway.people.factor_ports import Factors, Held, Method, Step, Steps, Use
from gateway.people.ids import Login, PersonId
from gateway.people.roles import Role


class PersonState(StrEnum):
    """Where an account stands."""

    INVITED = "invited"  # has not chosen a password yet
    ENABLED = "enabled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Post:
    """A role, at an office or at the node (`office` None)."""

    role: Role
    office: Code | None

    def __str__(self) -> str:
        return self.role.value if self.office is None else f"{self.role.value}@{self.office}"


@dataclass(frozen=True, slots=True)
class Person:
    """One account. `password` is an Argon2id PHC string."""

    person_id: PersonId
    login: Login
    name: str
    state: PersonState
    password: str | None
    created_at: datetime
    signed_in_at: datetime | None
    factor_due_at: datetime | None = None
    """Until when they may work here with a password alone, where this node asks for more."""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. `digest` is SHA-256 of the token, which only its holder has."""

    digest: bytes
    person_id: PersonId
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    method: Method = Method.PASSWORD
    pages: bool = False
    """Whether a browser holds it; a program on a command line otherwise."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A code that lets a person choose a password, once. `digest` is SHA-256 of it."""

    digest: bytes
    person_id: PersonId
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed sign-ins of one bucket: an account, a device of an account, or an address, by a keyed digest."""

    key: bytes
    count: int
    last_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Office:
    """A unit of the institution: a consulate, a desk, a district office. `calendar` is GT, MX or US; `zone` an IANA name."""

    code: Code
    name_es: str
    name_en: str
    zone: str
    calendar: str
    week: Week
    takes_inbox: bool
    """Whether work that comes in for nobody in particular is this office's too."""
    closed_at: datetime | None

    def name(self, lang: str) -> str:
        """Return what it is called in a language."""
        return self.name_en if lang == "en" else self.name_es


class Persons(Protocol):
    """Accounts, their posts, and what lets them in."""

    async def count(self) -> int:
        """Return how many there are or ever were."""
        ...

    async def add(self, person: Person) -> bool:
        """File a new account; False when the login is or was somebody's."""
        ...

    async def by_login(self, login: Login) -> Person | None:
        """Return the account of a login."""
        ...

    async def by_id(self, person_id: PersonId) -> Person | None:
        """Return an account."""
        ...

    async def set_state(self, person_id: PersonId, state: PersonState) -> None:
        """Change an account's state."""
        ...

    async def set_password(self, person_id: PersonId, password: str | None) -> None:
        """Change an account's password hash."""
        ...

    async def signed_in(self, person_id: PersonId, *, now: datetime) -> None:
        """Note when somebody last came in."""
        ...

    async def factor_due(self, person_id: PersonId, due: datetime | None) -> None:
        """Say until when a password alone is enough for somebody."""
        ...

    async def posts(self, person_id: PersonId) -> frozenset[Post]:
        """Return what a person is, and where."""
        ...

    async def set_posts(self, person_id: PersonId, posts: frozenset[Post], *, now: datetime) -> None:
        """Make these a person's posts, and no others."""
        ...

    async def holders(self, role: Role) -> frozenset[PersonId]:
        """Return the accounts that hold a role and can come in, locked until the transaction ends."""
        ...


class Sessions(Protocol):
    """Who is in, who is invited, from where they come."""

    async def open(self, session: Session) -> None:
        """File a session; sweep those that have expired."""
        ...

    async def end(self, digest: bytes) -> bool:
        """End one session; False when there is none."""
        ...

    async def end_all(self, person_id: PersonId) -> int:
        """End every session of a person; return how many there were."""
        ...

    async def end_others(self, person_id: PersonId, digest: bytes) -> int:
        """End every session of a person but one; return how many there were."""
        ...

    async def strengthen(self, digest: bytes, method: Method) -> None:
        """Note that whoever holds a session has shown more since it was opened."""
        ...

    async def forget(self, person_id: PersonId) -> None:
        """Forget a person's devices, invitation and steps under way."""
        ...

    async def used(self, digest: bytes, *, now: datetime) -> None:
        """Note that a session was used."""
        ...

    async def invite(self, invitation: Invitation) -> None:
        """File an invitation in place of any earlier one of that person."""
        ...

    async def invited(self, digest: bytes, *, now: datetime) -> bool:
        """Return whether there is such an invitation, good until later than now."""
        ...

    async def take(self, digest: bytes, *, now: datetime) -> PersonId | None:
        """Use an invitation up; return whose it was, None when there is none or it has expired."""
        ...

    async def remember(self, digest: bytes, person_id: PersonId, *, now: datetime) -> None:
        """Note a device somebody signed in from; the ten newest are kept."""
        ...

    async def knows(self, digest: bytes, person_id: PersonId) -> bool:
        """Return whether somebody signed in from that device before."""
        ...


class FailureCounts(Protocol):
    """Failed sign-ins by bucket."""

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Failures]:
        """Return what is known of buckets."""
        ...

    async def put(self, failures: Sequence[Failures], *, forget_before: datetime) -> None:
        """File counts; forget buckets that saw nothing since."""
        ...

    async def clear(self, key: bytes) -> None:
        """Forget one bucket."""
        ...

    async def take_back(self, key: bytes) -> None:
        """Count one failure less in a bucket: it was none."""
        ...


class Offices(Protocol):
    """The institution's offices."""

    async def add(self, office: Office) -> bool:
        """File a new one; False when the code is or was another's."""
        ...

    async def find(self, code: Code) -> Office | None:
        """Return an office."""
        ...

    async def all(self) -> Sequence[Office]:
        """Return every office, closed ones too, by code."""
        ...

    async def close(self, code: Code, *, now: datetime) -> None:
        """Close an office for good; its code stays its own."""
        ...


class Approvals(Protocol):
    """Who said yes to what."""

    async def give(self, subject: str, person_id: PersonId, *, now: datetime) -> bool:
        """Note a person's yes; False when that person had given it."""
        ...


class CalendarLinks(Protocol):
    """The secret addresses of people's deadlines: one a person, by digest."""

    async def put(self, person_id: PersonId, digest: bytes, nonce: bytes, *, now: datetime) -> None:
        """File a person's, in place of any earlier one."""
        ...

    async def drop(self, person_id: PersonId) -> bool:
        """Forget a person's; False when there was none."""
        ...


class PeopleWork(Protocol):
    """One transaction over all of it, log leaves included."""

    @property
    def persons(self) -> Persons:
        """Accounts."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Sessions, invitations, devices."""
        ...

    @property
    def factors(self) -> Factors:
        """What people have beside a password."""
        ...

    @property
    def steps(self) -> Steps:
        """Steps of coming in that are under way."""
        ...

    @property
    def failures(self) -> FailureCounts:
        """Failed sign-ins."""
        ...

    @property
    def offices(self) -> Offices:
        """Offices."""
        ...

    @property
    def approvals(self) -> Approvals:
        """Approvals."""
        ...

    @property
    def calendar_links(self) -> CalendarLinks:
        """Secret addresses of deadlines."""
        ...

    @property
    def audit(self) -> AuditStage:
        """Leaves of the log, staged in the same transaction."""
        ...


BeginPeopleWork = Callable[[], AbstractAsyncContextManager[PeopleWork]]


@dataclass(frozen=True, slots=True)
class Listed:
    """An account as lists show it."""

    person: Person
    posts: tuple[Post, ...]


class PeopleReader(Protocol):
    """Reads on the read engine."""

    async def session(self, digest: bytes) -> tuple[Session, Person, frozenset[Post]] | None:
        """Return a session, whose it is, and what that person is."""
        ...

    async def held(self, person_id: PersonId) -> Held:
        """Return what somebody has beside a password."""
        ...

    async def step(self, holder: bytes, use: Use, *, now: datetime) -> Step | None:
        """Return a step under way."""
        ...

    async def sessions(self, person_id: PersonId) -> Sequence[Session]:
        """Return a person's sessions, the newest first; those that are over may be among them."""
        ...

    async def people(self) -> Sequence[Listed]:
        """Return every account, by login."""
        ...

    async def calendar_nonce(self, person_id: PersonId) -> bytes | None:
        """Return what, with the vault's key, makes the secret address of a person's deadlines; None: there is none."""
        ...

    async def calendar_owner(self, digest: bytes) -> Listed | None:
        """Return whose secret address of deadlines it is."""
        ...

    async def offices(self) -> Sequence[Office]:
        """Return every office, by code."""
        ...


class SecretKeeper(Protocol):
    """Seals what must be read again and never by a thief of the database. `use` binds it to one person and purpose."""

    def seal_secret(self, use: str, secret: bytes) -> bytes:
        """Return a secret sealed."""
        ...

    def open_secret(self, use: str, sealed: bytes) -> bytes:
        """Return what `seal_secret` sealed.

        Raises:
            StorageError: changed, or sealed for another use.
        """
        ...


class Passwords(Protocol):
    """Makes and checks password hashes, off the loop and few at once."""

    async def hash(self, password: str) -> str:
        """Return what to keep of a password."""
        ...

    async def verify(self, password: str, kept: str | None) -> bool:
        """Return whether it is the one kept; None takes as long, and is never right."""
        ...

    def outdated(self, kept: str) -> bool:
        """Return whether a hash should be made anew."""
        ...


HolidaySource = Callable[[str, Sequence[int]], Awaitable[frozenset[date]]]
"""The national holidays of a country (GT, MX, US) in some years."""

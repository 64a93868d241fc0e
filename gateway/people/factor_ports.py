"""What people have beside a password, and the steps of coming in that are under way, as values; and what is needed of storage.

Implemented by gateway.storage.factors. Secrets are sealed, codes are digests, of a passkey there is the public half alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gateway.people.ids import PersonId


class Method(StrEnum):
    """By what somebody came in. Values are stored: add, never rename."""

    PASSWORD = "password"  # noqa: S105 - a word, no password
    CODE = "code"
    RECOVERY = "recovery"
    PASSKEY = "passkey"
    PROVIDER = "provider"
    ASSURED = "assured"
    """By their ministry's sign-in, which said that it asked for two things."""


STRONG = frozenset({Method.CODE, Method.RECOVERY, Method.PASSKEY, Method.ASSURED})
"""What shows more than one thing: something known and something held."""


class Use(StrEnum):
    """What a step under way is for; one of a use never serves another. Values are stored."""

    SECOND = "second"
    ENROL = "enrol"
    CODES = "codes"
    REGISTER = "register"
    KNOCK = "knock"
    CONFIRM = "confirm"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Totp:
    """An authenticator app's secret, sealed; the last step a code was taken for (RFC 6238: T), and wrong codes since."""

    sealed: bytes
    last_step: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey's public half. `counter` as it last told it (WebAuthn 6.1.1); `name` is its owner's word for it."""

    credential: bytes
    person_id: PersonId
    public_key: bytes
    counter: int
    name: str
    made_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """What somebody has beside a password."""

    totp: bool
    passkeys: tuple[Passkey, ...]
    recovery: int
    """How many recovery codes are left."""
    linked: bool
    """Whether their ministry's sign-in lets them in here."""

    @property
    def any(self) -> bool:
        """Whether a password alone is not enough for them."""
        return self.totp or bool(self.passkeys)


@dataclass(frozen=True, slots=True)
class Step:
    """A step under way. `holder` is a digest of what the browser, or its session, holds; `sealed` what the node keeps of it."""

    holder: bytes
    use: Use
    person_id: PersonId | None
    sealed: bytes
    expires_at: datetime


class Factors(Protocol):
    """Apps, recovery codes, passkeys, links to a ministry's sign-in."""

    async def held(self, person_id: PersonId) -> Held:
        """Return what somebody has."""
        ...

    async def totp(self, person_id: PersonId) -> Totp | None:
        """Return somebody's app."""
        ...

    async def set_totp(self, person_id: PersonId, sealed: bytes, step: int, *, now: datetime) -> None:
        """Keep an app in place of any earlier one; `step` is used up."""
        ...

    async def use_step(self, person_id: PersonId, step: int) -> bool:
        """Use a step up; False when it, or a later one, was."""
        ...

    async def wrong_code(self, person_id: PersonId) -> None:
        """Count a wrong code."""
        ...

    async def drop_totp(self, person_id: PersonId) -> bool:
        """Forget an app; False when there is none."""
        ...

    async def set_recovery(self, person_id: PersonId, digests: Sequence[bytes]) -> None:
        """Keep these recovery codes, and no earlier ones."""
        ...

    async def use_recovery(self, person_id: PersonId, digest: bytes) -> bool:
        """Use a recovery code up; False when there is none such."""
        ...

    async def add_passkey(self, passkey: Passkey) -> bool:
        """Keep a passkey; False when it is somebody's already."""
        ...

    async def passkey(self, credential: bytes) -> Passkey | None:
        """Return a passkey."""
        ...

    async def use_passkey(self, passkey: Passkey, counter: int, *, now: datetime) -> bool:
        """Note a use and the new counter; False when another use came first."""
        ...

    async def drop_passkey(self, person_id: PersonId, credential: bytes) -> bool:
        """Forget a passkey; False when it is not theirs."""
        ...

    async def forget(self, person_id: PersonId) -> None:
        """Forget app, recovery codes and passkeys; the link to a ministry's sign-in stays."""
        ...

    async def link(self, person_id: PersonId, issuer: str, subject: str) -> bool:
        """Link somebody to who they are at their ministry, in place of any earlier link; False when that is somebody else."""
        ...

    async def linked(self, issuer: str, subject: str) -> PersonId | None:
        """Return who somebody of a ministry is here."""
        ...

    async def unlink(self, person_id: PersonId) -> bool:
        """Take a link away; False when there is none."""
        ...


class Steps(Protocol):
    """Steps under way: one per holder and use, short-lived."""

    async def put(self, step: Step, *, now: datetime) -> None:
        """Keep a step in place of any earlier one of that holder and use; sweep those that are over."""
        ...

    async def find(self, holder: bytes, use: Use, *, now: datetime) -> Step | None:
        """Return a step that is not over."""
        ...

    async def take(self, holder: bytes, use: Use, *, now: datetime) -> Step | None:
        """Use a step up; None when there is none, or it is over."""
        ...

    async def nobodys(self) -> int:
        """Return how many steps are under way of whom nobody knows who they are."""
        ...

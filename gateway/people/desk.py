"""Everything a step about people may use, in one value; and how what they do is written into the log."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from contracts.ids import ActorPseudonym, uuid7
from contracts.leaves import LeafEvent, LeafFields
from gateway.exchange.ports import Clock, LeafBuilder, Randomness, StagedLeaf
from gateway.people.errors import WaitError
from gateway.people.ids import PersonId
from gateway.people.institution_ports import Institution
from gateway.people.ports import BeginPeopleWork, HolidaySource, Passwords, PeopleReader, SecretKeeper
from keys.passkeys import RelyingParty
from keys.passwords import hash_password, outdated, verify_password
from keys.pseudonyms import Pseudonyms

_T = TypeVar("_T")
_WAITING = 32
"""Sign-ins that may wait for their hash; who comes after them is told to wait outside."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things last."""

    idle: timedelta = timedelta(minutes=20)
    session: timedelta = timedelta(hours=8)
    fresh: timedelta = timedelta(minutes=5)
    invitation: timedelta = timedelta(hours=24)
    require_factor: bool = False
    """Whether those who may disclose, decide on people or run the node need more than a password (`roles.TWO_FACTORS`)."""
    factor_grace: timedelta = timedelta(days=7)
    """How long after they first came in a password alone is enough all the same."""


@dataclass(frozen=True, slots=True)
class PeopleDesk:
    """What is injected into every step about people. Nothing in it is a key."""

    begin: BeginPeopleWork
    reader: PeopleReader
    passwords: Passwords
    clock: Clock
    randomness: Randomness
    pseudonyms: Pseudonyms
    leaves: LeafBuilder
    nudge_log: Callable[[], None]
    bucket: Callable[[str], bytes]
    """A keyed digest: equal text, equal digest on this node; tells nobody else anything."""
    holidays: HolidaySource
    secrets: SecretKeeper
    site: RelyingParty
    """Where the pages of this node are, as configured: passkeys are for that place alone."""
    institution: Institution | None = None
    """The ministry's own sign-in, where this node uses one."""
    limits: Limits = field(default_factory=Limits)

    def new_person_id(self, now: datetime) -> PersonId:
        """Return a fresh id."""
        return PersonId(uuid7(int(now.timestamp() * 1000), self.randomness.token(10)))

    def pseudonym(self, person_id: PersonId) -> ActorPseudonym:
        """Return what messages and leaves call a person: made of the id, so one person has one, for ever."""
        return self.pseudonyms.actor(f"person:{person_id}")

    def leaf(
        self,
        detail: str,
        *,
        now: datetime,
        actor: ActorPseudonym | None,
        subject: PersonId | None = None,
        outcome: str | None = None,
    ) -> StagedLeaf:
        """Return a leaf about something somebody did here. No names: pseudonyms, codes and numbers."""
        words = detail if subject is None else f"{detail} {self.pseudonym(subject)}"
        return self.leaves.leaf(
            LeafFields(at=int(now.timestamp()), event=LeafEvent.ADMIN, actor=actor, detail=words, outcome=outcome)
        )

    async def record(self, detail: str, *, actor: ActorPseudonym) -> None:
        """Write into the log that somebody is about to do something, before it is done."""
        async with self.begin() as work:
            await work.audit.stage([self.leaf(detail, now=self.clock.now(), actor=actor)])
        self.nudge_log()


class OffLoopPasswords:
    """Hashes in threads, two at once: 64 MiB each. Who cannot even wait is told so."""

    def __init__(self, at_once: int = 2) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Return what to keep of a password."""
        return await self._off_loop(hash_password, password)

    async def verify(self, password: str, kept: str | None) -> bool:
        """Return whether it is the one kept."""
        return await self._off_loop(verify_password, password, kept)

    def outdated(self, kept: str) -> bool:
        """Return whether a hash should be made anew."""
        return outdated(kept)

    async def _off_loop(self, work: Callable[..., _T], *args: str | None) -> _T:
        if self._waiting >= _WAITING:
            raise WaitError(5)
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work, *args)
        finally:
            self._waiting -= 1

"""What people have beside a password, and steps under way (gateway.people.factor_ports). Both databases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.people.factor_ports import Held, Passkey, Step, Totp, Use
from gateway.people.ids import PersonId
from gateway.storage.factor_tables import links, passkeys, recovery_codes, steps, totp
from gateway.storage.rows import from_ms, insert_new, insert_or_change, maybe_from_ms, to_ms

_SWEPT = 200


class SqlFactors:
    """Apps, recovery codes, passkeys, links."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def held(self, person_id: PersonId) -> Held:
        """Return what somebody has."""
        mine = select(passkeys).where(passkeys.c.person_id == person_id).order_by(passkeys.c.made_ms, passkeys.c.credential)
        keys = tuple(_passkey(row) for row in await self._connection.execute(mine))
        app = await self._connection.execute(select(totp.c.person_id).where(totp.c.person_id == person_id))
        left = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.person_id == person_id)
        link = await self._connection.execute(select(links.c.person_id).where(links.c.person_id == person_id))
        codes = int((await self._connection.execute(left)).scalar_one())
        return Held(app.one_or_none() is not None, keys, codes, link.one_or_none() is not None)

    async def totp(self, person_id: PersonId) -> Totp | None:
        """Return somebody's app."""
        row = (await self._connection.execute(select(totp).where(totp.c.person_id == person_id))).one_or_none()
        return None if row is None else Totp(row.sealed, row.last_step, row.wrong)

    async def set_totp(self, person_id: PersonId, sealed: bytes, step: int, *, now: datetime) -> None:
        """Keep an app in place of any earlier one; `step` is used up."""
        made = {"sealed": sealed, "last_step": step, "wrong": 0, "made_ms": to_ms(now)}
        again = insert_or_change(self._connection, totp, tuple(made))
        await self._connection.execute(again.values(made | {"person_id": person_id}))

    async def use_step(self, person_id: PersonId, step: int) -> bool:
        """Use a step up; False when it, or a later one, was."""
        here = (totp.c.person_id == person_id) & (totp.c.last_step < step)
        return (await self._connection.execute(update(totp).where(here).values(last_step=step, wrong=0))).rowcount == 1

    async def wrong_code(self, person_id: PersonId) -> None:
        """Count a wrong code."""
        await self._connection.execute(update(totp).where(totp.c.person_id == person_id).values(wrong=totp.c.wrong + 1))

    async def drop_totp(self, person_id: PersonId) -> bool:
        """Forget an app; False when there is none."""
        return (await self._connection.execute(delete(totp).where(totp.c.person_id == person_id))).rowcount == 1

    async def set_recovery(self, person_id: PersonId, digests: Sequence[bytes]) -> None:
        """Keep these recovery codes, and no earlier ones."""
        await self._connection.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
        rows = [{"person_id": person_id, "digest": digest} for digest in digests]
        if rows:
            await self._connection.execute(insert(recovery_codes), rows)

    async def use_recovery(self, person_id: PersonId, digest: bytes) -> bool:
        """Use a recovery code up; False when there is none such."""
        here = (recovery_codes.c.person_id == person_id) & (recovery_codes.c.digest == digest)
        return (await self._connection.execute(delete(recovery_codes).where(here))).rowcount == 1

    async def add_passkey(self, passkey: Passkey) -> bool:
        """Keep a passkey; False when it is somebody's already."""
        row = {
            "credential": passkey.credential,
            "person_id": passkey.person_id,
            "public_key": passkey.public_key,
            "counter": passkey.counter,
            "name": passkey.name,
            "made_ms": to_ms(passkey.made_at),
        }
        return (await self._connection.execute(insert_new(self._connection, passkeys).values(row))).rowcount == 1

    async def passkey(self, credential: bytes) -> Passkey | None:
        """Return a passkey."""
        row = (await self._connection.execute(select(passkeys).where(passkeys.c.credential == credential))).one_or_none()
        return None if row is None else _passkey(row)

    async def use_passkey(self, passkey: Passkey, counter: int, *, now: datetime) -> bool:
        """Note a use and the new counter; False when another use came first."""
        here = (passkeys.c.credential == passkey.credential) & (passkeys.c.counter == passkey.counter)
        changed = update(passkeys).where(here).values(counter=counter, used_ms=to_ms(now))
        return (await self._connection.execute(changed)).rowcount == 1

    async def drop_passkey(self, person_id: PersonId, credential: bytes) -> bool:
        """Forget a passkey; False when it is not theirs."""
        here = (passkeys.c.credential == credential) & (passkeys.c.person_id == person_id)
        return (await self._connection.execute(delete(passkeys).where(here))).rowcount == 1

    async def forget(self, person_id: PersonId) -> None:
        """Forget app, recovery codes and passkeys; the link to a ministry's sign-in stays."""
        for table in (totp, recovery_codes, passkeys):
            await self._connection.execute(delete(table).where(table.c.person_id == person_id))

    async def link(self, person_id: PersonId, issuer: str, subject: str) -> bool:
        """Link somebody to who they are at their ministry, in place of any earlier link; False when that is somebody else."""
        owner = await self.linked(issuer, subject)
        if owner is not None and owner != person_id:
            return False
        await self.unlink(person_id)
        row = {"person_id": person_id, "issuer": issuer, "subject": subject}
        return (await self._connection.execute(insert_new(self._connection, links).values(row))).rowcount == 1

    async def linked(self, issuer: str, subject: str) -> PersonId | None:
        """Return who somebody of a ministry is here."""
        here = (links.c.issuer == issuer) & (links.c.subject == subject)
        found = (await self._connection.execute(select(links.c.person_id).where(here))).scalar_one_or_none()
        return None if found is None else PersonId(found)

    async def unlink(self, person_id: PersonId) -> bool:
        """Take a link away; False when there is none."""
        return (await self._connection.execute(delete(links).where(links.c.person_id == person_id))).rowcount == 1


class SqlSteps:
    """Steps under way."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, step: Step, *, now: datetime) -> None:
        """Keep a step in place of any earlier one of that holder and use; sweep those that are over."""
        await self._sweep(now)
        here = {"holder": step.holder, "use": step.use.value}
        kept = {"person_id": step.person_id, "sealed": step.sealed, "expires_ms": to_ms(step.expires_at)}
        await self._connection.execute(insert_or_change(self._connection, steps, tuple(kept)).values(here | kept))

    async def _sweep(self, now: datetime) -> None:
        # Rows that another step holds are left for the next sweep: two that sweep each other's would both wait.
        old = select(steps.c.holder, steps.c.use).where(steps.c.expires_ms <= to_ms(now)).limit(_SWEPT)
        gone = (await self._connection.execute(old.with_for_update(skip_locked=True))).all()
        if gone:
            await self._connection.execute(
                delete(steps).where(tuple_(steps.c.holder, steps.c.use).in_([tuple(row) for row in gone]))
            )

    async def find(self, holder: bytes, use: Use, *, now: datetime) -> Step | None:
        """Return a step that is not over."""
        here = (steps.c.holder == holder) & (steps.c.use == use.value) & (steps.c.expires_ms > to_ms(now))
        row = (await self._connection.execute(select(steps).where(here))).one_or_none()
        return None if row is None else _step(row)

    async def take(self, holder: bytes, use: Use, *, now: datetime) -> Step | None:
        """Use a step up; None when there is none, or it is over."""
        gone = delete(steps).where(steps.c.holder == holder, steps.c.use == use.value).returning(*steps.c)
        row = (await self._connection.execute(gone)).one_or_none()
        return None if row is None or row.expires_ms <= to_ms(now) else _step(row)

    async def nobodys(self) -> int:
        """Return how many steps are under way of whom nobody knows who they are."""
        count = select(func.count()).select_from(steps).where(steps.c.person_id.is_(None))
        return int((await self._connection.execute(count)).scalar_one())


def _passkey(row: Any) -> Passkey:
    return Passkey(
        credential=row.credential,
        person_id=PersonId(row.person_id),
        public_key=row.public_key,
        counter=row.counter,
        name=row.name,
        made_at=from_ms(row.made_ms),
        used_at=maybe_from_ms(row.used_ms),
    )


def _step(row: Any) -> Step:
    owner = None if row.person_id is None else PersonId(row.person_id)
    return Step(row.holder, Use(row.use), owner, row.sealed, from_ms(row.expires_ms))

"""Failed sign-ins by bucket (gateway.people.ports.FailureCounts). Both databases."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.people.ports import Failures
from gateway.storage.people_tables import sign_in_failures
from gateway.storage.rows import from_ms, insert_new, to_ms

_SWEPT = 200


class SqlFailures:
    """Failed sign-ins by bucket."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Failures]:
        """Return what is known of buckets, locked: attempts made at once are looked at one after another."""
        for key in sorted(keys):  # a row to lock, also for the first two that come at once
            fresh = {"bucket": key, "failures": 0, "last_ms": 0, "until_ms": 0}
            await self._connection.execute(insert_new(self._connection, sign_in_failures).values(fresh))
        statement = select(sign_in_failures).where(sign_in_failures.c.bucket.in_(list(keys)))
        rows = await self._connection.execute(statement.order_by(sign_in_failures.c.bucket).with_for_update())
        return {row.bucket: Failures(row.bucket, row.failures, from_ms(row.last_ms), from_ms(row.until_ms)) for row in rows}

    async def put(self, failures: Sequence[Failures], *, forget_before: datetime) -> None:
        """File counts; forget buckets that saw nothing since."""
        for one in failures:
            values = {"failures": one.count, "last_ms": to_ms(one.last_at), "until_ms": to_ms(one.until)}
            here = sign_in_failures.c.bucket == one.key
            await self._connection.execute(update(sign_in_failures).where(here).values(values))
        # Rows that another attempt holds are left for the next sweep: two that sweep each other's would both wait.
        old = (
            select(sign_in_failures.c.bucket)
            .where(sign_in_failures.c.last_ms < to_ms(forget_before))
            .limit(_SWEPT)
            .with_for_update(skip_locked=True)
        )
        gone = list((await self._connection.execute(old)).scalars())
        if gone:
            await self._connection.execute(delete(sign_in_failures).where(sign_in_failures.c.bucket.in_(gone)))

    async def clear(self, key: bytes) -> None:
        """Forget one bucket."""
        await self._connection.execute(delete(sign_in_failures).where(sign_in_failures.c.bucket == key))

    async def take_back(self, key: bytes) -> None:
        """Count one failure less in a bucket: it was none."""
        here = (sign_in_failures.c.bucket == key) & (sign_in_failures.c.failures > 0)
        less = {"failures": sign_in_failures.c.failures - 1, "until_ms": 0}
        await self._connection.execute(update(sign_in_failures).where(here).values(less))

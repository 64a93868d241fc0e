"""Receivers of webhooks and people who want mail, and what waits for them (gateway.exchange.notice_ports)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.notices import NoticeType
from gateway.exchange.notice_ports import Hook, HookState, MailWish, Notice, Post, PostState
from gateway.storage.notice_tables import (
    MAIL_WAITING,
    POST_DEAD,
    POST_WAITING,
    mail_queue,
    mail_wishes,
    notices,
    webhook_posts,
    webhooks,
)
from gateway.storage.notices import notice_of
from gateway.storage.rows import from_json, from_ms, insert_new, insert_or_change, maybe_from_ms, maybe_to_ms, to_json, to_ms


class SqlHooks:
    """Receivers and what goes to them."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, hook: Hook) -> None:
        """Write a receiver, new or changed."""
        row = {
            "id": hook.id,
            "name": hook.name,
            "host": hook.host,
            "address": hook.address,
            "secret": hook.secret,
            "previous": hook.previous,
            "previous_until_ms": maybe_to_ms(hook.previous_until),
            "types": to_json(sorted(kind.value for kind in hook.types)),
            "state": hook.state.value,
            "made_ms": to_ms(hook.made_at),
        }
        changing = tuple(name for name in row if name not in {"id", "made_ms"})
        await self._connection.execute(insert_or_change(self._connection, webhooks, changing).values(row))

    async def all(self) -> Sequence[Hook]:
        """Return every receiver, by name."""
        rows = await self._connection.execute(select(webhooks).order_by(webhooks.c.name, webhooks.c.id))
        return [_hook(row) for row in rows]

    async def find(self, hook_id: str) -> Hook | None:
        """Return one, locked until the transaction ends."""
        statement = select(webhooks).where(webhooks.c.id == hook_id).with_for_update()
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _hook(row)

    async def remove(self, hook_id: str) -> bool:
        """Delete a receiver and what was to go to it."""
        await self._connection.execute(delete(webhook_posts).where(webhook_posts.c.hook_id == hook_id))
        return (await self._connection.execute(delete(webhooks).where(webhooks.c.id == hook_id))).rowcount == 1

    async def queue(self, pairs: Sequence[tuple[str, Notice]], *, now: datetime) -> None:
        """Let notices go to receivers; what was queued before stays as it is."""
        rows = [
            {
                "hook_id": hook,
                "notice_id": notice.id,
                "state": PostState.WAITING.value,
                "attempts": 0,
                "made_ms": to_ms(now),
                "due_ms": to_ms(now),
            }
            for hook, notice in pairs
        ]
        if rows:
            await self._connection.execute(insert_new(self._connection, webhook_posts), rows)

    async def claim(self, *, now: datetime, lease: timedelta, limit: int) -> Sequence[Post]:
        """Take what is due, to receivers that want it."""
        wanted = exists().where(webhooks.c.id == webhook_posts.c.hook_id, webhooks.c.state == HookState.ENABLED.value)
        due = (
            select(webhook_posts)
            .where(POST_WAITING, webhook_posts.c.due_ms <= to_ms(now), wanted)
            .order_by(webhook_posts.c.due_ms)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = (await self._connection.execute(due)).all()
        if rows:
            taken = [{"b_hook": row.hook_id, "b_notice": row.notice_id} for row in rows]
            await self._connection.execute(_TAKEN.values(due_ms=to_ms(now + lease)), taken)
        return await self._posts(rows)

    async def finish(self, post: Post) -> None:
        """Write what became of an attempt."""
        here = and_(webhook_posts.c.hook_id == post.hook, webhook_posts.c.notice_id == post.notice.id)
        values = {
            "state": post.state.value,
            "attempts": post.attempts,
            "status": post.status,
            "reason": post.reason,
            "ended_ms": maybe_to_ms(post.ended_at),
        }
        if post.due_at is not None:
            values["due_ms"] = to_ms(post.due_at)
        await self._connection.execute(update(webhook_posts).where(here, POST_WAITING).values(**values))

    async def log(self, hook_id: str, *, limit: int) -> Sequence[Post]:
        """Return what went or is to go to a receiver, newest first."""
        statement = select(webhook_posts).where(webhook_posts.c.hook_id == hook_id)
        ordered = statement.order_by(webhook_posts.c.made_ms.desc(), webhook_posts.c.notice_id).limit(limit)
        return await self._posts((await self._connection.execute(ordered)).all())

    async def again(self, hook_id: str, notice: str | None, *, now: datetime) -> int:
        """Let one notice go again, or with None all that are dead."""
        here = webhook_posts.c.hook_id == hook_id
        which = and_(here, POST_DEAD) if notice is None else and_(here, webhook_posts.c.notice_id == notice)
        values = {"state": PostState.WAITING.value, "attempts": 0, "due_ms": to_ms(now), "ended_ms": None}
        return (await self._connection.execute(update(webhook_posts).where(which).values(**values))).rowcount

    async def dead(self) -> Mapping[str, int]:
        """Return how many notices each receiver never got."""
        counted = select(webhook_posts.c.hook_id, func.count().label("many")).where(POST_DEAD)
        rows = await self._connection.execute(counted.group_by(webhook_posts.c.hook_id))
        return {row.hook_id: int(row.many) for row in rows}

    async def _posts(self, rows: Sequence[Any]) -> list[Post]:
        ids = sorted({row.notice_id for row in rows})
        if not ids:
            return []
        found = await self._connection.execute(select(notices).where(notices.c.id.in_(ids)))
        by_id = {row.id: notice_of(row) for row in found}
        return [_post(row, by_id[row.notice_id]) for row in rows if row.notice_id in by_id]


class SqlMails:
    """Who wants mail, and what they are to be told."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def wish(self, wish: MailWish) -> None:
        """Write what a person wants in place of what they wanted before."""
        row = {
            "person_id": wish.person,
            "address": wish.address,
            "language": wish.language,
            "next_ms": to_ms(wish.next_at),
            "attempts": wish.attempts,
            "reason": wish.reason,
        }
        changing = tuple(name for name in row if name != "person_id")
        await self._connection.execute(insert_or_change(self._connection, mail_wishes, changing).values(row))

    async def wish_of(self, person: str) -> MailWish | None:
        """Return what a person wants."""
        row = (await self._connection.execute(select(mail_wishes).where(mail_wishes.c.person_id == person))).one_or_none()
        return None if row is None else _wish(row)

    async def wishing(self, people: Collection[str]) -> frozenset[str]:
        """Return which of these people want mail."""
        found = select(mail_wishes.c.person_id).where(mail_wishes.c.person_id.in_(list(people)))
        return frozenset((await self._connection.execute(found)).scalars())

    async def no_more(self, person: str) -> None:
        """Forget a person's address and what was to be told them."""
        await self._connection.execute(delete(mail_queue).where(mail_queue.c.person_id == person))
        await self._connection.execute(delete(mail_wishes).where(mail_wishes.c.person_id == person))

    async def queue(self, pairs: Sequence[tuple[str, Notice]], *, now: datetime, urgent: bool) -> None:
        """Let notices be told to people; something urgent does not wait for its turn."""
        rows = [{"person_id": person, "notice_id": notice.id, "made_ms": to_ms(now)} for person, notice in pairs]
        if rows:
            await self._connection.execute(insert_new(self._connection, mail_queue), rows)
        if urgent and rows:
            people = sorted({person for person, _ in pairs})
            # Not one whose mail server fails: its turn is the one of the next attempt.
            here = and_(mail_wishes.c.person_id.in_(people), mail_wishes.c.attempts == 0, mail_wishes.c.next_ms > to_ms(now))
            await self._connection.execute(update(mail_wishes).where(here).values(next_ms=to_ms(now)))

    async def claim(self, *, now: datetime, lease: timedelta, limit: int) -> Sequence[tuple[MailWish, Sequence[Notice]]]:
        """Take people whose turn it is, each with all that waits for them."""
        waits = exists().where(mail_queue.c.person_id == mail_wishes.c.person_id, MAIL_WAITING)
        turn = select(mail_wishes).where(mail_wishes.c.next_ms <= to_ms(now), waits).limit(limit)
        taken = (await self._connection.execute(turn.with_for_update(skip_locked=True))).all()
        found = []
        for row in taken:
            here = mail_wishes.c.person_id == row.person_id
            await self._connection.execute(update(mail_wishes).where(here).values(next_ms=to_ms(now + lease)))
            joined = notices.join(mail_queue, mail_queue.c.notice_id == notices.c.id)
            told = select(notices).select_from(joined).where(mail_queue.c.person_id == row.person_id, MAIL_WAITING)
            rows = await self._connection.execute(told.order_by(mail_queue.c.made_ms, notices.c.id).limit(100))
            found.append((_wish(row), [notice_of(notice) for notice in rows]))
        return found

    async def sent(self, person: str, told: Collection[str], *, now: datetime, next_at: datetime) -> None:
        """Note that a mail went."""
        await self._told(person, told, now)
        values = {"next_ms": to_ms(next_at), "attempts": 0, "reason": None}
        await self._connection.execute(update(mail_wishes).where(mail_wishes.c.person_id == person).values(**values))

    async def give_up(self, wish: MailWish, told: Collection[str], *, now: datetime) -> None:
        """Note that a person could not be told, and why."""
        await self._told(wish.person, told, now, wish.reason)
        await self.failed(wish)

    async def _told(self, person: str, told: Collection[str], now: datetime, reason: str | None = None) -> None:
        here = and_(mail_queue.c.person_id == person, mail_queue.c.notice_id.in_(list(told)))
        await self._connection.execute(update(mail_queue).where(here).values(told_ms=to_ms(now), reason=reason))

    async def failed(self, wish: MailWish) -> None:
        """Note that it did not go, and when to try again."""
        values = {"next_ms": to_ms(wish.next_at), "attempts": wish.attempts, "reason": wish.reason}
        await self._connection.execute(update(mail_wishes).where(mail_wishes.c.person_id == wish.person).values(**values))


_TAKEN = update(webhook_posts).where(
    webhook_posts.c.hook_id == bindparam("b_hook"), webhook_posts.c.notice_id == bindparam("b_notice")
)


def _hook(row: Any) -> Hook:
    return Hook(
        id=row.id,
        name=row.name,
        host=row.host,
        address=row.address,
        secret=row.secret,
        types=frozenset(NoticeType(kind) for kind in from_json(row.types)),
        state=HookState(row.state),
        made_at=from_ms(row.made_ms),
        previous=row.previous,
        previous_until=maybe_from_ms(row.previous_until_ms),
    )


def _post(row: Any, notice: Notice) -> Post:
    return Post(
        hook=row.hook_id,
        notice=notice,
        state=PostState(row.state),
        attempts=row.attempts,
        made_at=from_ms(row.made_ms),
        due_at=from_ms(row.due_ms),
        status=row.status,
        reason=row.reason,
        ended_at=maybe_from_ms(row.ended_ms),
    )


def _wish(row: Any) -> MailWish:
    return MailWish(row.person_id, row.address, row.language, from_ms(row.next_ms), row.attempts, row.reason)

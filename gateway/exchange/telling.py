"""Telling of notices: to receivers by webhook, to people by mail. Each is taken, sent outside of any transaction, and its
outcome written: what a process that ended had taken goes again, under the same id.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from contracts.errors import ExchangeError, SchemaError
from contracts.notices import NoticeType, check_notice, notice_body
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.notice_ports import Hook, HookState, MailWish, Notice, Post, PostState, WorkOf
from keys.webhooks import WebhookSigner

RETRIES = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=24),
)
"""How long after each failed attempt the next one comes; after the last the notice is a dead letter."""
SPREAD_AT_ONCE = 200
POSTS_AT_ONCE = 50
MAILS_AT_ONCE = 10
LEASE = timedelta(minutes=5)
MAIL_EVERY = timedelta(minutes=15)
URGENT = frozenset(
    {NoticeType.REQUEST_OVERDUE, NoticeType.REFERRAL_OVERDUE, NoticeType.WORK_OVERDUE, NoticeType.SHEET_WITHDRAWN}
)
"""What is told by mail at once; so is work in which a life is at risk."""
GONE = 410


class NotTakenError(Exception):
    """It was not taken. `reason` is a code of ours; `final`: there is no use in trying again."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class SendHook(Protocol):
    """Hands a body to a receiver."""

    async def __call__(self, address: str, headers: Mapping[str, str], body: bytes) -> int:
        """Return the HTTP status.

        Raises:
            NotTakenError: there was no answer, or the address is not one we send to.
        """
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail. `id` is the same for the same news to the same person."""

    to: str
    subject: str
    text: str
    id: str
    language: str
    at: datetime


SendMail = Callable[[Letter], Awaitable[None]]
"""Hands a mail to the institution's mail server. Raises NotTakenError."""


class Audience(Protocol):
    """Who works here now."""

    def __call__(self, notices: Sequence[Notice], known: Mapping[str, WorkOf]) -> Mapping[str, Sequence[Notice]]:
        """Return which people are to be told which of these, whether they want mail or not."""
        ...

    def here(self, person: str) -> bool:
        """Return whether a person works here still."""
        ...


@dataclass(frozen=True, slots=True)
class Telling:
    """What telling may use. `mail` None: this node has no mail server."""

    signer: WebhookSigner
    send_hook: SendHook
    mail: SendMail | None
    words: Callable[[Sequence[Notice], str], tuple[str, str]]
    """The subject and the text of a mail in a language: counts and short names, nothing else."""
    seal_address: Callable[[str, str], bytes]
    """Seals the address of a person, bound to who they are."""
    address_of: Callable[[MailWish], str]
    people: Callable[[], Awaitable[Audience]]
    """Who works here now, as whom to tell."""


# -- from what happened to whoever is told -----------------------------------------------------------------------------


async def spread(node: Capabilities, telling: Telling) -> bool:
    """Put fresh notices into the queues of receivers and people; True when there may be more."""
    audience, now = await telling.people(), node.clock.now()
    async with node.begin() as work:
        fresh = await work.notices.fresh(limit=SPREAD_AT_ONCE)
        if not fresh:
            return False
        hooks = [hook for hook in await work.hooks.all() if hook.state is not HookState.GONE]  # of one that pauses, they wait
        pairs = [(hook.id, notice) for notice in fresh for hook in hooks if not hook.types or notice.type in hook.types]
        await work.hooks.queue(pairs, now=now)
        if telling.mail is not None:
            known = await work.notices.work_of([item.opening for item in fresh if item.opening is not None])
            told = audience(fresh, known)
            wanted = await work.mails.wishing(list(told))
            for pressing in (False, True):
                mails = [
                    (person, notice)
                    for person in sorted(wanted)
                    for notice in told[person]
                    if _pressing(notice, known) is pressing
                ]
                await work.mails.queue(mails, now=now, urgent=pressing)
        await work.notices.spread([notice.id for notice in fresh], now=now)
    return len(fresh) == SPREAD_AT_ONCE


def _pressing(notice: Notice, known: Mapping[str, WorkOf]) -> bool:
    if notice.type in URGENT:
        return True
    whose = known.get(notice.opening or "")
    return whose is not None and whose.pressing


# -- to receivers --------------------------------------------------------------------------------------------------------


async def post_due(node: Capabilities, telling: Telling) -> bool:
    """Send what is due to receivers, to several side by side; True when there may be more."""
    async with node.begin() as work:
        posts = await work.hooks.claim(now=node.clock.now(), lease=LEASE, limit=POSTS_AT_ONCE)
        hooks = {hook.id: hook for hook in await work.hooks.all()} if posts else {}
    of_hook: defaultdict[str, list[Post]] = defaultdict(list)
    for post in posts:
        of_hook[post.hook].append(post)
    await asyncio.gather(*(_post_all(hooks[hook], queue, node, telling) for hook, queue in of_hook.items() if hook in hooks))
    return len(posts) == POSTS_AT_ONCE


async def _post_all(hook: Hook, posts: Sequence[Post], node: Capabilities, telling: Telling) -> None:
    for number, post in enumerate(posts):
        done = await attempt(hook, post, node, telling)
        async with node.begin() as work:
            await work.hooks.finish(done)
            current = await work.hooks.find(hook.id)
            if done.status == GONE and current is not None:
                await work.hooks.put(replace(current, state=HookState.GONE))
            elif done.state is PostState.WAITING:  # a receiver that is down is not knocked at for each notice
                for other in posts[number + 1 :]:
                    await work.hooks.finish(replace(other, due_at=done.due_at))
        if done.state is not PostState.DELIVERED:
            return


async def attempt(hook: Hook, post: Post, node: Capabilities, telling: Telling) -> Post:
    """Send one notice to one receiver; return what became of it. Nothing that is not a notice leaves."""
    now, notice = node.clock.now(), post.notice
    try:
        body = notice_body(notice.type, notice.at, notice.folio, notice.href, notice.due)
        check_notice(body)
        secrets = [hook.secret, *_previous(hook, now)]
        headers = telling.signer.headers(hook.id, secrets, notice=notice.id, at=now, body=body)
        status = await telling.send_hook(telling.signer.open_address(hook.id, hook.address), headers, body)
    except NotTakenError as error:
        return _failed(post, now, None, error.reason, final=error.final)
    except SchemaError as error:  # ours: it must not leave, and people must see that it did not
        node.complain("notice", error)
        return _failed(post, now, None, "not-a-notice", final=True)
    except ExchangeError as error:  # a secret that does not open
        node.complain("notice", error)
        return _failed(post, now, None, "sealed")
    after = node.clock.now()
    if 200 <= status < 300:
        return replace(
            post, state=PostState.DELIVERED, attempts=post.attempts + 1, status=status, reason=None, due_at=None, ended_at=after
        )
    return _failed(post, after, status, None, final=status == GONE)


def _previous(hook: Hook, now: datetime) -> tuple[bytes, ...]:
    if hook.previous is None or hook.previous_until is None or hook.previous_until <= now:
        return ()
    return (hook.previous,)


def _failed(post: Post, now: datetime, status: int | None, reason: str | None, *, final: bool = False) -> Post:
    attempts = post.attempts + 1
    over = final or attempts > len(RETRIES)
    return replace(
        post,
        state=PostState.DEAD if over else PostState.WAITING,
        attempts=attempts,
        status=status,
        reason=reason,
        due_at=None if over else now + RETRIES[attempts - 1],
        ended_at=now if over else None,
    )


# -- to people ----------------------------------------------------------------------------------------------------------


async def mail_due(node: Capabilities, telling: Telling) -> bool:
    """Send people whose turn it is one mail about all that waits for them; True when there may be more."""
    if telling.mail is None:
        return False
    async with node.begin() as work:
        turns = await work.mails.claim(now=node.clock.now(), lease=LEASE, limit=MAILS_AT_ONCE)
    audience = await telling.people() if turns else None
    for wish, notices in turns:
        if audience is not None and audience.here(wish.person):
            await _mail(wish, notices, node, telling)
            continue
        async with node.begin() as work:
            await work.mails.no_more(wish.person)
    return len(turns) == MAILS_AT_ONCE


async def _mail(wish: MailWish, notices: Sequence[Notice], node: Capabilities, telling: Telling) -> None:
    ids = [notice.id for notice in notices]
    failed = await send_letter(wish, notices, node, telling)
    now = node.clock.now()
    async with node.begin() as work:
        if failed is None:
            await work.mails.sent(wish.person, ids, now=now, next_at=now + MAIL_EVERY)
        elif failed.final or wish.attempts >= len(RETRIES):
            await work.mails.give_up(replace(wish, next_at=now + MAIL_EVERY, attempts=0, reason=failed.reason), ids, now=now)
        else:
            again = now + RETRIES[wish.attempts]
            await work.mails.failed(replace(wish, next_at=again, attempts=wish.attempts + 1, reason=failed.reason))


async def send_letter(wish: MailWish, notices: Sequence[Notice], node: Capabilities, telling: Telling) -> NotTakenError | None:
    """Send a person a mail about notices; return why it was not taken."""
    if telling.mail is None:
        return NotTakenError("no-mail-server", final=True)
    subject, text = telling.words(notices, wish.language)
    name = sha256(" ".join([wish.person, *sorted(notice.id for notice in notices)]).encode()).hexdigest()[:40]
    try:
        letter = Letter(telling.address_of(wish), subject, text, name, wish.language, node.clock.now())
        await telling.mail(letter)
    except NotTakenError as error:
        return error
    except ExchangeError as error:  # the address does not open
        node.complain("notice", error)
        return NotTakenError("sealed")
    return None

"""What people do with receivers of webhooks: add, change the secret, try, look what went, let it go again, remove.

Each act has its leaf: who let what happens here be told to whom. A receiver's address and secrets are sealed; its host shows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from contracts.errors import NotPermittedError
from contracts.ids import ActorPseudonym
from contracts.notices import NoticeType
from gateway.exchange.acts import note_act
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.folios import folio_of
from gateway.exchange.notice_ports import Hook, HookState, Notice, Post, PostState
from gateway.exchange.ports import Nudge, UnitOfWork
from gateway.exchange.telling import Telling, attempt
from keys.webhooks import new_webhook_secret

OVERLAP = timedelta(hours=24)
"""How long both secrets sign after a change."""
MOST = 20
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_LONGEST = 500


class NoSuchHookError(NotPermittedError):
    """There is no receiver of that id, or no notice of that id went to it."""


class BadHookError(NotPermittedError):
    """It cannot be a receiver; `why` is a code."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no receiver: {why}")
        self.why = why


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where webhooks may go: the hosts the configuration lists. `plain`: to this very machine without TLS too."""

    listed: frozenset[str]
    plain: bool = False

    def check(self, address: str) -> str:
        """Return the host of an address.

        Raises:
            BadHookError: not https, not a listed host, or it carries more than a receiver's address needs.
        """
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise BadHookError("address") from None
        clean = address.isascii() and address.isprintable() and " " not in address and len(address) <= _LONGEST
        if not clean or not host or parts.username is not None or parts.password is not None or parts.fragment:
            raise BadHookError("address")
        if parts.scheme != "https" and not (parts.scheme == "http" and self.plain and host in LOOPBACK):
            raise BadHookError("not-https")
        if host not in self.listed:
            raise BadHookError("host-not-listed")
        return host


async def add_hook(
    name: str,
    address: str,
    types: Collection[NoticeType],
    node: Capabilities,
    telling: Telling,
    *,
    hosts: Hosts,
    actor: ActorPseudonym,
) -> tuple[Hook, str]:
    """Add a receiver; return it and its secret, which is told once.

    Raises:
        BadHookError: its address is none webhooks may go to, or there are too many.
    """
    host, now, secret = hosts.check(address), node.clock.now(), new_webhook_secret()
    hook_id = str(node.new_message_id(now))
    hook = Hook(
        id=hook_id,
        name=name,
        host=host,
        address=telling.signer.seal(hook_id, address, what="address"),
        secret=telling.signer.seal(hook_id, secret, what="secret"),
        types=frozenset(types),
        state=HookState.ENABLED,
        made_at=now,
    )
    async with node.begin() as work:
        if len(await work.hooks.all()) >= MOST:
            raise BadHookError("too-many")
        await work.hooks.put(hook)
        await note_act(f"webhook.added {hook_id} {host}", work, node, actor=actor)
    node.nudge(Nudge.LOG)
    return hook, secret


async def new_secret(hook_id: str, node: Capabilities, telling: Telling, *, actor: ActorPseudonym) -> str:
    """Give a receiver another secret; the one before signs beside it for a day. Return the new one, which is told once.

    Raises:
        NoSuchHookError: there is none.
    """
    secret, now = new_webhook_secret(), node.clock.now()
    async with node.begin() as work:
        hook = await found(hook_id, work)
        sealed = telling.signer.seal(hook_id, secret, what="secret")
        await work.hooks.put(replace(hook, secret=sealed, previous=hook.secret, previous_until=now + OVERLAP))
        await note_act(f"webhook.secret {hook_id}", work, node, actor=actor)
    node.nudge(Nudge.LOG)
    return secret


async def set_state(hook_id: str, state: HookState, node: Capabilities, *, actor: ActorPseudonym) -> None:
    """Pause a receiver, or let it be told again.

    Raises:
        NoSuchHookError: there is none.
    """
    async with node.begin() as work:
        hook = await found(hook_id, work)
        await work.hooks.put(replace(hook, state=state))
        await note_act(f"webhook.{state.value} {hook_id}", work, node, actor=actor)
    node.nudge(Nudge.LOG)


async def remove_hook(hook_id: str, node: Capabilities, *, actor: ActorPseudonym) -> None:
    """Remove a receiver, with what was to go to it.

    Raises:
        NoSuchHookError: there is none.
    """
    async with node.begin() as work:
        if not await work.hooks.remove(hook_id):
            raise NoSuchHookError("no such receiver")
        await note_act(f"webhook.removed {hook_id}", work, node, actor=actor)
    node.nudge(Nudge.LOG)


async def try_hook(hook_id: str, node: Capabilities, telling: Telling, *, actor: ActorPseudonym) -> Post:
    """Send a receiver a test now, once; return what became of it. It is in no queue and in no log of deliveries.

    Raises:
        NoSuchHookError: there is none.
    """
    now = node.clock.now()
    async with node.begin() as work:
        hook = await found(hook_id, work)
        await note_act(f"webhook.tested {hook_id}", work, node, actor=actor)
    node.nudge(Nudge.LOG)
    return await attempt(hook, Post(hook_id, sample(now, hook_id), PostState.WAITING, 0, now), node, telling)


def sample(now: datetime, name: str) -> Notice:
    """Return the notice of a test: it is about nothing."""
    return Notice(NoticeType.TEST, f"{name} {now.isoformat()}", folio_of("T", name), "/api/v1/status", now)


async def posts_of(hook_id: str, node: Capabilities, *, limit: int = 100) -> Sequence[Post]:
    """Return what went, or is to go, to a receiver, newest first.

    Raises:
        NoSuchHookError: there is none.
    """
    async with node.begin() as work:
        await found(hook_id, work)
        return await work.hooks.log(hook_id, limit=limit)


async def replay(hook_id: str, notice: str | None, node: Capabilities, *, actor: ActorPseudonym) -> int:
    """Let one notice go again to a receiver, or with None every dead one; return how many. Each keeps its id.

    Raises:
        NoSuchHookError: there is none, or that notice was never to go to it.
    """
    async with node.begin() as work:
        await found(hook_id, work)
        number = await work.hooks.again(hook_id, notice, now=node.clock.now())
        if notice is not None and not number:
            raise NoSuchHookError("no such notice")
        await note_act(f"webhook.replayed {hook_id} {number}", work, node, actor=actor)
    node.nudge(Nudge.LOG)
    return number


async def found(hook_id: str, work: UnitOfWork) -> Hook:
    """Return a receiver.

    Raises:
        NoSuchHookError: there is none.
    """
    hook = await work.hooks.find(hook_id)
    if hook is None:
        raise NoSuchHookError("no such receiver")
    return hook

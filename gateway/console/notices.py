"""Routes of the private port about notices: receivers of webhooks, and a person's own mail. Nothing here is about a case."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from contracts.notices import NoticeType
from gateway.console import given
from gateway.console.access import PRINCIPAL, Open, Route
from gateway.console.answers import json_answer
from gateway.console.notice_words import REASONS
from gateway.console.operations import Operations
from gateway.exchange import receivers, wishes
from gateway.exchange.notice_ports import Hook, HookState, Post
from gateway.exchange.receivers import BadHookError, NoSuchHookError
from gateway.people.errors import InvalidError, SignedOutError, UnknownError
from gateway.people.roles import Permission
from gateway.web import Watch

_Handler = Callable[[web.Request], Awaitable[web.Response]]
_HOOK = re.compile(r"[0-9a-f-]{36}")
_NOTICE = re.compile(r"msg_[0-9a-f]{40}")
_ONE = "/api/v1/webhooks/{hook}"


class NoticesApi:
    """The handlers."""

    def __init__(self, operations: Operations, watch: Watch) -> None:
        self._node = operations.node
        self._looking = replace(operations.node, begin=operations.look)
        self._telling = operations.telling
        self._hosts = operations.hosts
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, manage = Permission.NOTICES_READ, Permission.NOTICES_MANAGE
        return (
            Route("GET", "/api/v1/webhooks", self._list, read),
            Route("POST", "/api/v1/webhooks", _told(self._add), manage),
            Route("DELETE", _ONE, _told(self._remove), manage),
            Route("GET", f"{_ONE}/deliveries", _told(self._deliveries), read),
            Route("POST", f"{_ONE}/test", _told(self._test), manage),
            Route("POST", f"{_ONE}/replay", _told(self._replay), manage),
            Route("POST", f"{_ONE}/secret", _told(self._secret), manage),
            Route("POST", f"{_ONE}/state", _told(self._state), manage),
            Route("GET", "/api/v1/session/mail", self._mail, Open.ANYBODY_SIGNED_IN),
            Route("POST", "/api/v1/session/mail", self._wish, Open.ANYBODY_SIGNED_IN),
            Route("DELETE", "/api/v1/session/mail", self._no_mail, Open.ANYBODY_SIGNED_IN),
        )

    async def _list(self, _request: web.Request) -> web.Response:
        async with self._looking.begin() as work:
            hooks, dead = await work.hooks.all(), await work.hooks.dead()
        return json_answer({"webhooks": [_hook(hook, dead.get(hook.id, 0)) for hook in hooks]})

    async def _add(self, request: web.Request) -> web.Response:
        body = await given.read_body(request, self._watch, frozenset({"name", "address"}), frozenset({"types"}))
        name, address = given.text(body, "name"), given.text(body, "address", longest=500)
        types = given.each(body, "types", NoticeType) if "types" in body else []
        hook, secret = await receivers.add_hook(
            name, address, types, self._node, self._telling, hosts=self._hosts, actor=request[PRINCIPAL].actor
        )
        return json_answer(_hook(hook, 0) | {"secret": secret})

    async def _remove(self, request: web.Request) -> web.Response:
        await receivers.remove_hook(hook_of(request), self._node, actor=request[PRINCIPAL].actor)
        return json_answer({"removed": True})

    async def _deliveries(self, request: web.Request) -> web.Response:
        posts = await receivers.posts_of(hook_of(request), self._looking)
        return json_answer({"deliveries": [_post(post) for post in posts]})

    async def _test(self, request: web.Request) -> web.Response:
        await given.read_body(request, self._watch, frozenset())
        done = await receivers.try_hook(hook_of(request), self._node, self._telling, actor=request[PRINCIPAL].actor)
        return json_answer(_post(done))

    async def _replay(self, request: web.Request) -> web.Response:
        body = await given.read_body(request, self._watch, frozenset(), frozenset({"notice"}))
        notice = given.text(body, "notice") if "notice" in body else None
        if notice is not None and not _NOTICE.fullmatch(notice):
            raise InvalidError("notice es el id de un aviso.", advice="`paradero webhook deliveries` los muestra.")
        number = await receivers.replay(hook_of(request), notice, self._node, actor=request[PRINCIPAL].actor)
        return json_answer({"again": number})

    async def _secret(self, request: web.Request) -> web.Response:
        await given.read_body(request, self._watch, frozenset())
        secret = await receivers.new_secret(hook_of(request), self._node, self._telling, actor=request[PRINCIPAL].actor)
        return json_answer({"secret": secret})

    async def _state(self, request: web.Request) -> web.Response:
        body = await given.read_body(request, self._watch, frozenset({"state"}))
        state = given.word(body, "state", HookState)
        if state is HookState.GONE:
            raise InvalidError("state es enabled o disabled.")
        await receivers.set_state(hook_of(request), state, self._node, actor=request[PRINCIPAL].actor)
        return json_answer({"state": state.value})

    # -- one's own mail --------------------------------------------------------------------------------------------------

    async def _mail(self, request: web.Request) -> web.Response:
        wish = await wishes.wish_of(_person(request), self._looking)
        there = self._telling.mail is not None
        if wish is None:
            return json_answer({"wanted": False, "mail_server": there})
        return json_answer({"wanted": True, "language": wish.language, "problem": wish.reason, "mail_server": there})

    async def _wish(self, request: web.Request) -> web.Response:
        body = await given.read_body(request, self._watch, frozenset({"address"}), frozenset({"language"}))
        address, language = given.text(body, "address", longest=254), body.get("language", "es")
        if language not in {"es", "en"} or not wishes.is_address(address):
            raise InvalidError("address es una dirección de correo, y language es es o en.")
        await wishes.want_mail(_person(request), address, language, self._node, self._telling, actor=request[PRINCIPAL].actor)
        return json_answer({"wanted": True})

    async def _no_mail(self, request: web.Request) -> web.Response:
        await wishes.no_mail(_person(request), self._node, actor=request[PRINCIPAL].actor)
        return json_answer({"wanted": False})


def hook_of(request: web.Request) -> str:
    """Return the id of a receiver in a route's path.

    Raises:
        NoSuchHookError: what stands there is none.
    """
    found = request.match_info["hook"]
    if not _HOOK.fullmatch(found):
        raise NoSuchHookError("no id")
    return found


def _person(request: web.Request) -> str:
    person = request[PRINCIPAL].person_id
    if person is None:
        raise SignedOutError
    return str(person)


def _hook(hook: Hook, dead: int) -> dict[str, Any]:
    return {
        "id": hook.id,
        "name": hook.name,
        "host": hook.host,
        "types": sorted(kind.value for kind in hook.types),
        "state": hook.state.value,
        "made": hook.made_at.isoformat(timespec="seconds"),
        "dead": dead,
    }


def _post(post: Post) -> dict[str, Any]:
    return {
        "notice": post.notice.id,
        "type": post.notice.type.value,
        "folio": post.notice.folio,
        "state": post.state.value,
        "attempts": post.attempts,
        "status": post.status,
        "reason": post.reason,
        "made": post.made_at.isoformat(timespec="seconds"),
        "next": None if post.due_at is None or post.ended_at is not None else post.due_at.isoformat(timespec="seconds"),
    }


def _told(handler: _Handler) -> _Handler:
    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except NoSuchHookError:
            raise UnknownError("No hay un receptor así.", advice="`paradero webhook list` los muestra.") from None
        except BadHookError as error:
            why = REASONS[error.why]
            raise InvalidError(
                f"No puede ser receptor: {why}.", advice="Véase docs/notices.md y [webhooks] en la configuración."
            ) from None

    return told

"""Notices: to which programs they go and what became of them; and a person's own mail. Nothing of a case is shown."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from contracts.notices import NoticeType, notice_body
from gateway.console.access import PRINCIPAL, Face, Open, Route
from gateway.console.marking import N_
from gateway.console.notice_words import TYPES, mail_words, reason_in_words
from gateway.console.notices import hook_of
from gateway.console.operations import Operations
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import Looks
from gateway.console.pages.once import first_time, fresh_key
from gateway.console.words import Words
from gateway.exchange import receivers, wishes
from gateway.exchange.folios import folio_of
from gateway.exchange.notice_ports import HookState, Notice, Post, PostState
from gateway.exchange.receivers import BadHookError, NoSuchHookError
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission

_ONE = "/avisos/{hook}"
_OWN = "/cuenta/avisos"
_ACTS = ("probar", "repetir", "clave", "estado", "quitar")
_OFFERED = tuple(kind for kind in NoticeType if kind is not NoticeType.TEST)
STATES = {
    HookState.ENABLED: N_("recibe"),
    HookState.DISABLED: N_("en pausa"),
    HookState.GONE: N_("dijo que no quiere más (410)"),
}
POSTS = {
    PostState.WAITING: N_("por entregar"),
    PostState.DELIVERED: N_("entregado"),
    PostState.DEAD: N_("no se entregó"),
}
DONE = {
    "repetido": N_("Se vuelve a enviar, con el mismo número de aviso."),
    "nada": N_("No había nada que repetir."),
    "pausa": N_("Está en pausa: sus avisos esperan."),
    "sigue": N_("Recibe otra vez; lo que esperaba sale ahora."),
    "quitado": N_("Se quitó. No se le envía nada más."),
    "bien": N_("La prueba llegó: respondió que está bien."),
    "mal": N_("La prueba no llegó. Véase por qué en la dirección, en la lista de la configuración, o en el receptor."),
    "guardado": N_("Guardado. Se le avisará por correo."),
    "borrado": N_("No se le envía nada más, y se borró su dirección."),
    "ya": N_("Ese formulario ya se había enviado. No se hizo nada más."),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One notice to one receiver, as the list shows it."""

    id: str
    what: str
    folio: str
    state: str
    at: datetime
    attempts: int
    answer: str
    next_at: datetime | None
    dead: bool
    repeats: bool


class NoticePages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks = looks
        self._node = operations.node
        self._looking = replace(operations.node, begin=operations.look)
        self._telling = operations.telling
        self._hosts = operations.hosts
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, manage, own = Permission.NOTICES_READ, Permission.NOTICES_MANAGE, Open.ANYBODY_SIGNED_IN
        acts = (self._test, self._again, self._secret, self._state, self._remove)
        return (
            Route("GET", "/avisos", self._list, read, Face.PAGE),
            Route("POST", "/avisos/nuevo", self._add, manage, Face.PAGE),
            Route("GET", _ONE, self._show, read, Face.PAGE),
            *(Route("POST", f"{_ONE}/{name}", act, manage, Face.PAGE) for name, act in zip(_ACTS, acts, strict=True)),
            Route("GET", _OWN, self._own, own, Face.PAGE),
            Route("POST", _OWN, self._save, own, Face.PAGE),
            Route("POST", f"{_OWN}/probar", self._try, own, Face.PAGE),
            Route("POST", f"{_OWN}/borrar", self._forget, own, Face.PAGE),
        )

    # -- receivers -----------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        return await self._page(request)

    async def _page(self, request: web.Request, error: str = "", field: str = "", **typed: Any) -> web.Response:
        told, now = self._looks.words(request), self._node.clock.now()
        async with self._looking.begin() as work:
            hooks, dead = await work.hooks.all(), await work.hooks.dead()
        rows = [(hook, told.gettext(STATES[hook.state]), dead.get(hook.id, 0)) for hook in hooks]
        body, subject, text = preview(now, told)
        return await self._looks.page(
            request,
            "avisos.html",
            status=422 if error else 200,
            rows=rows,
            lost=sum(dead.values()),
            types=[(kind.value, told.gettext(TYPES[kind])) for kind in _OFFERED],
            hosts=sorted(self._hosts.listed),
            mail=self._telling.mail is not None,
            manages=request[PRINCIPAL].may(Permission.NOTICES_MANAGE),
            body=body,
            subject=subject,
            text=text,
            key=fresh_key(self._desk),
            done=_done(request, told),
            error=error,
            field=field,
            typed={"name": "", "address": "", "types": ()} | typed,
        )

    async def _add(self, request: web.Request) -> web.Response:
        form, told = request[FORM], self._looks.words(request)
        name, address, chosen = form.text("nombre"), form.text("direccion"), form.every("tipo")
        typed = {"name": name[:80], "address": address[:500], "types": chosen}
        if not 1 <= len(name) <= 80 or not name.isprintable():
            return await self._page(request, told.gettext("Escriba un nombre de hasta 80 letras."), "nombre", **typed)
        types = [kind for kind in _OFFERED if kind.value in chosen]
        try:
            self._hosts.check(address)
            if not await first_time(request, self._desk):
                return _to("/avisos?hecho=ya")
            hook, secret = await receivers.add_hook(
                name, address, types, self._node, self._telling, hosts=self._hosts, actor=request[PRINCIPAL].actor
            )
        except BadHookError as error:
            why = told.gettext("No puede ser receptor: %(why)s.") % {"why": reason_in_words(error.why, told)}
            return await self._page(request, why, "direccion", **typed)
        return await self._looks.page(request, "aviso_clave.html", hook=hook, secret=secret, fresh=True)

    async def _show(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        async with self._looking.begin() as work:
            hook = await receivers.found(hook_of(request), work)
        posts = await receivers.posts_of(hook.id, self._looking)
        return await self._looks.page(
            request,
            "aviso.html",
            hook=hook,
            state=told.gettext(STATES[hook.state]),
            types=[told.gettext(TYPES[kind]) for kind in NoticeType if kind in hook.types],
            lines=[_line(post, told) for post in posts],
            dead=sum(post.state is PostState.DEAD for post in posts),
            manages=request[PRINCIPAL].may(Permission.NOTICES_MANAGE),
            overlap=None
            if hook.previous_until is None or hook.previous_until < self._node.clock.now()
            else hook.previous_until,
            key=fresh_key(self._desk),
            done=_done(request, told),
        )

    async def _test(self, request: web.Request) -> web.Response:
        hook = hook_of(request)
        if not await first_time(request, self._desk):
            return _to(f"/avisos/{hook}?hecho=ya")
        done = await receivers.try_hook(hook, self._node, self._telling, actor=request[PRINCIPAL].actor)
        return _to(f"/avisos/{hook}?hecho={'bien' if done.state is PostState.DELIVERED else 'mal'}")

    async def _again(self, request: web.Request) -> web.Response:
        hook, notice = hook_of(request), request[FORM].text("aviso")
        number = await receivers.replay(hook, notice or None, self._node, actor=request[PRINCIPAL].actor)
        return _to(f"/avisos/{hook}?hecho={'repetido' if number else 'nada'}")

    async def _secret(self, request: web.Request) -> web.Response:
        hook_id = hook_of(request)
        if not await first_time(request, self._desk):
            return _to(f"/avisos/{hook_id}?hecho=ya")
        secret = await receivers.new_secret(hook_id, self._node, self._telling, actor=request[PRINCIPAL].actor)
        async with self._looking.begin() as work:
            hook = await receivers.found(hook_id, work)
        return await self._looks.page(request, "aviso_clave.html", hook=hook, secret=secret, fresh=False)

    async def _state(self, request: web.Request) -> web.Response:
        hook, wanted = hook_of(request), request[FORM].text("estado")
        if wanted not in {HookState.ENABLED.value, HookState.DISABLED.value}:
            raise web.HTTPNotFound
        state = HookState(wanted)
        await receivers.set_state(hook, state, self._node, actor=request[PRINCIPAL].actor)
        return _to(f"/avisos/{hook}?hecho={'sigue' if state is HookState.ENABLED else 'pausa'}")

    async def _remove(self, request: web.Request) -> web.Response:
        try:
            await receivers.remove_hook(hook_of(request), self._node, actor=request[PRINCIPAL].actor)
        except NoSuchHookError:
            return _to("/avisos?hecho=ya")
        return _to("/avisos?hecho=quitado")

    # -- one's own mail ------------------------------------------------------------------------------------------------

    async def _own(self, request: web.Request) -> web.Response:
        return await self._own_page(request)

    async def _own_page(self, request: web.Request, error: str = "", typed: str = "", status: int = 200) -> web.Response:
        told, wish = self._looks.words(request), await wishes.wish_of(_person(request), self._looking)
        _, subject, text = preview(self._node.clock.now(), told)
        return await self._looks.page(
            request,
            "cuenta_avisos.html",
            status=status,
            wish=wish,
            problem="" if wish is None else reason_in_words(wish.reason, told),
            mail=self._telling.mail is not None,
            subject=subject,
            text=text,
            typed=typed,
            key=fresh_key(self._desk),
            done=_done(request, told),
            error=error,
        )

    async def _save(self, request: web.Request) -> web.Response:
        told, address = self._looks.words(request), request[FORM].text("correo")
        if not wishes.is_address(address):
            why = told.gettext("Escriba una dirección de correo, por ejemplo nombre@institucion.example.")
            return await self._own_page(request, why, address[:254], 422)
        principal = request[PRINCIPAL]
        await wishes.want_mail(_person(request), address, told.lang, self._node, self._telling, actor=principal.actor)
        return _to(f"{_OWN}?hecho=guardado")

    async def _try(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        if not await first_time(request, self._desk):
            return _to(f"{_OWN}?hecho=ya")
        failed = await wishes.try_mail(_person(request), self._node, self._telling)
        if failed is None:
            return _to(f"{_OWN}?hecho=bien")
        why = told.gettext("El correo de prueba no salió: %(why)s.") % {"why": reason_in_words(failed.reason, told)}
        return await self._own_page(request, why, status=503)

    async def _forget(self, request: web.Request) -> web.Response:
        await wishes.no_mail(_person(request), self._node, actor=request[PRINCIPAL].actor)
        return _to(f"{_OWN}?hecho=borrado")


def preview(now: datetime, told: Words) -> tuple[str, str, str]:
    """Return a webhook's body, and a mail's subject and text, as they would leave: made by what makes them."""
    folio, due = folio_of("S", "ejemplo"), now + timedelta(hours=4)
    href = "/api/v1/requests/01990000-0000-7000-8000-000000000000"
    kind = NoticeType.REQUEST_DUE_SOON
    body = notice_body(kind, now, folio, href, due).decode()
    return body, *mail_words([Notice(kind, "", folio, href, now, due)], told.lang)


def _line(post: Post, told: Words) -> Line:
    answer = str(post.status) if post.status is not None else reason_in_words(post.reason, told)
    return Line(
        id=post.notice.id,
        what=told.gettext(TYPES[post.notice.type]),
        folio=post.notice.folio,
        state=told.gettext(POSTS[post.state]),
        at=post.made_at,
        attempts=post.attempts,
        answer=answer,
        next_at=post.due_at if post.state is PostState.WAITING else None,
        dead=post.state is PostState.DEAD,
        repeats=post.state is not PostState.WAITING,
    )


def _person(request: web.Request) -> str:
    return str(request[PRINCIPAL].person_id)


def _done(request: web.Request, told: Words) -> str:
    said = request.query.get("hecho", "")
    return told.gettext(DONE[said]) if said in DONE else ""


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})

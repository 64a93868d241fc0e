"""People with a second factor, for suites about it: quick passwords, an authenticator app, what a page says."""

import html
import re
from base64 import b32decode

from keys.totp import totp_code
from tests.console.visitor import Visitor
from tests.people.hired import PASSWORD, _Quick


def quicken(world):
    """Passwords of a node cost nothing to check: these suites are about what comes after."""
    object.__setattr__(world.desk, "passwords", _Quick())


def demand(world, **limits):
    """Ask more than a password at a node, or change how long things last."""
    from dataclasses import replace

    object.__setattr__(world.desk, "limits", replace(world.desk.limits, **limits))


def app_of(page):
    """The secret on the page that adds an app."""
    return b32decode(re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)[1].replace(" ", ""))


def codes_of(page):
    return re.findall(r"<li><code>([a-z2-7-]{19})</code>", page.text)


def now_code(world, secret, *, seconds=0):
    return totp_code(secret, now=int(world.clock.now().timestamp()) + seconds)


async def entering(world, login, password=PASSWORD, **more):
    """A visitor who gave their password."""
    visitor = Visitor(world.base, **more)
    return visitor, await visitor.post("/entrar", {"usuario": login, "clave": password, "sigue": "/"})


async def with_app(world, login):
    """Somebody who adds an app: the visitor, its secret, and the recovery codes."""
    visitor, page = await entering(world, login)
    assert page.status == 303, page.text
    assert (await visitor.post("/cuenta/codigo")).location == "/cuenta/codigo"
    secret = app_of(await visitor.get("/cuenta/codigo"))
    page = await visitor.post("/cuenta/codigo/confirmar", {"codigo": now_code(world, secret)})
    assert page.location == "/cuenta/recuperacion", html.unescape(page.text)
    codes = codes_of(await visitor.get("/cuenta/recuperacion"))
    assert len(set(codes)) == 10
    world.clock.forward(seconds=60)
    return visitor, secret, codes

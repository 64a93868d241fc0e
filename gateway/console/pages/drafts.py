"""Saving what somebody is filling in: by a button, or by the page itself; and saying so, or why not."""

from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime

from aiohttp import web

from contracts.codec import encode_object
from gateway.console.marking import N_
from gateway.console.pages.forms import FORM, TOKEN, Form
from gateway.console.pages.looks import Looks
from gateway.console.requests import by_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.drafting import (
    DraftChangedError,
    DraftTooLongError,
    NoSuchDraftError,
    Part,
    Place,
    TooManyDraftsError,
    draft_of,
    drafts_of,
    drop_draft,
    drop_form,
    open_draft,
    save_in,
)
from gateway.exchange.ports.departures import Departure, PersonRef

SEEN = "borrador"
"""The form's field that says which version of the draft the page shows."""
ANYWAY = "esta-ventana"
"""The step by which somebody says that what this window shows counts, whatever was saved elsewhere."""
LATER = frozenset({"guardar", ANYWAY})
"""The steps by which somebody saves and goes on another time."""
SAVED = N_("Está guardado y no se envió nada. Se borra siete días después del último cambio, o al enviarlo.")
FINDING = "finding "
"""How the purposes of drafts of findings begin."""
FILE = "expediente"
"""The field of a finding's form that says what the office calls it: it is told once of each."""
_OURS = frozenset({TOKEN, SEEN, "paso", "vez"})


def written(form: Form, *but: str) -> dict[str, list[str]]:
    """Return what was filled in, without what a page itself puts into its form; empty fields are left out."""
    names = [name for name in form.names() if name not in _OURS and name not in but]
    found = {name: [value for value in form.every(name) if value.strip()] for name in names}
    return {name: values for name, values in found.items() if values}


def seen_of(form: Form) -> int | None:
    """Return the version a page showed; None: whoever sends it says that theirs counts."""
    text = form.text(SEEN)
    return int(text) if form.text("paso") != ANYWAY and text.isascii() and text.isdigit() and len(text) < 9 else None


def saves(form: Form) -> bool:
    """Return whether a form came from a page that keeps drafts."""
    return bool(form.text(SEEN))


def offering(case_ref: str) -> str:
    """Return the purpose of the draft of a referral begun from a case."""
    return f"offer {case_ref}"


def asking(case_ref: str, peer: str = "") -> str:
    """Return the purpose of the draft of a question about a case; without whom it is to, how those of all begin."""
    return f"ask {case_ref} {peer}"


async def forget_sent(departure: Departure, node: Capabilities, *, person: PersonRef) -> None:
    """Forget the form that a person filled in for what they have signed now."""
    match departure.kind:
        case "referral.offer":
            await drop_form(offering(departure.case_ref), node, person=person)
        case "search.request":
            await drop_form(asking(departure.case_ref, departure.peer), node, person=person)
        case "finding.notice":
            await _forget_finding(departure.case_ref, node, person)
        case _:
            pass  # its form keeps none


async def _forget_finding(case_ref: str, node: Capabilities, person: PersonRef) -> None:
    for draft in await drafts_of(FINDING, node, person=person):
        with suppress(NoSuchDraftError):  # another window was first
            kept = (await open_draft(draft.id, node, person=person)).part("")
            if Form(kept.fields).text(FILE) == case_ref:
                await drop_draft(draft.id, node, person=person)


class DraftAnswers:
    """Saves the form of a page for whoever fills it in, and says so, or why not."""

    def __init__(self, looks: Looks, node: Capabilities) -> None:
        self._looks = looks
        self._node = node

    async def kept(self, request: web.Request, purpose: str) -> Part:
        """Return what this person saved of a form; nobody else's is ever shown."""
        found = await draft_of(purpose, self._node, person=by_of(request).person)
        return Part() if found is None else found.part("")

    async def save(self, request: web.Request, place: Place, *but: str) -> Part:
        """Save what was filled in, but for these fields."""
        form, person = request[FORM], by_of(request).person
        return await save_in(place, "", written(form, *but), self._node, person=person, seen=seen_of(form))

    async def stopped(self, request: web.Request, place: Place, *but: str, again: str, later: str) -> web.Response | None:
        """Save what came from a page that keeps drafts; return what is shown instead of going on, if anything is.

        That is at `later` what is left for another time, and where another window saved something else, a choice between
        both, which `again` shows as it was saved.

        Raises:
            TooManyDraftsError: it was to be kept for later. What goes on now is not stopped by that.
        """
        form, waits = request[FORM], request[FORM].text("paso") in LATER
        try:
            if saves(form):
                await self.save(request, place, *but)
        except DraftChangedError as error:
            return await self.conflict(request, error, again)
        except TooManyDraftsError:
            if waits:
                raise
        return web.Response(status=303, headers={"Location": later}) if waits else None

    async def saved_by_page(self, request: web.Request, saving: Awaitable[Part]) -> web.Response:
        """Answer the page's own script, which saves while somebody writes: the new version, and when, in words."""
        told = self._looks.words(request)
        try:
            part = await saving
        except DraftChangedError as error:
            return _json(409, said=await self.changed(request, error.saved_at))
        except DraftTooLongError:
            return _json(413, said=told.gettext("Es demasiado largo: lo último que escribió no se guardó."))
        except TooManyDraftsError:
            return _json(409, said=told.gettext("Tiene demasiados formularios sin terminar: esto no se guardó."))
        return _json(200, version=part.version, said=await self.saved_at(request, part))

    async def saved_at(self, request: web.Request, part: Part) -> str:
        """Return when a part was saved last, in words; empty for one that never was."""
        if part.saved_at is None:
            return ""
        told, zone = self._looks.words(request), await self._looks.zone(request)
        return told.gettext("Su texto está guardado hasta las %(time)s.") % {"time": told.time(part.saved_at, zone)}

    async def changed(self, request: web.Request, at: datetime) -> str:
        """Return that another window saved something else, in words."""
        told, zone = self._looks.words(request), await self._looks.zone(request)
        why = told.gettext("Otra ventana suya guardó aquí otra cosa a las %(time)s. Lo de esta ventana no se ha guardado.")
        return why % {"time": told.time(at, zone)}

    async def conflict(self, request: web.Request, error: DraftChangedError, address: str) -> web.Response:
        """Return the page on which somebody chooses between what they wrote here and what was saved elsewhere."""
        form = request[FORM]
        carried = [(name, value) for name, values in written(form).items() for value in values]
        why = await self.changed(request, error.saved_at)
        return await self._looks.page(
            request, "borrador.html", status=409, why=why, carried=carried, address=address, anyway=ANYWAY
        )


def _json(status: int, **told: str | int) -> web.Response:
    return web.Response(body=encode_object(dict(told)), status=status, content_type="application/json")

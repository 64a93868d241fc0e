"""What somebody prepared from a case, read from the bytes that will be signed; then the signature, and what happens next."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from contracts.errors import NotPermittedError
from contracts.ids import MessageId
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import eyes_of
from gateway.console.pages.answering import AnswerPages, departure_of, waits_in_words
from gateway.console.pages.bodies import body_pairs
from gateway.console.pages.case_room import CaseRoom, case_folio
from gateway.console.pages.cookies import keep_session
from gateway.console.pages.drafts import forget_sent
from gateway.console.pages.entrance import unsigned
from gateway.console.pages.letters import letter_of
from gateway.console.pages.pending import pending_address
from gateway.console.pages.refusals import refusal
from gateway.console.requests import by_of
from gateway.exchange.bookkeeping import OutOfTurnError
from gateway.exchange.departing import AlreadySentError, ContentChangedError, NoSuchDepartureError
from gateway.exchange.gate import WallError
from gateway.exchange.parcels import Parcel
from gateway.exchange.ports.departures import Departure, DepartureState
from gateway.exchange.releasing import confirm, drafted, open_parcel
from gateway.people.errors import CodeNeededError, NotAllowedError, WaitError, WrongCredentialsError
from gateway.people.roles import Permission
from gateway.people.sign_in import is_fresh

NEEDS: Mapping[str, Permission] = {
    "referral.offer": Permission.REFERRALS_SEND,
    "referral.update": Permission.REFERRALS_SEND,
    "search.request": Permission.REQUESTS_ANSWER,
    "identity.check": Permission.REQUESTS_ANSWER,
    "finding.notice": Permission.FINDINGS_SEND,
}
"""What is signed here, and what it takes besides being let in."""
_FORMS: Mapping[str, str] = {"referral.offer": "/r/nueva", "search.request": "/s/nueva"}
_ONE = "/enviar/{departure}"
_REFUSED = (OutOfTurnError, AlreadySentError, ContentChangedError, WallError, NotPermittedError)


class SigningRoom:
    """The handlers. Who was shown something signs it, and nobody else."""

    def __init__(self, room: CaseRoom, answers: AnswerPages) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks
        self._answers = answers

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read = Permission.CASES_READ
        return (
            Route("GET", _ONE, self._review, read, Face.PAGE),
            Route("POST", _ONE, self._sign, read, Face.PAGE),
            Route("GET", f"{_ONE}/hecho", self._sent, read, Face.PAGE),
        )

    async def _shown(self, request: web.Request) -> tuple[Departure, Parcel]:
        """Return what this person was shown, if it is of those that are signed here.

        Raises:
            NoSuchDepartureError: there is no such thing.
            NotAllowedError: they may not send it.
        """
        departure, parcel, _ = await open_parcel(departure_of(request.match_info["departure"]), self._node)
        mine = departure.drafted_by == by_of(request).person and departure.state is DepartureState.SHOWN
        if not mine or departure.kind not in NEEDS:
            raise NoSuchDepartureError("nothing of that id was shown to this person")
        self._allow(request, departure)
        return departure, parcel

    def _allow(self, request: web.Request, departure: Departure) -> None:
        if not request[PRINCIPAL].may(NEEDS[departure.kind]):
            raise NotAllowedError("", advice="")

    async def _review(self, request: web.Request) -> web.Response:
        return await self._review_page(request, "", "", 200)

    async def _review_page(self, request: web.Request, error: str, link: str, status: int) -> web.Response:
        departure, parcel = await self._shown(request)
        told, policy = self._looks.words(request), self._node.trust().policy
        letter, draft = letter_of(parcel.payloads[0], self._node, told), parcel.drafts[0]
        known = policy.fields_of(draft.records[0].type) if draft.records else {}
        staying = [
            known[name].label(told.lang) for record in draft.records for name in record.values if name not in letter.fields
        ]
        return await self._looks.page(
            request,
            "enviar.html",
            status=status,
            departure=departure,
            letter=letter,
            pairs=body_pairs(parcel.payloads[0], policy, self._looks.name, told),
            peer=self._looks.name(departure.peer),
            offer=departure.kind == "referral.offer",
            staying=staying,
            change=await self._change(request, departure),
            waits=waits_in_words(departure.waits, told),
            fresh=is_fresh(request[PRINCIPAL], self._room.desk),
            error=error,
            link=link,
            case=await self._case(request, departure),
        )

    async def _change(self, request: web.Request, departure: Departure) -> str:
        """Return where it can be changed; empty where it can only be begun again."""
        case = await self._case(request, departure)
        start = _FORMS.get(departure.kind)
        return f"{start}/{case['thread']}?desde={departure.id}" if start and case else ""

    async def _case(self, request: web.Request, departure: Departure) -> dict[str, Any] | None:
        """Return the case it is about, for those who see it; what our books call a case need be no case with a page."""
        row = await self._room.operations.files.one(departure.case_ref)
        eyes = await eyes_of(request, Permission.CASES_READ, self._room.desk)
        if row is None or await self._room.operations.work.case_hidden(departure.case_ref, eyes):
            return None
        return {"thread": row["thread_id"], "address": f"/e/{row['thread_id']}", "folio": case_folio(row)}

    # -- the signature -------------------------------------------------------------------------------------------------

    async def _sign(self, request: web.Request) -> web.Response:
        departure_id, told = departure_of(request.match_info["departure"]), self._looks.words(request)
        sent = web.Response(status=303, headers={"Location": f"/enviar/{departure_id}/hecho"})
        departure = await drafted(departure_id, self._node, by=by_of(request))
        if departure.state in {DepartureState.WAITING, DepartureState.LEFT}:
            return sent  # the same form once more: one effect
        _, parcel = await self._shown(request)
        try:
            renewed = await self._answers.renewed(request)
        except (WrongCredentialsError, CodeNeededError, WaitError) as error:
            why = told.gettext("La clave o el código no son. No se envió nada: escríbalos otra vez.")
            return await self._review_page(request, why, "", unsigned(error))
        try:
            await confirm(departure_id, self._node, by=by_of(request))
        except _REFUSED as error:
            return await self._refused(request, error, departure_id, parcel)
        await forget_sent(departure, self._node, person=by_of(request).person)
        if renewed is not None:
            keep_session(sent, renewed)
        return sent

    async def _refused(self, request: web.Request, error: Exception, departure_id: MessageId, parcel: Parcel) -> web.Response:
        told = self._looks.words(request)
        if isinstance(error, OutOfTurnError | AlreadySentError):
            link = await pending_address(parcel.drafts[0], self._node, but=departure_id)
            why = told.gettext("Ya hay una pendiente sobre este caso con esa institución. No se envió otra.")
            return await self._review_page(request, why, link, 409)
        found = refusal(error, None, told)
        return await self._review_page(request, f"{found.title}. {found.text}", "", found.status)

    async def _sent(self, request: web.Request) -> web.Response:
        departure_id, told = departure_of(request.match_info["departure"]), self._looks.words(request)
        departure = await drafted(departure_id, self._node, by=by_of(request))
        if departure.state not in {DepartureState.WAITING, DepartureState.LEFT} or departure.kind not in NEEDS:
            raise NoSuchDepartureError("nothing of that id was signed by this person")
        return await self._looks.page(
            request,
            "enviar_hecho.html",
            departure=departure,
            peer=self._looks.name(departure.peer),
            waiting=departure.state is DepartureState.WAITING,
            waits=waits_in_words(departure.waits, told),
            case=await self._case(request, departure),
        )

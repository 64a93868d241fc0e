"""The pages about cases, and what is begun from one: each with the room that lets in who may see the case."""

from gateway.console.access import Route
from gateway.console.pages.answering import AnswerPages
from gateway.console.pages.arrivals import ArrivalPages
from gateway.console.pages.asking import AskPages
from gateway.console.pages.attached import AttachedPages
from gateway.console.pages.case_room import CaseRoom
from gateway.console.pages.cases import CasePages
from gateway.console.pages.consents import ConsentPages
from gateway.console.pages.duties import DutyPages
from gateway.console.pages.endings import EndingPages
from gateway.console.pages.finds import FindPages
from gateway.console.pages.handing import HandingPages
from gateway.console.pages.joining import JoiningPages
from gateway.console.pages.offers import OfferPages
from gateway.console.pages.requests import RequestPages
from gateway.console.pages.signing import SigningRoom
from gateway.console.pages.walled import WalledPages
from gateway.web import Watch


def case_routes(room: CaseRoom, requests: RequestPages, answers: AnswerPages, watch: Watch) -> tuple[Route, ...]:
    """Return every route about cases with what it needs."""
    return (
        *CasePages(room.looks, room.operations, room.desk, room).routes(),
        *ConsentPages(room, requests).routes(),
        *SigningRoom(room, answers).routes(),
        *OfferPages(room).routes(),
        *HandingPages(room).routes(),
        *AskPages(room).routes(),
        *FindPages(room).routes(),
        *ArrivalPages(room, requests).routes(),
        *EndingPages(room, requests).routes(),
        *DutyPages(room).routes(),
        *WalledPages(room).routes(),
        *JoiningPages(room).routes(),
        *AttachedPages(room, watch).routes(),
    )

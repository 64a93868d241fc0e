"""A question that we asked, and what came back."""

from datetime import UTC, datetime

from aiohttp import web

from contracts.ids import MessageId
from contracts.messages import SearchRequest
from contracts.policy.words import word
from gateway.console.pages.letters import body_in_words, located_in_words
from gateway.console.pages.looks import Looks
from gateway.console.pages.questions import Pair, labels, purpose_in_words
from gateway.console.pages.values import said
from gateway.exchange import searching
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.folios import folio
from gateway.exchange.located import statuses_of


async def own_question_page(request: web.Request, own: searching.OwnQuestion, looks: Looks, node: Capabilities) -> web.Response:
    """Return the page of a question of ours."""
    told, message, answer = looks.words(request), own.message, own.answer
    machine = "search" if isinstance(message, SearchRequest) else "disclosure"
    policy = node.trust().policy
    records = []
    for record_type, claims in own.claims:
        known = policy.fields_of(record_type)
        told_of = [(known[name], value) for name, value in claims.items()]
        records.append([Pair(found.label(told.lang), said(found.kind, value, told)) for found, value in told_of])
    beside = await statuses_of(message.thread_id, MessageId(message.message_id), node)
    return await looks.page(
        request,
        "pregunta.html",
        folio=folio(machine, message.message_id),
        kind=word("kind", message.type, told.lang),
        peer=looks.name(message.recipient),
        purpose=purpose_in_words(policy, message.purpose, told),
        deadline=None if message.deadline is None else datetime.fromtimestamp(message.deadline, UTC),
        wanted=labels(policy, *searching.wanted_of(message), told),
        result="" if answer is None else body_in_words(answer.body, told),
        received=own.received_at,
        beside=[(located_in_words(body, told), at) for body, at in beside],
        records=records,
    )

"""Never: a personal value in a log line, a metric, an error text or a file name."""

import io
import json
import logging

import pytest
import structlog

from contracts.codec import decode_message
from contracts.errors import ExchangeError
from contracts.ids import CaseAlias, Folio, KeyId, MessageId, NodeId
from contracts.values import UnreadableValueError
from contracts.values.dates import parse_date
from contracts.values.documents import parse_cui
from contracts.values.measures import stature
from contracts.values.phones import phones
from gateway import telemetry

CANARY = "Ficticiacanaria Caal Choc"


@pytest.fixture
def log_lines(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    telemetry.configure_logging("debug")
    structlog.reset_defaults()
    telemetry.configure_logging("debug")
    yield out
    logging.basicConfig(force=True)


def test_a_log_line_keeps_ids_and_codes_and_drops_everything_else(log_lines):
    log = structlog.get_logger()
    log.error(
        "delivered",
        peer="gt.minex",
        count=3,
        narrative=CANARY,
        code=CANARY,
        error="eyJhbGciOiJFZDI1NTE5In0.x.y",
        where="AGE-SECRET-KEY-1XYZ",
        exc_info=ValueError(CANARY),
    )
    logging.getLogger("aiohttp.server").error("request from %s", CANARY, exc_info=RuntimeError(CANARY))
    text = log_lines.getvalue()
    assert "Ficticia" not in text
    assert "AGE-SECRET" not in text
    assert "eyJ" not in text
    first = json.loads(text.splitlines()[0])
    assert (first["peer"], first["count"], first["error"]) == ("gt.minex", 3, "ValueError")


@pytest.mark.parametrize("kind", [NodeId, MessageId, KeyId, CaseAlias, Folio])
def test_an_identifier_that_is_none_is_not_repeated(kind):
    with pytest.raises(ValueError, match=r"^not a ") as refused:
        kind(CANARY)
    assert "Ficticia" not in str(refused.value)


@pytest.mark.parametrize(
    "parser", [parse_cui, stature, phones, lambda text: parse_date(text, today=__import__("datetime").date(2026, 1, 1))]
)
def test_a_cell_that_cannot_be_read_is_not_repeated(parser):
    with pytest.raises(UnreadableValueError) as refused:
        parser(CANARY)
    assert "Ficticia" not in str(refused.value)


def test_a_message_that_is_none_is_not_repeated():
    for body in ({"v": 1, "type": "ping", "body": {}, "x": CANARY}, {"v": 1, "type": CANARY, "body": {}}, {CANARY: 1}):
        with pytest.raises(ExchangeError) as refused:
            decode_message(json.dumps(body).encode())
        assert "Ficticia" not in str(refused.value)

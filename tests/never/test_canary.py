"""Never: a personal value in a log line, a metric, an error text or a file name."""

import contextlib
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
def log_lines(capsys):
    """What was written since it was last asked for."""
    structlog.reset_defaults()
    telemetry.configure_logging("debug")
    yield lambda: capsys.readouterr().err
    structlog.reset_defaults()
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
    text = log_lines()
    assert "Ficticia" not in text
    assert "AGE-SECRET" not in text
    assert "eyJ" not in text
    first = json.loads(text.splitlines()[0])
    assert (first["peer"], first["count"], first["error"]) == ("gt.minex", 3, "ValueError")


@pytest.mark.parametrize("broken", [ValueError("closed"), BrokenPipeError(), OSError(28, "full")])
def test_a_line_that_cannot_be_written_is_counted_and_fails_nothing(log_lines, broken):
    log = structlog.get_logger()
    log.error("delivered", count=1)
    assert json.loads(log_lines())["count"] == 1

    class Gone(io.StringIO):
        def write(self, _):
            raise broken

    before = telemetry.registry.get_sample_value("paradero_log_lines_lost_total")
    with contextlib.redirect_stderr(Gone()):
        log.error("delivered", count=2)
    assert telemetry.registry.get_sample_value("paradero_log_lines_lost_total") == before + 1
    with contextlib.redirect_stderr(io.StringIO()) as later:
        log.error("delivered", count=3)
    assert json.loads(later.getvalue())["count"] == 3


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

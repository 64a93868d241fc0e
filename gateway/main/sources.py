"""The one crossing to adapters: source files in, rows out."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from adapters.attached.cleaning import clean_attachment
from adapters.registry import ADAPTERS
from contracts.adapter import RowOutcome, SourceReading, SourceRefusedError
from contracts.calendars import day_in_guatemala
from contracts.errors import SchemaError
from contracts.messages.reports import Channel
from gateway.config import NodeConfig
from gateway.console.operations import Reading, SourceRow
from gateway.exchange.ports import Clock


def source_reader(config: NodeConfig, clock: Clock) -> Callable[[str, str, bytes], Reading]:
    """Return what reads a source file by the name of its mapping in the node's mappings folder."""

    def read(name: str, _filename: str, data: bytes) -> Reading:
        path = (config.mappings or config.data / "mappings") / f"{name}.toml"
        if not path.is_file():
            refused = SchemaError(f"El nodo no tiene un mapeo «{name}».")
            refused.advice = "`paradero adapter list` muestra los que hay, y dónde."
            raise refused
        return read_with_mapping(path, data, clock.now())

    return read


def read_with_mapping(path: Path, data: bytes, now: datetime, *, shown: int = 0) -> Reading:
    """Read a source file with a mapping file, in the adapter's sandbox.

    Raises:
        SchemaError: the file or the mapping was refused; the text says why and what to do, without content.
    """
    adapter = ADAPTERS["tabular"]
    try:
        mapping = adapter.load(path)
        reading = adapter.read(mapping, data, day_in_guatemala(now), shown)
    except SourceRefusedError as error:
        raise refusal(error) from None
    return Reading(
        source=mapping.name,
        rows=_rows(reading),
        notes=reading.notes,
        office=mapping.office,
        channel=Channel(mapping.channel),
        language=mapping.language,
        authority=mapping.authority,
        country=mapping.country,
    )


def cleaned(data: bytes) -> tuple[str, bytes]:
    """Return the media type and the bytes of a picture or PDF, drawn or written anew in the adapter's sandbox.

    Raises:
        SchemaError: it was refused; says why and what to do, nothing of what is in it.
    """
    try:
        found = clean_attachment(data)
    except SourceRefusedError as error:
        refused = SchemaError(error.what)
        refused.advice = error.advice
        raise refused from None
    return found.media_type, found.content


def refusal(error: SourceRefusedError) -> SchemaError:
    """Return what people are told of a refused file or mapping: its code, what happened and why; what to do beside it."""
    refused = SchemaError(str(error))
    refused.advice = error.advice
    return refused


def _rows(reading: SourceReading) -> tuple[SourceRow, ...]:
    return tuple(
        SourceRow(row.row, RowOutcome(row.outcome).value, row.reasons, row.records, row.content, row.original)
        for row in reading.rows
    )

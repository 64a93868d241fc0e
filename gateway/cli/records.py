"""A record's type, fields and values as people read them in a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.fields import plain
from contracts.fields.dictionary import RECORDS
from gateway.exchange.comparing import spoken


def record_title(record_type: str) -> str:
    """Return what people call a record type; a partner's own reads as itself."""
    return RECORDS[record_type].label("es") if record_type in RECORDS else record_type


def field_titles(names: Iterable[str], record_type: str | None = None) -> str:
    """Return what people call some fields; where nobody said of which record, as the first that has each calls it."""
    return ", ".join(_title(name, record_type) for name in names)


def claims_rows(claims: Mapping[str, Any], record_type: str | None = None) -> list[dict[str, str]]:
    """Return rows of `name` and `value`."""
    return [{"name": _title(name, record_type), "value": spoken(plain(value), "es")} for name, value in claims.items()]


def _title(name: str, record_type: str | None) -> str:
    types = [record_type] if record_type is not None and record_type in RECORDS else list(RECORDS)
    return next((RECORDS[kind].fields[name].label("es") for kind in types if name in RECORDS[kind].fields), name)

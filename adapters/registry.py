"""Which kinds of source exist, by the name the configuration and the commands use. The one list."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

from adapters.tabular.adapter import read_source
from adapters.tabular.mapping import TabularMapping, load_mapping
from contracts.adapter import SourceReading


@dataclass(frozen=True, slots=True)
class SourceKind:
    """How one kind of source is described and read."""

    load: Callable[[Path], TabularMapping]
    read: Callable[[TabularMapping, bytes, date, int], SourceReading]
    """Mapping, file, today, and of how many rows the cells are told too."""


def _read_tabular(mapping: TabularMapping, data: bytes, today: date, shown: int) -> SourceReading:
    return read_source(mapping, data, today=today, shown=shown)


ADAPTERS: Mapping[str, SourceKind] = MappingProxyType({"tabular": SourceKind(load_mapping, _read_tabular)})

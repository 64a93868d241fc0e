"""The field dictionary: what can be said of a person, how sensitive it is, how coarsely it can leave (SPEC 6.2)."""

from contracts.fields.dictionary import (
    FIELDS,
    RECORDS,
    FieldDefinition,
    RecordDefinition,
    RecordType,
    Sensitivity,
    definition,
    record_definition,
)
from contracts.fields.forms import Form
from contracts.fields.kinds import KINDS, Kind, check_value, coarsen, fits, ladder
from contracts.fields.stated import ABOUT, check_stated, coarsen_stated, fits_stated, is_stated, kept_back, plain

__all__ = [
    "ABOUT",
    "FIELDS",
    "KINDS",
    "RECORDS",
    "FieldDefinition",
    "Form",
    "Kind",
    "RecordDefinition",
    "RecordType",
    "Sensitivity",
    "check_stated",
    "check_value",
    "coarsen",
    "coarsen_stated",
    "definition",
    "fits",
    "fits_stated",
    "is_stated",
    "kept_back",
    "ladder",
    "plain",
    "record_definition",
]

"""The field dictionary: what can be said of a person, how sensitive it is, how coarsely it can leave (SPEC 6.2)."""

from contracts.fields.dictionary import FIELDS, FieldDefinition, RecordType, Sensitivity, definition
from contracts.fields.forms import Form
from contracts.fields.kinds import KINDS, Kind, check_value, coarsen, fits, ladder

__all__ = [
    "FIELDS",
    "KINDS",
    "FieldDefinition",
    "Form",
    "Kind",
    "RecordType",
    "Sensitivity",
    "check_value",
    "coarsen",
    "definition",
    "fits",
    "ladder",
]

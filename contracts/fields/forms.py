"""How coarsely a field can leave."""

from enum import StrEnum


class Form(StrEnum):
    """A rung of a field's ladder. Values are protocol: add, never rename. What each coarsens is said by its kind."""

    EXACT = "exact"
    MONTH = "month"
    YEAR = "year"
    DECADE = "decade"
    AGE_BAND = "age_band"
    BAND = "band"
    CODED = "coded"
    MARK = "mark"
    OBJECT = "object"
    MUNICIPALITY = "municipality"
    DEPARTMENT = "department"
    COUNTRY = "country"
    INITIALS = "initials"
    COUNT = "count"
    YES_NO = "yes_no"

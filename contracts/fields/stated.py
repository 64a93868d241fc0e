"""What is said about a value: how precise, from where, of when, how sure (SPEC 6.2). Pure.

A value of a record is either plain, in the shape of its kind, or *stated*:
``{"is": <plain>, "precision"?, "source"?, "as_of"?, "confidence"?}``. No kind has a member ``is``, so the two cannot be
confused. Whoever only needs the value calls `plain`.

What is said about a value can tell as much as the value: that a date came from the person themself says they were found.
So none of it leaves unless the rule names it, and a coarser form leaves of it only what fits that form.
"""

import re
from collections.abc import Collection
from typing import Any

from contracts.fields.forms import Form
from contracts.fields.kinds import check_value, coarsen, fits

Json = Any

ABOUT = ("precision", "source", "as_of", "confidence")
"""The members beside ``is``, in the order they are written."""
PRECISIONS = frozenset({"exact", "approximate", "estimated"})
CONFIDENCES = frozenset({"low", "medium", "high", "confirmed"})
SOURCES = frozenset(
    {
        *("self", "family", "companion", "witness", "organisation", "officer", "import", "other"),
        *("document", "civil-registry", "consulate", "police", "health", "forensic", "court", "migration"),
    }
)
"""Kinds of source, never a name."""
_DAY = re.compile(r"[0-9]{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?)?")
_NOTHING_SAID = frozenset({Form.YES_NO, Form.COUNT})


def is_stated(value: Json) -> bool:
    """Return whether something may be said about the value beside it; says nothing about its shape."""
    return isinstance(value, dict) and "is" in value


def plain(value: Json) -> Json:
    """Return the value itself, whether it is stated or plain."""
    return value["is"] if is_stated(value) else value


def check_stated(kind: str, value: Json) -> bool:
    """Return whether `value`, any JSON value whatever, is a plain or stated value of its kind; never raises."""
    if not is_stated(value):
        return check_value(kind, value)
    return set(value) <= {"is", *ABOUT} and check_value(kind, value["is"]) and all(_said(name, value) for name in ABOUT)


def coarsen_stated(kind: str, value: Json, form: Form, about: Collection[str] = ABOUT) -> Json:
    """Return what `form` leaves of `value`, and of what is said about it those members that `about` names.

    EXACT keeps them as they are. A coarser form drops `precision` (the form itself says it) and `source` (it is the exact
    value's), and cuts `as_of` to its year. YES_NO and COUNT leave the bare answer. What has nothing left to say is plain.

    Raises:
        ValueError: the kind has no such form, or the value is not of the kind.
    """
    if not is_stated(value):
        return coarsen(kind, value, form)
    if not check_stated(kind, value):
        raise ValueError("no such form of this kind, or not a value of it")
    left, said = coarsen(kind, value["is"], form), _left_to_say(value, form, about)
    return {"is": left, **said} if said else left


def fits_stated(kind: str, value: Json, form: Form, about: Collection[str] = ABOUT) -> bool:
    """Return whether `value` and what it says about itself tell no more than `form` and `about` allow; never raises."""
    if not is_stated(value):
        return fits(kind, value, form)
    if form in _NOTHING_SAID or not check_stated(kind, value) or not fits(kind, value["is"], form):
        return False
    said = {name: part for name, part in value.items() if name != "is"}
    return bool(said) and said == _left_to_say(value, form, about)


def kept_back(value: Json, left: Json) -> tuple[str, ...]:
    """Return which members said about `value` are not in `left`, for the sender's own eyes."""
    if not is_stated(value):
        return ()
    return tuple(name for name in ABOUT if name in value and not (is_stated(left) and name in left))


def _left_to_say(value: Json, form: Form, about: Collection[str]) -> dict[str, Json]:
    said = {name: value[name] for name in ABOUT if name in value and name in about}
    if form is Form.EXACT:
        return said
    if form in _NOTHING_SAID:
        return {}
    coarse = {"as_of": said["as_of"][:4]} if "as_of" in said else {}
    return coarse | ({"confidence": said["confidence"]} if "confidence" in said else {})


def _said(name: str, value: Json) -> bool:
    if name not in value:
        return True
    said = value[name]
    if not isinstance(said, str):
        return False
    if name == "as_of":
        return _DAY.fullmatch(said) is not None
    return said in {"precision": PRECISIONS, "source": SOURCES, "confidence": CONFIDENCES}[name]

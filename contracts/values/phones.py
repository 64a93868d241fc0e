"""Telephone numbers: E.164 where the country is known, the digits as said where it is not. A number is never thrown away."""

import re
from decimal import Decimal, InvalidOperation

from contracts.values.parsed import Parsed, UnreadableValueError
from contracts.values.text import is_nothing, plain

_EXTENSION = re.compile(r"\s*(?:,?\s*\b(?:ext(?:ension)?|x|int)\b\.?:?|\bext\.?:?|(?<=\d)\s*x)\s*(\d{1,6})\s*$")
_PAIR = re.compile(r"(?<!\d)(\d{4}[-. ]?\d{4})[\s-]+(?=\d{4}[-. ]?\d{4}(?!\d))")
_WORDS = re.compile(r"[^\W\d_]+")
_JUNK = re.compile(r"[\s().\-:#\"']")
_MOST = 20


def phones(text: str) -> Parsed:
    """Return phone numbers with their country code: eight digits are Guatemala's; an extension stays as `;ext=` (RFC 3966).

    Raises:
        UnreadableValueError: nothing in the cell is a telephone number.
    """
    found: list[str] = []
    notes: list[str] = []
    for part in _parts(text):
        number, told = _phone(part)
        notes += told
        if number is not None and number not in found:
            found.append(number)
    if not found:
        raise UnreadableValueError("phone-not-readable")
    if len(found) > _MOST:
        notes.append("some-not-kept")
    return Parsed(found[:_MOST], tuple(dict.fromkeys(notes)))


def _parts(text: str) -> list[str]:
    lines = [plain(line) for line in text.splitlines()]
    whole = "/".join(line for line in lines if line)
    whole = re.sub(r"\b(?:o|y|e|u)\b", "/", _from_number(whole))
    return [part for part in re.split(r"[/;|]|,(?!\s*ext)", _PAIR.sub(r"\1/", whole)) if not is_nothing(part)]


def _from_number(text: str) -> str:
    """Return the digits of a number a spreadsheet turned into 5.025555E+10 or 55550100.0, if none are lost."""
    if not re.fullmatch(r"\+?\d+(?:[.,]\d+)?e\+?\d+|\d{7,15}[.,]0+", text):
        return text
    try:
        number = Decimal(text.replace(",", "."))
    except InvalidOperation:
        return text
    said = len(re.sub(r"\D", "", text.partition("e")[0]))
    return str(int(number)) if "e" not in text or said >= len(str(int(number))) else "?"


def _phone(text: str) -> tuple[str | None, list[str]]:
    extension = _EXTENSION.search(text)
    bare = text[: extension.start()] if extension else text
    notes = ["words-not-kept"] if _WORDS.search(bare) else []
    digits = _JUNK.sub("", _WORDS.sub(" ", bare))
    international = digits.startswith(("+", "00"))
    digits = digits.removeprefix("+").removeprefix("00")
    if not digits.isascii() or not digits.isdigit() or not 7 <= len(digits) <= 15 or len(set(digits)) == 1:
        return None, ["phone-part-not-readable"]
    number, told = _with_country(digits, international=international)
    return number + (f";ext={extension[1]}" if extension else ""), [*notes, *told]


def _with_country(digits: str, *, international: bool) -> tuple[str, list[str]]:
    if len(digits) == 8 and not international:
        return f"+502{digits}", ["country-code-assumed"]
    lengths = next((known for code, known in (("502", (11,)), ("52", (12, 13)), ("1", (11,))) if digits.startswith(code)), None)
    if lengths is not None and len(digits) in lengths:
        return f"+{digits}", []
    if international:
        return f"+{digits}", ["phone-length"] if lengths is not None or len(digits) < 9 else []
    return digits, ["phone-length" if len(digits) < 10 else "phone-country-unknown"]

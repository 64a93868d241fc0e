"""Document numbers. A check that fails warns and never blocks: people with wrong or no papers are the missing.

Sources: structure and check digit of the CUI as published by others (RENAP has not published it); the count of
municipalities per department is 340 in all, Sipacate (0514) and Petatán (1333) included. CURP: Instructivo normativo.
"""

import re
from decimal import Decimal, InvalidOperation

from contracts.values.parsed import Parsed, UnreadableValueError
from contracts.values.text import plain

MUNICIPALITIES = (17, 8, 16, 16, 14, 14, 19, 8, 24, 21, 9, 30, 33, 21, 8, 17, 14, 5, 11, 11, 7, 17)
"""How many municipalities each of the 22 departments has, in order of code."""

FICTITIOUS_SERIALS = range(99_000_000, 99_999_999)
"""Serials of invented people, for examples and tests only: no real CUI begins with 99."""

_CURP = re.compile(r"[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-ZÑ]{3}[0-9A-Z]\d")
_CURP_ALPHABET = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_CEDULA = re.compile(r"([A-ZÑ])-?(\d{1,2})(?:\s*,?\s*(?:REG(?:ISTRO)?|R)\.?\s*(?:NO\.?\s*)?|\s+|-)(\d{1,6})")
_A_NUMBER = re.compile(r"A?\d{7,9}")
_DOCUMENT_WORD = re.compile(
    r"^(?:(?:NO|NUM|NUMERO)\b\.?:?\s*)?(PASAPORTE|PASSPORT|PAS|PASAP|CEDULA(?: DE VECINDAD)?|CURP|DPI|CUI|A-?NUMBER)\b\.?:?\s*"
    r"(?:NO\b\.?:?\s*|#\s*)?"
)


def parse_cui(text: str) -> Parsed:
    """Return the 13 digits of a CUI; notes say what does not check.

    Raises:
        UnreadableValueError: not 13 digits however spaces, dashes and spreadsheet numbers are read, or some were rounded off.
    """
    digits, notes = _digits(re.sub(r"^(?:cui|dpi|no)\b[\s.:#-]*", "", plain(text)))
    if len(digits) == 12:  # a spreadsheet ate a leading zero
        digits, notes = "0" + digits, (*notes, "leading-zero-restored")
    if len(digits) != 13:
        raise UnreadableValueError("cui-not-13-digits")
    return Parsed(digits, (*notes, *cui_notes(digits)))


def cui_notes(digits: str) -> tuple[str, ...]:
    """Return what does not check of 13 digits: the check digit, the department, the municipality."""
    notes = []
    total = sum(int(digit) * weight for digit, weight in zip(digits[:8], range(2, 10), strict=True)) % 11
    if total == 10:
        notes.append("cui-remainder-ten")
    elif total != int(digits[8]):
        notes.append("cui-check-digit")
    department, municipality = int(digits[9:11]), int(digits[11:13])
    if not 1 <= department <= len(MUNICIPALITIES):
        notes.append("cui-department")
    elif not 1 <= municipality <= MUNICIPALITIES[department - 1]:
        notes.append("cui-municipality")
    return tuple(notes)


def fictitious_cui(number: int, department: int = 13, municipality: int = 1) -> str:
    """Return the CUI of an invented person: the `number`-th usable serial of `FICTITIOUS_SERIALS`, with a valid check digit."""
    usable = -1
    for serial in FICTITIOUS_SERIALS:
        total = sum(int(digit) * weight for digit, weight in zip(f"{serial:08d}", range(2, 10), strict=True)) % 11
        usable += total != 10
        if usable == number and total != 10:
            return f"{serial:08d}{total}{department:02d}{municipality:02d}"
    raise ValueError("no such serial")


def parse_document(text: str) -> Parsed:
    """Return another document: CURP, old cédula, A-number, or a passport number, as {type, number}.

    Raises:
        UnreadableValueError: nothing a document number could be.
    """
    said = re.sub(r"(?<=^\d{9})[.,]0+$", "", plain(text)).upper()
    word = _DOCUMENT_WORD.match(said)
    number = said[word.end() :] if word else said
    curp = re.sub(r"[\s-]", "", _with_enye(text, number))
    if len(curp) == 18 and re.fullmatch(r"[A-ZÑ0-9]{18}", curp):
        return Parsed({"type": "curp", "country": "MX", "number": curp}, () if curp_checks(curp) else ("curp-check",))
    if match := _CEDULA.fullmatch(number):
        value = {"type": "cedula-de-vecindad", "country": "GT", "number": f"{match[1]}-{match[2]} {match[3]}"}
        return Parsed(value)
    joined = re.sub(r"[\s-]", "", number)
    if re.fullmatch(r"\d{13}", joined):
        return Parsed({"type": "cui", "country": "GT", "number": joined}, cui_notes(joined))
    if _A_NUMBER.fullmatch(joined) and joined.startswith("A"):
        return Parsed({"type": "a-number", "country": "US", "number": joined.removeprefix("A").zfill(9)})
    if re.fullmatch(r"[A-Z0-9]{5,15}", joined) and any(letter.isdigit() for letter in joined):
        notes = () if word and word[1].startswith("PAS") else ("document-type-assumed",)
        return Parsed({"type": "passport", "number": joined}, notes)
    raise UnreadableValueError("document-not-readable")


def _with_enye(text: str, number: str) -> str:
    """Return the number with its ñ, which `plain` takes for an n."""
    written = "".join(text.split()).upper()
    return written if "Ñ" in written and len(written) == 18 else number


def curp_checks(curp: str) -> bool:
    """Return whether a CURP has the right shape and check digit (sex X included)."""
    if not _CURP.fullmatch(curp):
        return False
    total = sum(_CURP_ALPHABET.index(letter) * (18 - place) for place, letter in enumerate(curp[:17]))
    return str(-total % 10) == curp[17]


def a_number(text: str) -> Parsed:
    """Return an Alien Registration Number as nine digits."""
    said = re.sub(r"[\s-]", "", plain(text)).upper()
    if not _A_NUMBER.fullmatch(said):
        raise UnreadableValueError("a-number-not-readable")
    return Parsed(said.removeprefix("A").zfill(9))


def _digits(said: str) -> tuple[str, tuple[str, ...]]:
    if re.fullmatch(r"\d{1,3}(?:,\d{3}){3,4}|\d{1,3}(?:\.\d{3}){3,4}", said):
        said = re.sub(r"[.,]", "", said)
    joined = re.sub(r"[\s\-.']", "", said) if not re.search(r"e|[.,]\d+$", said) else said.strip("'")
    if joined.isascii() and joined.isdigit():
        return joined, ()
    try:
        number = Decimal(joined.replace(",", "."))
    except InvalidOperation:
        raise UnreadableValueError("cui-not-13-digits") from None
    if number != number.to_integral_value() or not 0 < number < Decimal(10) ** 14:
        raise UnreadableValueError("cui-not-13-digits")
    digits = str(int(number))
    if "e" in joined and len(re.sub(r"\D", "", joined.partition("e")[0])) < len(digits):
        raise UnreadableValueError("cui-digits-lost")  # the zeros at its end were never anybody's number
    return digits, ("cui-from-number",)

"""Names as written, and the normal form for comparing them (SPEC 6.2). A name is never corrected."""

import re
import unicodedata

from contracts.values.parsed import Parsed, UnreadableValueError
from contracts.values.text import APOSTROPHES, is_nothing, tidy

__all__ = [
    "APOSTROPHES", "PARTICLES", "aliases", "full_name", "given_names", "is_nothing", "married_surname", "normal_form",
    "split_married", "split_nickname", "surname", "surnames", "tidy",
]  # fmt: skip

PARTICLES = frozenset(
    {"de", "del", "la", "las", "los", "el", "da", "do", "dos", "san", "santa", "santo", "van", "von", "der", "den"}
)
_COMPOUNDS = ("montes de oca", "monte de oca", "ponce de león", "ponce de leon", "cabeza de vaca")
_MARRIED = re.compile(r"^(?:viuda|vda\.?|v\.?)\s+de\s+(?P<widow>.+)$|^de\s+(?P<wife>.+)$", re.IGNORECASE)
_WIDOW = re.compile(r"\s+(?=(?:viuda|vda\.?|v\.)\s+de\s)", re.IGNORECASE)
_KIN = r"(?:su\b|hij|herman|espos|prim|ti[oa]\b|padre|madre|nuer|yern|sobrin|niet|otr|compañer)"
_TWO_PEOPLE = re.compile(rf"[/&;+\n]|\s(?:y|e)\s+{_KIN}|\s(?:con|junto a)\s+{_KIN}", re.IGNORECASE)
_AND = re.compile(r"\s(?:y|e)\s|,", re.IGNORECASE)
_NICKNAME = re.compile(r"[(\"“”«]\s*([^()\"“”«»]*?)\s*[)\"“”»]|\b(?:alias|apodo|\(?a\))\s*:?\s+(.+)$", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]", re.UNICODE)
_MAX_ALIASES = 10


def normal_form(text: str) -> str:
    """Return the form names are compared by: no case, no accents (ñ stays), one apostrophe, single spaces."""
    said = tidy(text)
    # Below the combining marks every letter has its own form, whatever stands beside it.
    return said.translate(_FORMS) if said.isascii() or max(said) < _FIRST_MARK else _form(said)


def _form(said: str) -> str:
    unified = "".join("'" if letter in APOSTROPHES else letter for letter in said).casefold()
    kept: list[str] = []
    for letter in unicodedata.normalize("NFD", unified):
        if not unicodedata.combining(letter) or (letter == "\u0303" and kept and kept[-1] == "n"):
            kept.append(letter)
    return unicodedata.normalize("NFC", "".join(kept))


_FIRST_MARK = "\u0300"
_FORMS = {code: _form(chr(code)) for code in range(ord(_FIRST_MARK))}


def given_names(text: str) -> Parsed:
    """Return given names one by one, particles kept with what follows them: "María de los Ángeles" is two.

    Raises:
        UnreadableValueError: no letters, or two people in one cell.
    """
    found = _checked(text)
    if _AND.search(found):
        raise UnreadableValueError("two-people-in-one-cell")
    return Parsed(_groups(found), _notes(found))


def names(text: str) -> Parsed:
    """Return the words of a whole name, as a reporter's is kept.

    Raises:
        UnreadableValueError: no letters, or two people in one cell.
    """
    found = _checked(text)
    return Parsed(found.replace(",", " ").split(), _notes(found))


def surname(text: str) -> Parsed:
    """Return one surname as written; `de León` and `del Cid` are birth surnames and stay whole.

    Raises:
        UnreadableValueError: no letters, or two people in one cell.
    """
    found = _checked(text)
    return Parsed(found, _notes(found))


def surnames(text: str) -> tuple[Parsed, Parsed | None]:
    """Split two surnames in one cell, particles and known compounds kept together.

    Raises:
        UnreadableValueError: no letters, or two people in one cell.
    """
    found = _checked(text.replace(",", " "))
    parts = [part for part in _groups(found) if not is_nothing(part)]
    notes = _notes(found)
    if any(part.casefold() == "y" for part in parts[1:-1]):
        parts = [part for part in parts if part.casefold() != "y"]
        notes = (*notes, "joined-by-y")
    if not parts or normal_form(parts[-1]).split()[-1] in PARTICLES:
        raise UnreadableValueError("surname-cut-short")
    if len(parts) == 1:
        return Parsed(parts[0], (*notes, "one-surname")), None
    if len(parts) == 2 and parts[1].casefold().startswith("de ") and not parts[0].casefold().startswith("de "):
        notes = (*notes, "maybe-married-name")
    if len(parts) > 2:
        notes = (*notes, "more-than-two-surnames")
    return Parsed(parts[0], notes), Parsed(" ".join(parts[1:]), notes)


def full_name(text: str) -> tuple[Parsed, str]:
    """Split a whole name into given names and the text of its surnames: by its comma, or as two and two.

    Raises:
        UnreadableValueError: one word, two people in one cell, or no letters.
    """
    before, comma, after = tidy(text).partition(",")
    if comma:
        return given_names(after), before
    parts = _groups(_checked(text))
    if _AND.search(f" {tidy(text)} ") and len(parts) > 4:
        raise UnreadableValueError("two-people-in-one-cell")
    if len(parts) < 2:
        raise UnreadableValueError("name-not-whole")
    given = 1 if len(parts) < 4 else len(parts) - 2
    notes = () if len(parts) == 2 else ("name-split-assumed",)
    return Parsed(parts[:given], (*_notes(" ".join(parts)), *notes)), " ".join(parts[given:])


def married_surname(text: str) -> Parsed:
    """Return a married name as written: `de X`, `viuda de X`."""
    found = _checked(text)
    return Parsed(found, () if _MARRIED.match(found) else ("married-name-without-de",))


def split_married(text: str) -> tuple[str, str | None]:
    """Return the birth surnames and the widow's name after them, if there is one: "López Vda. de Pérez"."""
    found = tidy(text)
    if _MARRIED.match(found) and not found.casefold().startswith("de "):
        return "", found
    parts = _WIDOW.split(found, maxsplit=1)
    return (parts[0], parts[1]) if len(parts) == 2 else (text, None)


def split_nickname(text: str) -> tuple[str, list[str]]:
    """Return the name without what stands in brackets or quotes, and that: "Juan (El Chino)"."""
    found = [tidy(match[1] or match[2] or "") for match in _NICKNAME.finditer(text)]
    return (_NICKNAME.sub(" ", text), [name[:60] for name in found if not is_nothing(name)]) if found else (text, [])


def aliases(text: str) -> Parsed:
    """Return nicknames, separated by commas, slashes or line breaks."""
    found = [tidy(part).strip('"“”«»') for part in re.split(r"[,/;\n]", text) if not is_nothing(part)]
    if not found:
        raise UnreadableValueError("no-letters")
    cut = len(found) > _MAX_ALIASES or any(len(part) > 60 for part in found)
    return Parsed([part[:60] for part in found[:_MAX_ALIASES]], ("text-cut",) if cut else ())


def _groups(found: str) -> list[str]:
    groups: list[list[str]] = [[]]
    for word in _joined(found).split(" "):
        if groups[-1] and groups[-1][-1].casefold() not in PARTICLES:
            groups.append([])
        groups[-1].append(word)
    return [" ".join(group).replace("\0", " ") for group in groups]


def _joined(found: str) -> str:
    for compound in _COMPOUNDS:
        found = re.sub(rf"\b{compound}\b", lambda match: match[0].replace(" ", "\0"), found, flags=re.IGNORECASE)
    return found


def _notes(found: str) -> tuple[str, ...]:
    scripts = {unicodedata.name(letter, "?").split(" ")[0] for letter in found if letter.isalpha()} - {
        "MODIFIER",
        "FEMININE",
        "MASCULINE",
    }
    notes = ("mixed-scripts",) if len(scripts) > 1 else ()
    return (*notes, "digits-in-name") if any(letter.isdigit() for letter in found) else notes


def _checked(text: str) -> str:
    if _TWO_PEOPLE.search(text.strip()):
        raise UnreadableValueError("two-people-in-one-cell")
    found = tidy(text)
    if not _LETTERS.search(found) or is_nothing(found):
        raise UnreadableValueError("no-letters")
    if len(found) > 60:
        raise UnreadableValueError("name-too-long")
    return found

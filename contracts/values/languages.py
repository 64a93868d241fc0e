"""Guatemala's 25 national languages (Decreto 19-2003) by ISO 639-3, in the spellings sources use."""

import re

from contracts.values.parsed import Parsed, UnreadableValueError
from contracts.values.text import plain

LANGUAGES = {
    "acr": "Achi",
    "knj": "Akateko|Acateco",
    "agu": "Awakateko|Aguacateco",
    "caa": "Ch'orti'|Chorti",
    "cac": "Chuj",
    "itz": "Itza'|Itza",
    "ixl": "Ixil",
    "jac": "Popti'|Jakalteko|Jacalteco|Jacaltec",
    "cak": "Kaqchikel|Cakchiquel|Kaqchiquel",
    "quc": "K'iche'|Quiche",
    "mam": "Mam|Mame|Mayamam",
    "mop": "Mopan",
    "poc": "Poqomam|Pocomam",
    "poh": "Poqomchi'|Pocomchi",
    "kjb": "Q'anjob'al|Kanjobal",
    "kek": "Q'eqchi'|Kekchi|Keqchi",
    "quv": "Sakapulteko|Sacapulteco",
    "qum": "Sipakapense|Sipacapense",
    "ttc": "Tektiteko|Tectiteco",
    "tzj": "Tz'utujil|Tzutujil|Zutuhil|Zutujil|Tzutuhil",
    "usp": "Uspanteko|Uspanteco",
    "xin": "Xinka|Xinca",
    "cab": "Garífuna|Garifuna",
    "spa": "Español|Castellano|Spanish",
    "eng": "Inglés|English",
    "x-cha": "Chalchiteko|Chalchiteco",
}
_BY_NAME = {
    plain(spelling).replace("'", ""): code for code, spellings in LANGUAGES.items() for spelling in spellings.split("|")
}
_SHORT = {"es": "spa", "en": "eng"}


def parse_language(text: str) -> Parsed:
    """Return a language's code; of several in one cell the first, and a note.

    Raises:
        UnreadableValueError: a name that is not in the list.
    """
    said = plain(text).replace("'", "")
    parts = [part for part in re.split(r"[,/;+()]|\by\b|\be\b", said) if part.strip()]
    codes = list(dict.fromkeys(_code(part) for part in parts))
    if not codes or codes[0] is None:
        raise UnreadableValueError("language-unknown")
    return Parsed(codes[0], ("more-than-one-language",) if len(codes) > 1 else ())


def _code(said: str) -> str | None:
    name = re.sub(r"^(?:idioma|lengua|maya)\s+", "", said.strip()).strip(" .-")
    return _BY_NAME.get(name) or _SHORT.get(name) or (name if name in LANGUAGES else None)

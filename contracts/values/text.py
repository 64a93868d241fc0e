"""Text as cells hold it: invisible characters, look-alike quotes, and the many ways to write that there is nothing."""

import re
import unicodedata

APOSTROPHES = "'’ʼ`´‘ʻ‛′ꞌ＇"
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""
_QUOTES = str.maketrans(
    {**dict.fromkeys(APOSTROPHES, "'"), **dict.fromkeys("“”„″＂", '"'), **dict.fromkeys("‐‑‒–—―−－", "-"), "½": ".5"}
)
_NOTHING = frozenset(
    {
        "", "n/a", "na", "n.a", "n/d", "nd", "n.d", "s/d", "sd", "s.d", "s/n", "ns", "n/s", "ns/nr", "null", "none", "nan",
        "nil", "no", "nada", "ninguno", "ninguna", "no tiene", "no aplica", "no hay", "no consta", "no indica", "no refiere",
        "no sabe", "no se sabe", "no lo sabe", "no sabe/no responde", "no responde", "no recuerda", "no proporciona",
        "no proporciono", "no proporcionado", "no especifica", "no especificado", "no disponible", "no registrado",
        "no identificado", "no identificada", "sin dato", "sin datos", "sin informacion", "sin especificar", "sin nombre",
        "sin apellido", "sin documento", "sin telefono", "desconocido", "desconocida", "desconoce", "se desconoce", "ignora",
        "se ignora", "ignorado", "pendiente", "por confirmar", "vacio", "en blanco", "nn", "n.n", "unknown", "not available",
    }
)  # fmt: skip
_ONLY_MARKS = re.compile(r"[-_.*/?¿!·…x]*")
_GARBLED = re.compile("\ufffd|Ã[\u0080-\u00bf‚-™]|Â[\u00a0-\u00bf]|â€[\u0080-\u00bf‚-™œ]")


class _Bare(dict[int, str]):
    """What `plain` leaves of a letter after NFD: no combining mark, digits of every script as 0 to 9. Learns as it is asked."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        kept = "" if unicodedata.combining(letter) else str(unicodedata.decimal(letter, letter))
        if code < _LEARNT:
            self[code] = kept
        return kept


_LEARNT = 0x800
"""Letters below this are remembered: those of our languages, and no more, whatever a file holds."""
_BARE = _Bare()


def visible(text: str) -> str:
    """Return text without what nobody sees: controls other than tab and line break, zero-width and direction marks."""
    if text.isprintable():  # nearly every cell: nothing of the kind is in it
        return text
    return "".join(c for c in text if c in "\t\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Cn"})


def tidy(text: str) -> str:
    """Return text in NFC with single spaces and nothing invisible; apostrophes and spelling stay as written."""
    if text.isprintable():  # its only white space is the space
        return " ".join(unicodedata.normalize("NFC", text).split())
    spaced = re.sub(r"[\s\x85]+", " ", text)
    return re.sub(r" +", " ", unicodedata.normalize("NFC", visible(spaced))).strip()


def plain(text: str) -> str:
    """Return text for reading numbers, dates and words: NFKC, no case, no accents, straight quotes, single spaces."""
    if text.isascii():  # of all that, case and one quote are left to do
        return tidy(text).replace("`", "'").lower()
    straight = unicodedata.normalize("NFKC", tidy(text).translate(_QUOTES)).casefold()
    bare = unicodedata.normalize("NFD", straight).translate(_BARE)
    return re.sub(r"\s+", " ", bare).strip()


def is_nothing(text: str) -> bool:
    """Return whether a cell says that there is nothing."""
    said = plain(text)
    return said.strip(" .()'") in _NOTHING or _ONLY_MARKS.fullmatch(said.replace(" ", "")) is not None


def is_garbled(text: str) -> bool:
    """Return whether letters were destroyed on the way (UTF-8 read as something else, or replaced by U+FFFD)."""
    return _GARBLED.search(text) is not None


def escaped(text: str) -> str:
    """Return text that no spreadsheet runs when it is exported or pasted (ASVS 1.2.10), and no terminal obeys."""
    shown = visible(text)
    return f"'{shown}" if shown.startswith(FORMULA_PREFIXES) else shown

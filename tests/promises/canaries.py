"""Personal data that must be found nowhere: names, numbers and sentences of an invented person, in every spelling a file may have."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

GIVEN, FAMILY = "Ñuxtlahuíx Ficticia", "Canarisímo Öztürk"
DOCUMENT, PHONE = "2847593910101", "+50255519283"
SENTENCE = "zanateperdido salió a pie de Huehuetenango"
CANARIES = (GIVEN, FAMILY, DOCUMENT, PHONE, SENTENCE)
# Words of the sentence stand for it where it was cut.
PARTS = ("Ñuxtlahuíx", "Canarisímo", "55519283", DOCUMENT, "zanateperdido")


def spellings(text: str) -> set[bytes]:
    """Every way a value may stand in a file."""
    plain = text.encode()
    found = {
        plain,
        text.upper().encode(),
        text.lower().encode(),
        text.encode("latin-1"),
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
    }
    found |= {json.dumps(text)[1:-1].encode(), ascii(text)[1:-1].encode(), quote(text).encode(), repr(plain)[2:-1].encode()}
    found |= {plain.hex().encode(), plain.hex().upper().encode()}
    for shift in range(3):  # base64 has three ways to begin
        coded = base64.b64encode(b"\0" * shift + plain)
        whole = coded.rstrip(b"=")
        inner = (whole if whole == coded else whole[:-1])[(0, 2, 3)[shift] :]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return {item for item in found if len(item) >= 7}


SPELLINGS = sorted({spelling for part in PARTS for spelling in spellings(part)})


def hits(data: bytes) -> list[bytes]:
    """Which spellings stand in some bytes."""
    return [spelling for spelling in SPELLINGS if spelling in data]


def searched(*places: Path) -> tuple[int, list[tuple[str, bytes]]]:
    """Search every file below `places`; return how many bytes were read and what was found where."""
    total, found = 0, []
    for path in files(*places):
        data = path.read_bytes()
        total += len(data) + len(str(path))
        found += [(str(path), spelling) for spelling in (*hits(data), *hits(str(path).encode()))]
    return total, found


def files(*places: Path) -> Iterator[Path]:
    """Every regular file below some places."""
    for place in places:
        yield from (
            [place]
            if place.is_file()
            else sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
        )

"""The English catalogue of the pages, kept in step with the Spanish texts: `python -m tests.console.catalogue` rewrites it."""

import re
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract, extract_from_dir
from babel.messages.pofile import read_po, write_po

CONSOLE = Path(__file__).parents[2] / "gateway" / "console"
ENGLISH = CONSOLE / "locale" / "en" / "LC_MESSAGES" / "console.po"
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_OPTIONS = {"**/templates/**.html": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}
_ELSEWHERE = ("../main/doctor.py", "../storage/selfcheck.py")
"""Other code that speaks to people by `contracts.said`."""
_PLACE = re.compile(r"%\(\w+\)s")


def written():
    """Every text that stands in code or templates: {text: plural or None}, with the files it stands in."""
    keywords = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2)}
    found = {}
    for name, _line, message, _comments, _context in extract_from_dir(
        CONSOLE, method_map=_METHODS, options_map=_OPTIONS, keywords=keywords
    ):
        found.setdefault(message, set()).add(Path(name).as_posix())
    for name in _ELSEWHERE:
        with (CONSOLE / name).open("rb") as source:
            for _line, message, _comments, _context in extract("python", source, keywords={"Said": None}):
                found.setdefault(message, set()).add(name)
    return found


def english():
    with ENGLISH.open("rb") as source:
        return read_po(source, locale="en")


def renewed(catalogue):
    """The catalogue as bytes: every text that stands somewhere, with the translation there was; no other."""
    made = Catalog(locale="en", project="paradero", fuzzy=False)
    for message, places in written().items():
        kept = catalogue.get(message[0] if isinstance(message, tuple) else message)
        string = kept.string if kept is not None else ("", "") if isinstance(message, tuple) else ""
        made.add(message, string, locations=[(place, None) for place in sorted(places)])
    out = BytesIO()
    write_po(out, made, width=120, omit_header=True, sort_output=True, include_lineno=False)
    header = 'msgid ""\nmsgstr ""\n"Language: en\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    return header.encode() + out.getvalue()


def wrong(catalogue):
    """What is missing or no longer right in a catalogue, a line each."""
    told = []
    for message in catalogue:
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        if not all(strings) or len(ids) != len(strings):
            told.append(f"not translated: {ids[0]}")
        elif any(set(_PLACE.findall(one)) != set(_PLACE.findall(other)) for one, other in zip(ids, strings, strict=True)):
            told.append(f"other places: {ids[0]}")
    return told


if __name__ == "__main__":
    made = renewed(english() if ENGLISH.exists() else Catalog(locale="en"))
    ENGLISH.write_bytes(made)
    print("\n".join(wrong(english())))

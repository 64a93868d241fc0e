"""How the child refuses: it says a code and ends."""

import sys
from json import dumps
from typing import NoReturn

EXIT_REFUSED = 3


def refuse(code: str) -> NoReturn:
    """Say why the file is refused, and end."""
    sys.stdout.buffer.write(dumps({"refused": code}).encode() + b"\n")
    sys.stdout.buffer.flush()
    sys.exit(EXIT_REFUSED)

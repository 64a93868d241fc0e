"""Codes of an authenticator app (RFC 6238): six digits, thirty seconds, SHA-1, as every app knows them; and recovery codes.

A code is good for its own step and one to each side, for clocks that differ. Which step a code was taken for is kept, so
that none is taken twice (RFC 6238 5.2).
"""

import hmac
from base64 import b32decode, b32encode
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyotp import TOTP

SECRET_BYTES = 20
"""As long as the hash (RFC 4226 4, R6)."""
STEP_SECONDS = 30
DIGITS = 6
_BESIDE = (0, -1, 1)
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
"""80 bits each: there is nothing to guess."""
_GROUP = 4


def totp_uri(secret: bytes, *, name: str, issuer: str) -> str:
    """Return what an authenticator app reads from a QR code."""
    return str(_app(secret).provisioning_uri(name=name, issuer_name=issuer))


def totp_text(secret: bytes) -> str:
    """Return a secret as people type it: Base32, in groups of four."""
    return _grouped(b32encode(secret).decode())


def totp_step(secret: bytes, code: str, *, now: int, after: int) -> int | None:
    """Return the step that a code is of; None when it is of none that is near `now` (Unix seconds) and later than `after`.

    Every step is compared in constant time, whether or not an earlier one was the code's.
    """
    app, current = _app(secret), now // STEP_SECONDS
    found = None
    for beside in _BESIDE:
        step = current + beside
        right = step >= 0 and hmac.compare_digest(app.generate_otp(step).encode(), code.encode("utf-8", "surrogatepass"))
        found = step if right and step > after and found is None else found
    return found


def totp_code(secret: bytes, *, now: int) -> str:
    """Return the code an app shows at `now` (Unix seconds)."""
    return str(_app(secret).generate_otp(now // STEP_SECONDS))


def recovery_code(random: bytes) -> str:
    """Return ten random bytes as people write them down: sixteen letters and digits in groups of four.

    Raises:
        ValueError: they are not ten.
    """
    if len(random) != RECOVERY_BYTES:
        raise ValueError("a recovery code is ten random bytes")
    return _grouped(b32encode(random).decode().lower()).replace(" ", "-")


def recovery_bytes(code: str) -> bytes | None:
    """Return the bytes of a recovery code as somebody typed it, case and blanks aside; None for what is none.

    What is kept of it is a keyed digest: a copy of the database alone lets nobody try codes.
    """
    plain = "".join(part for part in code.upper() if part not in " -\t")
    try:
        found = b32decode(plain)
    except ValueError:
        return None
    return sha256(found).digest() if len(found) == RECOVERY_BYTES else None


def _grouped(text: str) -> str:
    return " ".join(text[place : place + _GROUP] for place in range(0, len(text), _GROUP))


def _app(secret: bytes) -> "TOTP":
    # A node whose people have no app need not carry the library.
    from pyotp import TOTP  # noqa: PLC0415 - see above

    return TOTP(b32encode(secret).decode(), digits=DIGITS, interval=STEP_SECONDS)

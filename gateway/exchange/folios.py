"""What people call a piece of work: a letter for its kind and the end of its id. Says nothing of whom it is about."""

from hashlib import sha256

_LETTERS = {"search": "S", "disclosure": "D", "referral": "R", "finding": "H", "report": "P", "duty": "A", "erasure": "X"}


def folio(machine: str, opening: str) -> str:
    """Return the short name of an exchange; its id stands in addresses whole."""
    return _short(_LETTERS.get(machine, "M"), opening.replace("-", "")[-8:].upper())


def folio_of(letter: str, name: str) -> str:
    """Return the short name of what has no id of its own: a link to a peer, a key."""
    return _short(letter, sha256(name.encode()).hexdigest()[:8].upper())


def _short(letter: str, tail: str) -> str:
    return f"{letter}-{tail[:4]}-{tail[4:]}"

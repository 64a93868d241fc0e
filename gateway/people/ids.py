"""How people are named here: by an id that is theirs for ever, and by what they type to come in."""

import re

from contracts.ids import Identifier


class PersonId(Identifier):
    """A person who works or worked here: UUIDv7, never used twice. Identity is this and nothing else."""

    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    max_length = 36


class Login(Identifier):
    """What a person types to sign in: lower case letters and digits, joined by ``. - _``. One person's for ever."""

    pattern = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*")
    max_length = 40

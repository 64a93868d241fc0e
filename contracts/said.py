"""Sentences for people that other languages can be made of: read as they are, they are Spanish."""

from typing import Self


class Said(str):
    """A sentence with its places filled in; `template` and `places` are what it was made of, for another language.

    Example::

        Said("Poco disco: %(left)s libres.", left="12 MB") == "Poco disco: 12 MB libres."
    """

    __slots__ = ("places", "template")

    template: str
    places: dict[str, str]
    """A place may hold such a sentence again."""

    def __new__(cls, template: str, **places: object) -> Self:
        """Return the sentence; a template without places is the sentence itself, whatever signs are in it."""
        told = {name: value if isinstance(value, Said) else str(value) for name, value in places.items()}
        made = super().__new__(cls, template % told if told else template)
        made.template, made.places = template, told
        return made

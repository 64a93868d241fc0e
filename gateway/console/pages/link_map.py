"""The links as a map without scale: bands from north to south, a mark for each institution, shaped by how the link to it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.console.marking import N_
from gateway.console.network import Link
from gateway.console.pages.values import country
from gateway.console.words import Words
from keys.register.state import Standing

NORTH_TO_SOUTH = ("US", "MX", "GT")
"""The way that migrants take, from its end; who sits elsewhere stands below."""
_TITLE, _ROW, _GAP = 26, 24, 10


class Shape(StrEnum):
    """How a link stands, as the mark that is drawn: never by colour alone."""

    DISC = "disc"
    TRIANGLE = "triangle"
    SQUARE = "square"
    DIAMOND = "diamond"
    CROSS = "cross"


SHAPES = {
    Shape.DISC: N_("los envíos llegan"),
    Shape.TRIANGLE: N_("sin enlace: hay mensajes en espera"),
    Shape.SQUARE: N_("envíos en pausa"),
    Shape.DIAMOND: N_("en prueba: todavía sin casos verdaderos"),
    Shape.CROSS: N_("no se le envía: suspendida, retirada o revocada"),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """An institution on the map. `y`: where its row is, in units of the drawing."""

    name: str
    address: str
    shape: Shape
    told: str
    y: int


@dataclass(frozen=True, slots=True)
class Band:
    """A country, or the rest of the world: where it begins, how high it is, and who is in it."""

    name: str
    y: int
    height: int
    marks: tuple[Mark, ...]
    ours: int | None
    """Where this node's own row is, if it is in this band."""


@dataclass(frozen=True, slots=True)
class LinkMap:
    """The drawing."""

    bands: tuple[Band, ...]
    height: int
    us: int
    """The row of this node, which every line begins at."""


def shape_of(link: Link) -> Shape:
    """Return the mark of a link. What keeps everything back comes first."""
    if link.standing not in {Standing.ACTIVE, Standing.PROBATION}:
        return Shape.CROSS
    if link.lane.paused:
        return Shape.SQUARE
    if link.lane.failures and link.lane.waiting:
        return Shape.TRIANGLE
    return Shape.DIAMOND if link.standing is Standing.PROBATION else Shape.DISC


def link_map(links: Sequence[Link], home: str, told: Words) -> LinkMap:
    """Return the drawing of the links of a node whose country is `home` (ISO 3166-1, two letters)."""
    bands, y, us = list[Band](), 0, 0
    for code, name in _places({link.member.country for link in links} | {home}, told):
        there = [link for link in links if _place(link.member.country) == code]
        ours = y + _TITLE + _ROW // 2 if _place(home) == code else None
        first = y + _TITLE + (_ROW if ours else 0)
        marks = tuple(_mark(link, first + row * _ROW + _ROW // 2, told) for row, link in enumerate(there))
        height = _TITLE + _ROW * (len(there) + bool(ours))
        bands.append(Band(name, y, height, marks, ours))
        us = ours or us
        y += height + _GAP
    return LinkMap(tuple(bands), y - _GAP + 1, us)


def _mark(link: Link, y: int, told: Words) -> Mark:
    shape = shape_of(link)
    return Mark(link.member.name, f"/red/{link.member.node}", shape, told.gettext(SHAPES[shape]), y)


def _place(code: str) -> str:
    return code if code in NORTH_TO_SOUTH else ""


def _places(countries: Iterable[str], told: Words) -> list[tuple[str, str]]:
    found = {_place(code) for code in countries}
    named = [(code, country(code, told)) for code in NORTH_TO_SOUTH if code in found]
    return named + ([("", told.gettext("Otros países y organismos"))] if "" in found else [])

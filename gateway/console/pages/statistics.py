"""Statistics as pictures, each with the same numbers in a table beside it, as files, and as programs have them."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from gateway.console.access import Face, Route
from gateway.console.answers import json_answer
from gateway.console.figure_words import PACE_NAMES, TITLES, WHAT_IS_HIDDEN, labels_of, meanings
from gateway.console.figures import FigureDesk, Figures, Row, Table, as_csv, told_of
from gateway.console.months import Month, last_months, month
from gateway.console.operations import Operations
from gateway.console.pages.looks import Looks
from gateway.console.words import Words, words
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError
from gateway.people.roles import Permission

READ = Permission.STATISTICS_READ
_OFFERED = 24


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a picture and of its table."""

    label: str
    values: tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as a template draws it: `most` is the longest bar."""

    name: str
    title: str
    told: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    most: int
    meanings: tuple[tuple[str, str], ...]
    file: str


class StatisticsPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks, self._operations, self._desk = looks, operations, desk
        self._figures = FigureDesk(operations, desk)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/estadisticas", self._page, READ, Face.PAGE),
            Route("GET", "/estadisticas/{name}", self._file, READ, Face.PAGE),
            Route("GET", "/api/v1/statistics", self._api, READ),
        )

    async def _page(self, request: web.Request) -> web.Response:
        told, now = self._looks.words(request), self._operations.node.clock.now()
        figures = await self._asked(request)
        names = await self._names(told)
        return await self._looks.page(
            request,
            "estadisticas.html",
            pictures=[_picture(table, figures, names, told) for table in figures.tables],
            updated=figures.updated,
            what_is_hidden=told.gettext(WHAT_IS_HIDDEN),
            first=str(figures.first),
            last=str(figures.last),
            months=[(str(item), item.name(told)) for item in last_months(now, _OFFERED)],
        )

    async def _asked(self, request: web.Request) -> Figures:
        """Return the figures of the months that are asked for; of the usual ones where those cannot be."""
        try:
            first, last = self._figures.span(month(request.query.get("desde", "")), month(request.query.get("hasta", "")))
        except InvalidError:
            first, last = self._figures.span(None, None)
        return await self._figures.of(first, last)

    async def _names(self, told: Words) -> dict[str, str]:
        offices = {str(one.code): one.name(told.lang) for one in await self._desk.reader.offices()}
        members = {str(node): member.name for node, member in self._operations.node.trust().members.items()}
        return labels_of(members | offices, told)

    async def _file(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        name, dot, kind = request.match_info["name"].partition(".")
        figures = await self._asked(request)
        table = figures.table(name)
        if table is None or (dot, kind) != (".", "csv"):
            raise web.HTTPNotFound
        text = as_csv(table, figures, await self._names(told), told)
        answer = web.Response(body=("\ufeff" + text).encode(), content_type="text/csv", charset="utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="paradero-{name}-{figures.first}-{figures.last}.csv"'
        return answer

    async def _api(self, request: web.Request) -> web.Response:
        span = [_month(request.query, name) for name in ("from", "to")]
        figures = await self._figures.of(*self._figures.span(*span))
        if "csv" not in request.query:
            return json_answer(figures.as_dict())
        table = figures.table(request.query["csv"])
        if table is None:
            raise InvalidError("No hay una tabla así.", advice=f"Una de: {', '.join(item.name for item in figures.tables)}.")
        told = words("en" if request.query.get("lang") == "en" else "es")
        return json_answer({"csv": as_csv(table, figures, await self._names(told), told)})


def _month(query: Mapping[str, str], name: str) -> Month | None:
    if name not in query:
        return None
    found = month(query[name])
    if found is None:
        raise InvalidError(f"{name} es un mes.", advice="Por ejemplo 2026-10.")
    return found


def _picture(table: Table, figures: Figures, names: Mapping[str, str], told: Words) -> Picture:
    drawn = [row for row in table.rows if row.code != "total"] if table.name == "asked" else list(table.rows)
    ends = {"funnel": 1, "asked": 2}.get(table.name, len(table.columns) - 1)
    most = max((number or 0 for row in drawn for number in row.numbers[:ends]), default=0)
    if table.name == "left":
        most = max((sum(row.numbers[place] or 0 for row in drawn) for place in range(ends)), default=0)
    return Picture(
        name=table.name,
        title=told.gettext(TITLES[table.name]),
        told=_told(table, told),
        columns=(told.gettext("Nombre"), *(names.get(code, code) for code in table.columns)),
        lines=tuple(_line(row, table, names) for row in table.rows),
        most=most,
        meanings=tuple(meanings(table.codes(), names, told)),
        file=f"/estadisticas/{table.name}.csv?desde={figures.first}&hasta={figures.last}",
    )


def _line(row: Row, table: Table, names: Mapping[str, str]) -> Line:
    values = zip(row.numbers, table.columns, strict=True)
    shown = tuple(told_of(number, column) if column == "median-hours" else number for number, column in values)
    return Line(names.get(row.code, row.code), shown)


def _told(table: Table, told: Words) -> str:
    """Return a figure in a sentence."""
    match table.name:
        case "funnel":
            sent, *_, answered = (_number(row.numbers[0], told) for row in table.rows)
            return told.gettext("Enviadas: %(sent)s. Respondidas: %(answered)s.") % {"sent": sent, "answered": answered}
        case "paces":
            late = [row for row in table.rows if row.code == "total"]
            places = [place for place, name in enumerate(PACE_NAMES) if name in {"late", "open-late"}]
            numbers = [_number(late[0].numbers[place], told) if late else "0" for place in places]
            return told.gettext("Respondidas tarde: %(late)s. Vencidas sin respuesta: %(missing)s.") % {
                "late": numbers[0],
                "missing": numbers[1],
            }
        case "asked":
            number = sum(row.code != "total" for row in table.rows)
            return told.ngettext("Con %(number)s institución.", "Con %(number)s instituciones.", number) % {"number": number}
        case _:
            return told.gettext("Cuenta registros que salieron con algún dato de la categoría; uno puede contar en varias.")


def _number(value: int | None, told: Words) -> str:
    return told.gettext("no se muestra") if value is None else str(value)

"""`paradero office`: the institution's offices and when they work."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import out, print_json, print_table
from gateway.cli.people import print_people

app = typer.Typer(no_args_is_help=True, help="Oficinas de la institución. The institution's offices.")

Code = Annotated[str, typer.Argument(help="Código de la oficina, por ejemplo consulado-houston. An office's code.")]
_OFFICES = {
    "code": "CÓDIGO",
    "name_es": "NOMBRE",
    "zone": "ZONA",
    "calendar": "FERIADOS",
    "hours": "HORAS",
    "takes_inbox": "BANDEJA",
    "closed": "CERRADA",
}


@app.command()
def add(
    code: Code,
    name_es: Annotated[str, typer.Option(help="Nombre en español. Name in Spanish.")],
    name_en: Annotated[str, typer.Option(help="Nombre en inglés. Name in English.")],
    zone: Annotated[str, typer.Option(help="Zona horaria IANA, por ejemplo America/Chicago. IANA time zone.")],
    calendar: Annotated[str, typer.Option(help="Feriados nacionales: GT, MX o US. National holidays.")] = "GT",
    hours: Annotated[
        str, typer.Option(help="Horas de oficina, por ejemplo «lu-vi 08:00-12:00,13:00-16:00; sa 08:00-12:00». Office hours.")
    ] = "lu-vi 08:00-16:00",
    inbox: Annotated[
        bool, typer.Option("--inbox/--no-inbox", help="Si recibe lo que llega sin oficina. Takes incoming work.")
    ] = True,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Abre una oficina. Open an office."""
    body = {
        "code": code,
        "name_es": name_es,
        "name_en": name_en,
        "zone": zone,
        "calendar": calendar,
        "hours": hours,
        "takes_inbox": inbox,
    }
    answer = LocalNode.from_option(config).send("/api/v1/offices", body)
    if as_json:
        print_json(answer)
        return
    out.print(f"✓ {answer['code']}: {answer['name_es']}, {answer['hours']} ({answer['zone']}).", markup=False)


@app.command()
def close(code: Code, config: Config = None, as_json: AsJson = False) -> None:
    """Cierra una oficina en la que ya nadie tiene puesto. Close an office for good."""
    answer = LocalNode.from_option(config).send(f"/api/v1/offices/{code}/close", {})
    if as_json:
        print_json(answer)
        return
    out.print(f"✓ {code} está cerrada.", markup=False)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra las oficinas. List offices."""
    answer = LocalNode.from_option(config).get("/api/v1/offices")
    if as_json:
        print_json(answer)
        return
    print_table("Oficinas", _OFFICES, answer["offices"])


@app.command()
def members(code: Code, config: Config = None, as_json: AsJson = False) -> None:
    """Muestra quién tiene puesto en una oficina. Who has a post at an office."""
    answer = LocalNode.from_option(config).get("/api/v1/people")
    found = [row for row in answer["people"] if any(post.endswith(f"@{code}") for post in row["posts"])]
    if as_json:
        print_json({"people": found})
        return
    print_people(code, found)


@app.command("next")
def next_(
    code: Code,
    hours: Annotated[
        int | None, typer.Option(min=1, max=2000, help="Plazo en horas hábiles desde ahora. A deadline in working hours.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Dice cuándo trabaja una oficina, y cuándo vence un plazo en horas hábiles. When an office works next."""
    query = {} if hours is None else {"hours": str(hours)}
    answer = LocalNode.from_option(config).get(f"/api/v1/offices/{code}/next", **query)
    if as_json:
        print_json(answer)
        return
    opens = "abierta ahora" if answer["open"] else f"abre {_there(answer['opens'], answer['zone'])}"
    out.print(f"{code}: {opens}", markup=False)
    if answer["due"] is not None:
        out.print(f"{hours} horas hábiles: hasta {_there(answer['due'], answer['zone'])}", markup=False)


def _there(moment: str, zone: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"

"""`paradero webhook`: which programs are told that something happened here, and what became of it."""

from typing import Annotated

import typer

from contracts.notices import NoticeType
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import err, out, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Programas que reciben avisos. Programs that are sent notices.")

Hook = Annotated[str, typer.Argument(help="Id del receptor, de `webhook list`. A receiver's id.")]
_HOOKS = {"id": "ID", "name": "NOMBRE", "host": "EQUIPO", "state": "ESTADO", "types": "QUÉ", "dead": "SIN ENTREGAR"}
_POSTS = {
    "notice": "AVISO",
    "type": "QUÉ",
    "folio": "FOLIO",
    "made": "CUÁNDO",
    "state": "ESTADO",
    "attempts": "INTENTOS",
    "status": "RESPUESTA",
    "reason": "POR QUÉ",
}


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Cómo lo llaman ustedes. What you call it.")],
    address: Annotated[str, typer.Argument(help="Dirección https en un equipo de [webhooks] hosts. Its https address.")],
    only: Annotated[
        list[NoticeType] | None, typer.Option("--type", help="Sólo estas clases de aviso; se repite. Only these types.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Agrega un receptor y muestra su clave, una sola vez. Add a receiver; its secret is shown once."""
    body = {"name": name, "address": address} | ({"types": [kind.value for kind in only]} if only else {})
    answer = LocalNode.from_option(config).send("/api/v1/webhooks", body)
    if as_json:
        print_json(answer)
        return
    err.print(f"✓ {answer['id']}: {answer['name']}. Su clave, que no se vuelve a mostrar:", markup=False)
    out.print(answer["secret"], markup=False)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra los receptores. List receivers."""
    answer = LocalNode.from_option(config).get("/api/v1/webhooks")
    if as_json:
        print_json(answer)
        return
    print_table("Receptores", _HOOKS, [row | {"types": ", ".join(row["types"]) or "todo"} for row in answer["webhooks"]])


@app.command("test")
def try_(hook: Hook, config: Config = None, as_json: AsJson = False) -> None:
    """Envía una prueba ahora y dice qué respondió. Send a test now."""
    answer = LocalNode.from_option(config).send(f"/api/v1/webhooks/{hook}/test", {})
    if as_json:
        print_json(answer)
    elif answer["state"] == "delivered":
        out.print(f"✓ Respondió {answer['status']}.", markup=False)
    else:
        err.print(f"✗ No la tomó: {answer['status'] or answer['reason']}.", markup=False)
    if answer["state"] != "delivered":
        raise typer.Exit(1)


@app.command()
def deliveries(hook: Hook, config: Config = None, as_json: AsJson = False) -> None:
    """Muestra qué se le envió y qué respondió. What went to it."""
    answer = LocalNode.from_option(config).get(f"/api/v1/webhooks/{hook}/deliveries")
    if as_json:
        print_json(answer)
        return
    print_table("Avisos enviados", _POSTS, answer["deliveries"])


@app.command()
def replay(
    hook: Hook,
    notice: Annotated[str | None, typer.Argument(help="Un aviso; sin él, todo lo que no se entregó. One notice.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Envía otra vez, con el mismo número de aviso. Send again under the same id."""
    body = {} if notice is None else {"notice": notice}
    answer = LocalNode.from_option(config).send(f"/api/v1/webhooks/{hook}/replay", body)
    if as_json:
        print_json(answer)
        return
    out.print(f"✓ {answer['again']} por enviar otra vez.", markup=False)


@app.command()
def secret(hook: Hook, config: Config = None, as_json: AsJson = False) -> None:
    """Cambia su clave; la de antes vale un día más. Change its secret; the old one signs for a day."""
    answer = LocalNode.from_option(config).send(f"/api/v1/webhooks/{hook}/secret", {})
    if as_json:
        print_json(answer)
        return
    err.print("✓ La clave nueva, que no se vuelve a mostrar:", markup=False)
    out.print(answer["secret"], markup=False)


@app.command()
def pause(hook: Hook, config: Config = None, as_json: AsJson = False) -> None:
    """Lo pone en pausa; sus avisos esperan. Pause it; its notices wait."""
    _set(hook, "disabled", config, as_json=as_json)


@app.command()
def resume(hook: Hook, config: Config = None, as_json: AsJson = False) -> None:
    """Recibe otra vez. Let it receive again."""
    _set(hook, "enabled", config, as_json=as_json)


@app.command()
def remove(hook: Hook, config: Config = None, as_json: AsJson = False) -> None:
    """Lo quita, con lo que esperaba para él. Remove it."""
    answer = LocalNode.from_option(config).delete(f"/api/v1/webhooks/{hook}")
    if as_json:
        print_json(answer)
        return
    out.print("✓ Quitado.", markup=False)


def _set(hook: str, state: str, config: Config, *, as_json: bool) -> None:
    answer = LocalNode.from_option(config).send(f"/api/v1/webhooks/{hook}/state", {"state": state})
    if as_json:
        print_json(answer)
        return
    out.print(f"✓ {answer['state']}.", markup=False)

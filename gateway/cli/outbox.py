"""`paradero outbox`: what waits, what ended badly, and pausing one peer."""

from typing import Annotated, Any

import typer

from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import out, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Mensajes que salen. Outgoing messages.")

Message = Annotated[str, typer.Argument(help="Identificador del mensaje. The message's id.")]
Peer = Annotated[str, typer.Argument(help="Nodo, por ejemplo gt.minex. A node.")]

_COLUMNS = {
    "message_id": "MENSAJE",
    "peer": "PARA",
    "kind": "TIPO",
    "state": "ESTADO",
    "attempts": "INTENTOS",
    "due": "PRÓXIMO",
    "expires": "VENCE",
    "reason": "MOTIVO",
}
_LANES = {
    "peer": "NODO",
    "waiting": "EN ESPERA",
    "oldest_due": "DESDE",
    "failures": "FALLOS",
    "next_attempt": "PRÓXIMO",
    "paused": "EN PAUSA",
    "held": "SUSPENDIDO",
    "last_success": "ÚLTIMO ÉXITO",
}


@app.command("list")
def list_(
    config: Config = None,
    state: Annotated[str, typer.Option(help="waiting, delivered, rejected, withdrawn o dead. The state to list.")] = "waiting",
    as_json: AsJson = False,
) -> None:
    """Muestra los mensajes de un estado. List messages in one state."""
    answer = LocalNode.from_option(config).get("/api/v1/outbox", state=state)
    if as_json:
        print_json(answer)
        return
    print_table("Enlaces", _LANES, answer["lanes"])
    print_table(f"Mensajes «{state}»", _COLUMNS, answer["messages"])


@app.command()
def show(message: Message, config: Config = None, as_json: AsJson = False) -> None:
    """Muestra un mensaje: metadatos, estados y recibo, nunca su contenido. Show one message's metadata."""
    answer = LocalNode.from_option(config).get(f"/api/v1/messages/{message}")
    if as_json:
        print_json(answer)
        return
    print_table("", {"name": "", "value": ""}, [{"name": name, "value": value} for name, value in answer.items()])


@app.command()
def retry(message: Message, config: Config = None, as_json: AsJson = False) -> None:
    """Intenta ahora un mensaje que espera. Try a waiting message now."""
    answer = LocalNode.from_option(config).post(f"/api/v1/outbox/{message}/retry")
    _done(answer, f"{message}: se intenta ahora.", as_json=as_json)


@app.command()
def pause(peer: Peer, config: Config = None, as_json: AsJson = False) -> None:
    """Detiene los envíos a un nodo; los mensajes esperan. Pause deliveries to one peer."""
    answer = LocalNode.from_option(config).post(f"/api/v1/outbox/lanes/{peer}/pause")
    _done(
        answer, f"Envíos a {peer} en pausa; lo que haya espera. Para seguir: `paradero outbox resume {peer}`.", as_json=as_json
    )


@app.command()
def resume(peer: Peer, config: Config = None, as_json: AsJson = False) -> None:
    """Reanuda los envíos a un nodo. Resume deliveries to one peer."""
    answer = LocalNode.from_option(config).post(f"/api/v1/outbox/lanes/{peer}/resume")
    _done(answer, f"Envíos a {peer} en marcha.", as_json=as_json)


def _done(answer: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        out.print(f"✓ {words}", markup=False)

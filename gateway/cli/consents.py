"""`paradero consent`: what each relative decided, scope by scope."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from contracts.calendars import GUATEMALA
from contracts.consents import SCOPES, ConsentForm, Scope
from contracts.messages import ConsentAct
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, fail, out, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Consentimientos de los familiares. Relatives' consents.")

_CASE = re.compile(r"[A-Za-z0-9:_-]{1,80}")

_FORMS = {
    "written": "por escrito",
    "fingerprint": "con huella",
    "audio": "en audio",
    "oral-witnessed": "de palabra, con testigo",
    "inherited-without-proof": "heredado, sin constancia",
    "relayed": "dicho en otra institución",
}
_ACTS = {"given": "autorizó", "narrowed": "redujo", "withdrawn": "retiró"}

Case = Annotated[str, typer.Argument(help="Folio del caso, o un hilo suyo. A case's folio, or a thread of it.")]
Relative = Annotated[
    str,
    typer.Option(
        help="Quién decide, como lo llama su oficina, siempre igual; se guarda un resumen con llave, no el texto. Who decides."
    ),
]
Scopes = Annotated[list[Scope], typer.Option("--scope", help="Ámbito, de c1 a c13; se repite. A scope; repeat it.")]
Form = Annotated[ConsentForm, typer.Option("--form", help="Cómo lo dio. How it was given.")]
Language = Annotated[str, typer.Option(help="En qué idioma se explicó y decidió (BCP 47), por ejemplo kjb. The language.")]
Witness = Annotated[
    str | None,
    typer.Option(help="Testigo; lo exigen la huella y la palabra. A witness; fingerprints and spoken words need one."),
]
Recipients = Annotated[list[str] | None, typer.Option("--to", help="Sólo a este nodo; se repite. Only to this node.")]
Purposes = Annotated[list[str] | None, typer.Option("--purpose", help="Sólo para este fin; se repite. Only for this purpose.")]
Fields = Annotated[list[str] | None, typer.Option("--field", help="Sólo este campo; se repite. Only this field.")]
Until = Annotated[str | None, typer.Option(help="Hasta este día, AAAA-MM-DD, inclusive. Until this day, included.")]
Reason = Annotated[str | None, typer.Option(help="Motivo, un código: threat. Se queda aquí. A code; it stays here.")]


@app.command()
def grant(
    case: Case,
    relative: Relative,
    scope: Scopes,
    language: Language,
    form: Form,
    witness: Witness = None,
    to: Recipients = None,
    purpose: Purposes = None,
    field: Fields = None,
    until: Until = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Anota lo que un familiar autoriza. Write down what a relative agrees to."""
    limits = _limits(to, purpose, field, until)
    _send(case, ConsentAct.GIVEN, relative, scope, language, form, witness, None, limits, config, as_json=as_json)


@app.command()
def narrow(
    case: Case,
    relative: Relative,
    scope: Scopes,
    language: Language,
    form: Form,
    witness: Witness = None,
    to: Recipients = None,
    purpose: Purposes = None,
    field: Fields = None,
    until: Until = None,
    reason: Reason = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Reduce lo autorizado a lo que se diga aquí; lo demás se manda borrar. Narrow a consent; the rest is recalled."""
    limits = _limits(to, purpose, field, until)
    if not limits:
        fail(
            ExitCode.USAGE,
            "No dice a qué se reduce.",
            advice="Dé --to, --purpose, --field o --until; o use `consent withdraw`.",
        )
    _send(case, ConsentAct.NARROWED, relative, scope, language, form, witness, reason, limits, config, as_json=as_json)


@app.command()
def withdraw(
    case: Case,
    relative: Relative,
    scope: Scopes,
    language: Language,
    form: Form,
    witness: Witness = None,
    reason: Reason = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Retira lo autorizado: nada más sale por ello y cada nodo recibe orden de borrar. Withdraw; copies are recalled."""
    _send(case, ConsentAct.WITHDRAWN, relative, scope, language, form, witness, reason, {}, config, as_json=as_json)


@app.command()
def show(case: Case, config: Config = None, as_json: AsJson = False) -> None:
    """Muestra qué vale hoy, por familiar y ámbito, y todo lo decidido. What is in force, and every decision."""
    answer = LocalNode.from_option(config).get(f"/api/v1/cases/{case_named(case)}/consents")
    if as_json:
        print_json(answer)
        return
    columns = {
        "relative": "FAMILIAR",
        "scope": "ÁMBITO",
        "scope_es": "QUÉ",
        "form": "CÓMO",
        "language": "IDIOMA",
        "limits": "LÍMITES",
    }
    in_force = [row | {"limits": _told(row["limits"]), "form": _FORMS[row["form"]]} for row in answer["in_force"]]
    print_table("Vale hoy", columns, in_force)
    _said_there(answer["said_there"], case)
    if not answer["internal_search"]:
        out.print("Sin autorización para buscar en los propios archivos; sólo se busca por deber.", markup=False)
    events = [
        row
        | {"act": _ACTS.get(row["act"], row["act"]), "form": _FORMS[row["form"]]}
        | {"at": f"{datetime.fromtimestamp(row['at'], GUATEMALA):%Y-%m-%d %H:%M}", "scopes": " ".join(row["scopes"])}
        for row in answer["events"]
    ]
    columns = {"at": "CUÁNDO", "relative": "FAMILIAR", "act": "ACTO", "scopes": "ÁMBITOS", "form": "CÓMO", "language": "IDIOMA"}
    print_table("\nDecisiones", columns, events)


def _said_there(said: dict[str, Any] | None, case: str) -> None:
    if said is None:
        return
    if said["taken_back"]:
        out.print(f"! Quien reportó en {said['node']} retiró o redujo allá: {' '.join(said['taken_back'])}.", markup=False)
    if said["scopes"]:
        out.print(f"  Quien reportó en {said['node']} autorizó allá: {' '.join(said['scopes'])}.", markup=False)
        scopes = " ".join(f"--scope {scope}" for scope in said["scopes"])
        told = f"`paradero consent grant {case} --relative {said['relative']} {scopes} --form … --language …`"
        out.print(f"  Nada sale por ello hasta confirmarlo con la familia y anotarlo: {told}", markup=False)


def case_named(text: str) -> str:
    """Return a case as an address may hold it; end the command where it is no folio, thread or reference."""
    if not _CASE.fullmatch(text):
        fail(
            ExitCode.USAGE,
            "Eso no es un caso.",
            advice="Dé su folio, por ejemplo MBMID-2026-000001, o un hilo; nunca un nombre.",
        )
    return text


def _send(
    case: str,
    act: ConsentAct,
    relative: str,
    scopes: list[Scope],
    language: str,
    form: ConsentForm,
    witness: str | None,
    reason: str | None,
    limits: dict[str, Any],
    config: Config,
    *,
    as_json: bool,
) -> None:
    node = LocalNode.from_option(config)
    body: dict[str, Any] = {
        "act": act.value,
        "relative": relative,
        "scopes": sorted({scope.value for scope in scopes}),
        "form": form.value,
        "language": language,
        **limits,
    }
    body |= {name: value for name, value in (("witness", witness), ("reason", reason)) if value is not None}
    answer = node.send(f"/api/v1/cases/{case_named(case)}/consents", body)
    if as_json:
        print_json(answer)
        return
    named = ", ".join(f"{scope} ({SCOPES[Scope(scope)].es})" for scope in answer["scopes"])
    done = {"given": "Anotado", "narrowed": "Reducido", "withdrawn": "Retirado"}[answer["act"]]
    out.print(f"✓ {done} para {answer['relative']}: {named}.", markup=False)
    if act is not ConsentAct.GIVEN and not answer["had"]:
        out.print("! Esa persona no tenía autorizado nada de eso aquí: nada cambió por ello.", markup=False)
        out.print("  Si lo había autorizado, se anotó con otro --relative: `paradero consent show`.", markup=False)
    _tell(answer)


def _tell(answer: dict[str, Any]) -> None:
    if answer["taken_back"]:
        out.print(f"  {len(answer['taken_back'])} mensaje(s) que esperaban ya no salen.", markup=False)
    if answer["under_way"]:
        told = "iba(n) en camino y puede(n) haber llegado; se manda borrar igual"
        out.print(f"  {len(answer['under_way'])} mensaje(s) {told}.", markup=False)
    for peer in answer["told"]:
        out.print(f"  {peer}: leyó en el reporte lo que se autorizó; se le avisa del cambio.", markup=False)
    for row in answer["ordered"]:
        out.print(f"  {row['node']}: se ordena borrar {row['copies']} copia(s); responde en 72 h.", markup=False)
    for peer in answer["unheard"]:
        out.print(f"  ! {peer}: leyó en el reporte lo que se autorizó y ahora no se le puede avisar: llámele.", markup=False)
    for peer in answer["untold"]:
        out.print(
            f"  {peer}: tiene copia y ahora no se le puede avisar; se intenta sin parar y se avisa cada día.", markup=False
        )


def _limits(to: list[str] | None, purposes: list[str] | None, fields: list[str] | None, until: str | None) -> dict[str, Any]:
    limits: dict[str, Any] = {
        name: sorted(set(items)) for name, items in (("recipients", to), ("purposes", purposes), ("fields", fields)) if items
    }
    if until is None:
        return limits
    try:
        last = datetime.strptime(until, "%Y-%m-%d").replace(tzinfo=GUATEMALA)
    except ValueError:
        fail(ExitCode.USAGE, "Eso no es un día.", advice="AAAA-MM-DD, por ejemplo 2027-06-30.")
    return limits | {"until": int((last + timedelta(days=1)).timestamp())}


def _told(limits: dict[str, Any]) -> str:
    told = [f"{name}: {', '.join(items)}" for name, items in limits.items() if isinstance(items, list)]
    if "until" in limits:
        told.append(f"hasta {datetime.fromtimestamp(limits['until'], GUATEMALA):%Y-%m-%d}")
    return "; ".join(told)

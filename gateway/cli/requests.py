"""`paradero request` and `paradero preview`: asking other institutions, and answering them field by field."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.codec import encode_object, parse_object
from contracts.errors import MalformedError
from gateway.cli.holds import agreed, tell_went, waits_in_words
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, fail, moment_words, out, print_json, print_table, reported, table_lines
from gateway.cli.records import claims_rows, field_titles, record_title

app = typer.Typer(no_args_is_help=True, help="Preguntas entre instituciones y sus respuestas. Questions and answers.")

Request = Annotated[str, typer.Argument(help="Identificador de la pregunta. The question's id.")]
Answer = Annotated[Path, typer.Argument(help="Respuesta en TOML o JSON: result, case_ref, records. The answer, TOML or JSON.")]
Lang = Annotated[str, typer.Option("--lang", help="Idioma de la tabla: es o en. The table's language.")]
Yes = Annotated[bool, typer.Option("--yes", help="No pregunta antes de enviar. Do not ask before sending.")]

_LIST = {
    "request_id": "PREGUNTA",
    "direction": "SENTIDO",
    "kind": "TIPO",
    "peer": "CON",
    "state": "ESTADO",
    "deadline": "VENCE",
    "overdue": "VENCIDA",
}
_HEADINGS = {
    "es": ("CAMPO", "LO QUE PREGUNTAN", "LO QUE TENEMOS", "LO QUE SALE", "POR QUÉ"),
    "en": ("FIELD", "WHAT THEY ASK", "WHAT WE HOLD", "WHAT LEAVES", "WHY"),
}
_STAYS = frozenset({"no sale", "stays", "—"})
_DIRECTIONS = {"asked": "hecha por nosotros", "received": "recibida"}
_STATES = {"open": "pendiente", "answered": "contestada", "start": "sin abrir"}
_KINDS = {"search": "búsqueda", "disclosure": "petición de campos"}
_RESULTS = {
    "match": "es la persona, según quien contesta",
    "possible": "puede ser la persona",
    "no-match": "no tenemos información",
    "cannot-answer": "no se puede contestar",
    "granted": "se entregan los campos",
    "refused": "no se entregan los campos",
}


@app.callback()
def _group() -> None:
    """Preguntas entre instituciones y sus respuestas."""


@app.command()
def new(
    source: Annotated[
        Path,
        typer.Argument(
            help="Pregunta en TOML o JSON: to, want, purpose, basis, case_ref, urgency, records. The question, TOML or JSON."
        ),
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pregunta a otra institución por una persona; sólo viaja lo que la política permite. Ask another institution."""
    node = LocalNode.from_option(config)
    answer = node.send("/api/v1/requests", read_object(source))
    tell_went(answer, "Pregunta", as_json=as_json)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra las preguntas, hechas y recibidas, las que vencen antes primero. List questions, asked and received."""
    answer = LocalNode.from_option(config).get("/api/v1/requests")
    if as_json:
        print_json(answer)
        return
    rows = [
        {
            **row,
            "direction": _DIRECTIONS.get(row["direction"], row["direction"]),
            "state": _STATES.get(row["state"], row["state"]),
            "kind": _KINDS.get(row["kind"], row["kind"]),
        }
        for row in answer["requests"]
    ]
    print_table("Preguntas", _LIST, rows)


@app.command()
def show(request: Request, config: Config = None, as_json: AsJson = False) -> None:
    """Abre una pregunta, y su respuesta si la hay; queda en la bitácora quién la abrió. Open a question and its answer."""
    answer = LocalNode.from_option(config).get(f"/api/v1/requests/{request}")
    if as_json:
        print_json(answer)
        return
    asked = answer["direction"] == "asked"
    told = {
        "Para" if asked else "De": answer["to" if asked else "from"],
        "Finalidad": answer["purpose_es"],
        "Base legal": answer["basis_es"],
        "Vence": "sin plazo" if answer["deadline"] is None else moment_words(answer["deadline"]),
        "Estado": "pendiente" if answer["open"] else "contestada",
        "Preguntamos" if asked else "Preguntan": field_titles(answer["want"], answer["record_type"]),
    }
    print_table("", {"name": "", "value": ""}, [{"name": name, "value": value} for name, value in told.items()])
    if not asked:
        _tell_claims("A quién buscan", answer["candidate"], "missing-person")
    elif answer["answer"] is not None:
        result = _RESULTS.get(answer["answer"]["body"]["result"], answer["answer"]["body"]["result"])
        out.print(f"Respuesta, {moment_words(answer['answer']['received'])}: {result}", markup=False)
        for record in answer["answer"]["records"]:
            _tell_claims(record_title(record["type"]), record["claims"], record["type"])


def _tell_claims(title: str, claims: Mapping[str, Any], record_type: str) -> None:
    print_table(title, {"name": "CAMPO", "value": "VALOR"}, claims_rows(claims, record_type))


@app.command()
def answer(
    request: Request,
    source: Answer,
    yes: Yes = False,
    lang: Lang = "es",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Muestra la respuesta campo por campo y, tras confirmar, envía exactamente eso. Answer with exactly what is shown."""
    node = LocalNode.from_option(config)
    shown = _preview(node, request, source, lang)
    if not as_json:
        tell_preview(shown, lang)
    if not yes and not agreed("¿Enviar exactamente esto?" if lang == "es" else "Send exactly this?"):
        fail(ExitCode.INTERRUPTED, "No se envió nada.", advice="Cambie el archivo y repita la orden cuando quiera.")
    went = node.send(f"/api/v1/held/{shown['id']}/confirm", {})
    if as_json:
        print_json({"shown": shown, "went": went})
        return
    tell_went(went, "Respuesta", as_json=False)


def preview(request: Request, source: Answer, lang: Lang = "es", config: Config = None, as_json: AsJson = False) -> None:
    """Muestra qué saldría como respuesta y por qué; no envía nada. Show what would leave, and why; sends nothing."""
    shown = _preview(LocalNode.from_option(config), request, source, lang)
    if as_json:
        print_json(shown)
        return
    tell_preview(shown, lang)


@app.command()
def clarify(
    request: Request,
    field: Annotated[
        list[str], typer.Option("--field", help="Campo que hace falta; se puede repetir. A field that is needed.")
    ],
    record_type: Annotated[str, typer.Option(help="Tipo de registro. The type of record.")] = "missing-person",
    reason: Annotated[str, typer.Option(help="Código: para qué. A code: what for.")] = "compare",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pide a quien pregunta más campos de la persona que busca. Ask for more fields of the person they seek."""
    body = {"fields": field, "record_type": record_type, "reason": reason}
    tell_went(LocalNode.from_option(config).send(f"/api/v1/requests/{request}/clarify", body), "Petición", as_json=as_json)


@app.command()
def check(
    source: Annotated[
        Path,
        typer.Argument(
            help="Consulta a RENAP en TOML o JSON: question, purpose, basis, case_ref, records (uno). A check, TOML or JSON."
        ),
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pregunta a RENAP si un dato o un documento es cierto; responde sí o no. Ask the civil registry for a yes or a no."""
    answer = LocalNode.from_option(config).send("/api/v1/identity-checks", read_object(source))
    print_json(answer) if as_json else out.print(f"{answer['state']}: {answer.get('message_id') or answer['id']}", markup=False)


@app.command()
def identity(
    request: Request,
    answer: Annotated[str, typer.Argument(help="La respuesta: yes (sí) o no. The answer: yes or no.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Responde una consulta de identidad: sí o no, y nada más. Answer an identity check: yes or no."""
    told = LocalNode.from_option(config).send(f"/api/v1/requests/{request}/identity", {"answer": answer})
    print_json(told) if as_json else out.print(f"Respondido: {answer}.", markup=False)


@app.command()
def extend(
    request: Request,
    until: Annotated[str, typer.Option(help="Hasta cuándo, con zona: 2026-12-01T12:00:00-06:00. Until when, with its zone.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Avisa de que la respuesta tardará hasta una hora posterior. Tell that the answer takes until later."""
    went = LocalNode.from_option(config).send(f"/api/v1/requests/{request}/extend", {"until": until})
    tell_went(went, "Aviso de plazo", as_json=as_json)


@app.command()
def decline(
    request: Request,
    reason: Annotated[
        str,
        typer.Option(
            help="Código del motivo; se queda en este nodo. no-access, no-capacity, not-competent y out-of-service se dicen "
            "como «no se puede contestar»; cualquier otro, como «no tenemos información». A code; it stays in this node. These "
            "four are told as cannot-answer, any other as no-match."
        ),
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Contesta que no se puede contestar; quien pregunta no sabe por qué. Answer that it cannot be answered."""
    went = LocalNode.from_option(config).send(f"/api/v1/requests/{request}/decline", {"reason": reason})
    tell_went(went, "Respuesta", as_json=as_json)


@app.command()
def alive(
    request: Request,
    source: Annotated[Path, typer.Argument(help="TOML o JSON: case_ref, records; no salen. TOML or JSON; they stay here.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Avisa de que la persona vive y de qué quiere; nunca de dónde está. Tell that the person is alive; never where."""
    went = LocalNode.from_option(config).send(f"/api/v1/requests/{request}/alive", read_object(source))
    tell_went(went, "Aviso de que vive", as_json=as_json)


@app.command("no-information")
def no_information(
    request: Request,
    searched: Annotated[
        list[str], typer.Option("--searched", help="Código de dónde se buscó; se puede repetir. Where was searched.")
    ],
    as_of: Annotated[
        str, typer.Option("--as-of", help="Hasta cuándo llegaba lo consultado, con zona. As of when, with its zone.")
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Contesta «No tenemos información»: nada que se pueda decir. Answer that there is nothing that may be told."""
    body = {"searched": searched, "as_of": as_of}
    went = LocalNode.from_option(config).send(f"/api/v1/requests/{request}/no-information", body)
    tell_went(went, "«No tenemos información»", as_json=as_json)


def _preview(node: LocalNode, request: str, source: Path, lang: str) -> dict[str, Any]:
    if lang not in _HEADINGS:
        fail(ExitCode.USAGE, "Ese idioma no está.", advice="--lang es o --lang en.")
    return node.send(f"/api/v1/requests/{request}/preview", read_object(source), lang=lang)


def tell_preview(shown: Mapping[str, Any], lang: str) -> None:
    """Print the four columns: what is asked, what is held, what leaves, and why."""
    head, foot = _around(shown, lang)
    out.print(head, markup=False)
    print_table("", _columns(lang), _short(shown["rows"], lang))
    for line in foot:
        out.print(line, markup=False)


def preview_lines(shown: Mapping[str, Any], lang: str, *, width: int) -> list[str]:
    """Return what `tell_preview` prints on a terminal of so many columns."""
    head, foot = _around(shown, lang)
    return [head, *table_lines(_columns(lang), _short(shown["rows"], lang), width=width), *foot]


def _columns(lang: str) -> dict[str, str]:
    return dict(zip(("label", "asked", "held", "leaves", "why"), _HEADINGS[lang], strict=True))


def _short(rows: Sequence[Mapping[str, Any]], lang: str) -> list[dict[str, Any]]:
    """Return the rows with a rule's name in place of its sentence, which stands once under the table: it fits a terminal."""
    exact = "tal cual" if lang == "es" else "as it is"
    short = []
    for row in rows:
        form, _, sentence = row["why"].rpartition(" · ")
        leaves = row["leaves"] not in _STAYS and bool(sentence)
        short.append({**row, "why": f"{form or exact} · {row['rule']}" if leaves else row["why"]})
    return short


def _around(shown: Mapping[str, Any], lang: str) -> tuple[str, list[str]]:
    """Return the line above the table and those below it."""
    es = lang == "es"
    message = parse_object(shown["payload"].encode())
    leaving = [row for row in shown["rows"] if row["leaves"] not in _STAYS]
    rules = sorted({row["rule"] for row in leaving})
    words = ("Para", "Finalidad", "Política", "regla") if es else ("To", "Purpose", "Policy", "rule")
    rule = f" {words[3]} {', '.join(rules)}" if rules else ""
    purpose = shown["purpose_es"] if es else shown["purpose_en"]
    head = f"{words[0]}  {message['aud']}   {words[1]}  {purpose}   {words[2]}  v{shown['policy']}{rule}"
    size = f"{shown['bytes'] / 1024:.1f}".replace(".", "," if es else ".")
    total = len(shown["rows"])
    counted = f"{len(leaving)} de {total} campos salen" if es else f"{len(leaving)} of {total} fields leave"
    nothing = "Nada se ha enviado." if es else "Nothing has been sent."
    sentences = {row["rule"]: row["why"].rpartition(" · ")[2] for row in leaving}
    foot = [f"{name}: {sentence}" for name, sentence in sorted(sentences.items()) if sentence]
    foot += [f"{counted} · {size} KB · sha256 {shown['sha256'][:12]}…  {nothing}"]
    if shown["silenced_by"]:
        told = (
            "Quien pregunta leerá «no tenemos información», igual que si no hubiera nadie"
            if es
            else 'Who asks will read "no information", as if there were nobody'
        )
        foot.append(f"! {told}{_silence(shown, lang)}")
    foot += [f"! {line}" for line in waits_in_words(shown["id"], shown["waits"], lang)]
    return head, foot


def _silence(shown: Mapping[str, Any], lang: str) -> str:
    return f": {shown['silenced_es']}" if lang == "es" else ""


def read_object(path: Path) -> dict[str, Any]:
    """Return what a TOML or JSON file says, or end the command with what is wrong."""
    with reported():
        text = path.read_bytes()
        if text.lstrip()[:1] == b"{":
            return parse_object(text)
        try:
            found = tomllib.loads(text.decode("utf-8"))
        except (tomllib.TOMLDecodeError, RecursionError):
            raise MalformedError("no está en TOML ni en JSON (¿comillas, comas, corchetes?)") from None
        if not found:
            raise MalformedError("vacío")
        encode_object(found)  # dates and fractions have no form here: a date is text, a measure a whole number
        return found

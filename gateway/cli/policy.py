"""`paradero policy`: the rules of the network, read, explained, tried out, compared and built. Sends nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.codec import encode_object
from contracts.disclosure import Grant, Recipient, Release
from contracts.explaining import Answer, Message, explain_fields, explain_message
from contracts.ids import Code
from contracts.policy import Policy, Tightened, parse_policy
from contracts.policy.comparing import Direction, compare_policies
from contracts.policy.drafting import build_policy, policy_digest
from contracts.policy.matrix import matrix
from contracts.policy.model import MAX_POLICY_BYTES
from contracts.policy.words import Lang, word
from contracts.register import Role
from gateway.cli.context import now
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, err, fail, out, print_json, print_table, reported
from gateway.cli.policy_display import show_flow, show_policy, show_rule, tell_changes, tell_explanation, word_of_record
from gateway.main.policies import (
    NOBODY,
    judge_expectations,
    read_expectations,
    records_of,
    sample_record,
    simulate,
)
from gateway.main.policy_files import read_overlay, read_policy
from keys.keystore import write_durably

app = typer.Typer(no_args_is_help=True, help="La política: quién puede enviar qué a quién. The policy.")

PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", "-p", help="Política (.json) o su fuente (.toml); si no, la plantilla. A policy or its source."),
]
OfNode = Annotated[bool, typer.Option("--node", help="La política vigente del nodo en marcha. The running node's policy.")]
Language = Annotated[str, typer.Option("--lang", help="Idioma: es o en. Language: es or en.")]
OverlayFile = Annotated[
    Path | None, typer.Option("--overlay", help="Restricciones propias del nodo (.toml). The node's own restrictions.")
]
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="Consentimiento (c1…); se puede repetir. A consent.")]
Duty = Annotated[bool, typer.Option("--duty", help="Hay un deber legal. A legal duty applies.")]
Approvals = Annotated[int, typer.Option("--approvals", min=0, max=3, help="Personas que autorizan. People who approve.")]
MinorOption = Annotated[str, typer.Option("--minor", help="¿Menor de edad? (yes, no o possible). A minor?")]
Purpose = Annotated[str | None, typer.Option("--purpose", help="Finalidad. Purpose.")]


@app.callback()
def _group() -> None:
    """La política: quién puede enviar qué a quién."""


@app.command()
def show(
    entry: Annotated[str | None, typer.Argument(help="Una sola regla o flujo. One rule or flow.")] = None,
    policy: PolicyFile = None,
    node: OfNode = False,
    config: Config = None,
    lang: Language = "es",
    as_json: AsJson = False,
) -> None:
    """Muestra la política en palabras; con un identificador, esa sola regla. Show the policy in words."""
    language, (found, digest) = _lang(lang), _policy(policy, node, config)
    if entry is not None:
        _show_entry(found, entry, language, as_json=as_json)
    elif as_json:
        print_json({"digest": digest, "unverified": [b.id for b in found.unverified()], "policy": _plain(found)})
    else:
        show_policy(found, digest, language)


@app.command("matrix")
def matrix_(
    record: Annotated[str, typer.Option("--record", help="Tipo de registro. Record type.")] = "missing-person",
    kind: Annotated[str | None, typer.Option("--kind", help="Sólo en este mensaje. In this message type alone.")] = None,
    purpose: Purpose = None,
    role: Annotated[list[str] | None, typer.Option("--role", help="Sólo este rol; se puede repetir. This role alone.")] = None,
    policy: PolicyFile = None,
    node: OfNode = False,
    config: Config = None,
    lang: Language = "es",
    as_json: AsJson = False,
) -> None:
    """Tabla de campos por rol: lo más preciso que puede salir, y qué hace falta. Fields by role."""
    language, (found, _) = _lang(lang), _policy(policy, node, config)
    _known_record(found, record)
    rows = matrix(found, record, language, kind=kind, purpose=purpose)
    roles = [_role(name) for name in role] if role else [r for r in Role if any(r.value in row.cells for row in rows)]
    if as_json:
        kept = {r.value for r in roles}
        print_json(
            {
                "record": record,
                "rows": [
                    {"field": row.field, "class": row.sensitivity, "cells": {r: c for r, c in row.cells.items() if r in kept}}
                    for row in rows
                ],
            }
        )
        return
    # A terminal is narrower than twenty roles: some at a time, each table whole.
    across = 5 if out.is_terminal else len(roles)
    for start in range(0, max(len(roles), 1), max(across, 1)):
        some = roles[start : start + across]
        columns = {"label": ("CAMPO", "FIELD")[language == "en"], "class": ("CLASE", "CLASS")[language == "en"]}
        columns |= {r.value: word("role", r.value, language) for r in some}
        told = [
            {"label": row.label, "class": row.sensitivity, **{r.value: row.cells.get(r.value, "·") for r in some}}
            for row in rows
        ]
        print_table(word_of_record(found, record, language), columns, told)


@app.command()
def explain(
    kind: Annotated[str, typer.Argument(help="Tipo de mensaje, por ejemplo search.request. A message type.")],
    to: Annotated[str, typer.Option("--to", help="Rol de quien recibe. The recipient's role.")],
    purpose: Annotated[str, typer.Option("--purpose", help="Finalidad. Purpose.")],
    sender: Annotated[str | None, typer.Option("--from", help="Rol de quien envía. The sender's role.")] = None,
    basis: Annotated[str | None, typer.Option("--basis", help="Base legal. Legal basis.")] = None,
    record: Annotated[str | None, typer.Option("--record", help="Tipo de registro. Record type.")] = None,
    field: Annotated[list[str] | None, typer.Option("--field", help="Campo; se puede repetir. A field.")] = None,
    scope: Scopes = None,
    duty: Duty = False,
    approvals: Approvals = 1,
    minor: MinorOption = "possible",
    asked: Annotated[
        list[str] | None, typer.Option("--asked", help="Campo que se preguntó; se puede repetir. Asked for.")
    ] = None,
    overlay: OverlayFile = None,
    policy: PolicyFile = None,
    node: OfNode = False,
    config: Config = None,
    lang: Language = "es",
    as_json: AsJson = False,
) -> None:
    """Dice si algo puede salir, qué regla lo decide, y cuáles no. Say whether something may leave, and which rule decides.

    Con --from y --basis, sobre el mensaje; con --record, sobre sus campos.
    """
    language, (found, _) = _lang(lang), _policy(policy, node, config)
    with reported():
        applied = Tightened(found, read_overlay(overlay, found)[0]) if overlay else found
    answers: dict[str, Any] = {}
    denied = False
    if sender is not None and basis is not None:
        question = Message(kind, _role(sender), _role(to), _code(purpose), _code(basis))
        told = explain_message(applied, question, language)
        denied = told.answer is not Answer.PERMITTED
        answers["message"] = {
            "answer": told.answer.value,
            "rule": told.rule,
            "text": told.text,
            "considered": [{"rule": item.rule, "fits": item.fits, "why": item.why} for item in told.considered],
        }
    if record is not None:
        _known_record(found, record, field or ())
        grant = Grant(frozenset(map(_code, scope or ())), duty, approvals, _minor(minor))
        release = Release(Recipient(NOBODY, _role(to)), kind, _code(purpose), grant, applied, asked)
        fields = explain_fields(release, record, language, field or ())
        denied = denied or all(item.form is None for item in fields)
        answers["fields"] = [{**item.as_dict(), "label": item.label} for item in fields]
    if not answers:
        raise typer.BadParameter("hace falta --from y --basis (el mensaje), o --record (los campos)")
    print_json(answers) if as_json else tell_explanation(answers, language)
    if denied:
        raise typer.Exit(ExitCode.DENIED)


@app.command("test")
def try_table(
    table: Annotated[Path, typer.Argument(help="Tabla de expectativas (.toml o .json). A table of expectations.")],
    policy: PolicyFile = None,
    node: OfNode = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Comprueba que la política responde lo que se acordó, pregunta por pregunta. Test the policy against a table."""
    found, _ = _policy(policy, node, config)
    with reported():
        judged = judge_expectations(found, read_expectations(table))
    wrong = [item for item in judged if not item.held]
    if as_json:
        print_json({"total": len(judged), "failed": len(wrong), "results": [item.as_dict() for item in judged]})
    else:
        columns = {"number": "N.º", "question": "PREGUNTA", "expected": "SE ACORDÓ", "found": "LA POLÍTICA DICE"}
        columns["because"] = "POR QUÉ"
        if wrong:
            print_table("No se cumple", columns, [item.as_dict() for item in wrong])
        out.print(f"{'✗' if wrong else '✓'} {len(judged) - len(wrong)} de {len(judged)} se cumplen.", markup=False)
    if wrong:
        raise typer.Exit(ExitCode.PROBLEMS)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="Política anterior (.json o .toml). The older policy.")],
    new: Annotated[Path, typer.Argument(help="Política nueva. The newer policy.")],
    fail_if_wider: Annotated[
        bool, typer.Option("--fail-if-wider", help="Termina con 10 si algo se amplía. Exit 10 if anything becomes wider.")
    ] = False,
    lang: Language = "es",
    as_json: AsJson = False,
) -> None:
    """Dice en palabras qué se amplía y qué se restringe entre dos políticas. Say what becomes wider and what narrower."""
    language = _lang(lang)
    with reported():
        before, after = parse_policy(read_policy(old)), parse_policy(read_policy(new))
    changes = compare_policies(before, after, language)
    if as_json:
        print_json({"old": before.version, "new": after.version, "changes": [change.as_dict() for change in changes]})
    else:
        tell_changes(changes, language)
    if fail_if_wider and any(change.direction is Direction.WIDER for change in changes):
        raise typer.Exit(ExitCode.PROBLEMS)


@app.command("simulate")
def simulate_(
    source: Annotated[Path | None, typer.Argument(help="Archivo CSV o XLSX. A CSV or XLSX file.")] = None,
    mapping: Annotated[Path | None, typer.Option("--mapping", "-m", help="Archivo de mapeo (.toml). A mapping file.")] = None,
    row: Annotated[int, typer.Option(min=0, help="Fila; 0, la primera que da un registro. A row.")] = 0,
    record: Annotated[
        str, typer.Option("--record", help="Sin archivo: registro inventado de este tipo. An invented record of this type.")
    ] = "missing-person",
    to: Annotated[list[str] | None, typer.Option("--to", help="Sólo para este rol; se puede repetir. For this role.")] = None,
    scope: Scopes = None,
    duty: Duty = False,
    approvals: Approvals = 1,
    minor: MinorOption = "no",
    overlay: OverlayFile = None,
    policy: PolicyFile = None,
    lang: Language = "es",
    as_json: AsJson = False,
) -> None:
    """Muestra qué saldría de un registro hacia cada rol, con la misma función que envía. Nada se envía. Sends nothing."""
    language, (found, _) = _lang(lang), _policy(policy, False, None)
    if (mapping is None) != (source is None):
        raise typer.BadParameter("el archivo y su mapeo van juntos", param_hint="--mapping")
    with reported():
        applied = Tightened(found, read_overlay(overlay, found)[0]) if overlay else found
        records = records_of(mapping, source, row, now()) if mapping and source else (sample_record(found, record),)
    grant = Grant(frozenset(map(_code, scope or ())), duty, approvals, _minor(minor))
    told = simulate(records, applied, grant, language, [_role(name) for name in to] if to else tuple(Role))
    if as_json:
        print_json({"records": [item.as_dict() for item in told], "sent": 0})
        return
    for item in told:
        what = word_of_record(found, item.record, language)
        out.print(f"\n{word('role', item.role, language)} · {what} · {item.rule} · {item.kind}", markup=False)
        if item.leaves:
            rows = [{"field": name, "leaves": value} for name, value in item.leaves.items()]
            print_table("", {"field": "CAMPO", "leaves": "LO QUE SALE"}, rows)
        out.print(f"  {len(item.leaves)} campos salen, {item.stays} se quedan.", markup=False)
    out.print("\nEsto no envía nada.", markup=False)


@app.command()
def build(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Fuente de la política (.toml). Its source.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Archivo que se escribe. The file to write.")] = Path(
        "policy.json"
    ),
    as_json: AsJson = False,
) -> None:
    """Hace de la fuente legible el policy.json que se firma. Build the policy.json that is signed."""
    with reported():
        data = build_policy(source.read_text(encoding="utf-8"))
        write_durably(output, data)
    found = parse_policy(data)
    if as_json:
        print_json({"file": str(output), "bytes": len(data), "digest": policy_digest(data), "version": found.version})
        return
    out.print(f"✓ {output} ({len(data)} bytes de {MAX_POLICY_BYTES}). Versión {found.version}.", markup=False)
    out.print(f"  SHA-256 {policy_digest(data)}", markup=False)
    out.print("  Siguiente: paradero federation propose-policy", markup=False)


@app.command("check-overlay")
def check_overlay_(
    overlay: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Restricciones propias (.toml). The node's own restrictions.")
    ],
    policy: PolicyFile = None,
    node: OfNode = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Comprueba que las restricciones propias de un nodo sólo quitan. Check that a node's overlay only takes away."""
    found, _ = _policy(policy, node, config)
    with reported():
        read, idle = read_overlay(overlay, found)
    if as_json:
        print_json({"entries": len(read.stricter), "idle": list(idle)})
    else:
        out.print(f"✓ {len(read.stricter)} restricciones, ninguna más laxa que la política {found.version}.", markup=False)
        for name in idle:
            err.print(f"! {name} no alcanza nada de esta política: ¿está bien escrita?", markup=False)
    if idle:
        raise typer.Exit(ExitCode.PARTIAL)


# -- what the commands share -----------------------------------------------------------------------------------------------


def _policy(path: Path | None, node: bool, config: Path | None) -> tuple[Policy, str]:
    """Return a policy and the SHA-256 of the file it stands in; of the running node's, the register's file."""
    if path is not None and node:
        raise typer.BadParameter("--policy o --node, no los dos")
    with reported():
        if node:
            answer = LocalNode.from_option(config).get("/api/v1/policy")
            return parse_policy(encode_object(answer["policy"], limit=MAX_POLICY_BYTES)), str(answer.get("digest") or "—")
        data = read_policy(path)
        return parse_policy(data), policy_digest(data)


def _lang(text: str) -> Lang:
    if text == "en":
        return "en"
    if text != "es":
        raise typer.BadParameter("es o en", param_hint="--lang")
    return "es"


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise typer.BadParameter(f"no hay un rol {text}; los hay: {', '.join(role.value for role in Role)}") from None


def _code(text: str) -> Code:
    try:
        return Code(text)
    except ValueError:
        raise typer.BadParameter(f"{text} no es un código") from None


def _minor(text: str) -> Any:
    if text not in ("yes", "no", "possible"):
        raise typer.BadParameter("yes, no o possible", param_hint="--minor")
    return text


def _known_record(policy: Policy, record: str, names: Sequence[str] = ()) -> None:
    known = policy.fields_of(record)
    if not known:
        types = ", ".join(found.id for found in policy.record_types())
        fail(ExitCode.NOT_FOUND, f"No hay un tipo de registro {record}.", advice=f"Los hay: {types}")
    for name in names:
        if name not in known:
            fail(ExitCode.NOT_FOUND, f"{record} no tiene un campo {name}.", advice=f"Los tiene: {', '.join(known)}")


def _plain(policy: Policy) -> dict[str, Any]:
    return policy.model_dump(mode="json", by_alias=True, exclude_none=True)


def _show_entry(policy: Policy, name: str, lang: Lang, *, as_json: bool) -> None:
    entries = (*policy.flows, *policy.rules, *policy.forbids, *policy.nevers, *policy.second_person, *policy.searches)
    entry = next((entry for entry in (*entries, *policy.bases, *policy.scopes, *policy.purposes) if entry.id == name), None)
    if entry is None:
        fail(ExitCode.NOT_FOUND, f"La política no tiene nada que se llame {name}.", advice="Véalas con `paradero policy show`.")
    flow, rule = policy.flow(name), next((rule for rule in policy.rules if rule.id == name), None)
    if as_json:
        print_json(entry.model_dump(mode="json", by_alias=True, exclude_none=True))
    elif flow is not None:
        show_flow(policy, flow, lang)
    elif rule is not None:
        show_rule(policy, rule, lang)
    else:
        told = entry.model_dump(mode="json", by_alias=True, exclude_none=True)
        rows = [{"name": key, "value": ", ".join(v) if isinstance(v, list) else v} for key, v in told.items()]
        print_table("", {"name": "", "value": ""}, rows)

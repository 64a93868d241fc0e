"""How `paradero policy` shows what it found, to people."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from contracts.explaining import ANSWERS, Answer
from contracts.policy import Basis, BlindSearch, Counting, Flow, Policy, Rule
from contracts.policy.comparing import Change, Direction
from contracts.policy.words import Labelled, Lang, need_in_words, say, word, words
from gateway.cli.output import out, print_table

_MARKS = {Direction.WIDER: "▲", Direction.NARROWER: "▼", Direction.OTHER: "•"}
_DIRECTIONS = {
    Direction.WIDER: ("SE AMPLÍA", "BECOMES WIDER"),
    Direction.NARROWER: ("SE RESTRINGE", "BECOMES NARROWER"),
    Direction.OTHER: ("CAMBIA", "CHANGES"),
}


def word_of_record(policy: Policy, record: str, lang: Lang) -> str:
    """Return how people call a record type."""
    found = policy.record_of(record)
    return found.label(lang) if found else record


def show_policy(policy: Policy, digest: str, lang: Lang) -> None:
    """Print a whole policy: what it is, who may send what, which fields leave by which rule, and on which law."""
    es = lang == "es"
    since = datetime.fromtimestamp(policy.since, UTC).date().isoformat()
    out.print(f"{policy.title}", markup=False)
    head = f"Versión {policy.version}, desde {since}" if es else f"Version {policy.version}, since {since}"
    out.print(f"{head} · SHA-256 {digest}\n", markup=False)
    columns = {"id": "FLUJO" if es else "FLOW", "what": "QUÉ" if es else "WHAT", "terms": "PLAZOS" if es else "TERMS"}
    told = [
        {"id": flow.id, "what": say(flow, lang) or words("kind", flow.kinds, lang), "terms": _terms(flow, lang)}
        for flow in policy.flows
    ]
    print_table("Quién puede enviar qué" if es else "Who may send what", columns, told)
    columns = {"id": "REGLA" if es else "RULE", "record": "REGISTRO" if es else "RECORD", "what": columns["what"]}
    print_table(
        "\nQué campos salen" if es else "\nWhich fields leave",
        columns,
        [
            {"id": rule.id, "record": word_of_record(policy, rule.record, lang), "what": say(rule, lang)}
            for rule in policy.rules
        ],
    )
    _show_bans(policy, lang)
    _show_norms(policy.bases, lang)


def _show_bans(policy: Policy, lang: Lang) -> None:
    es = lang == "es"
    bans: Sequence[Any] = (*policy.forbids, *policy.nevers)
    columns = {"id": "PROHIBICIÓN" if es else "PROHIBITION", "what": "QUÉ" if es else "WHAT"}
    print_table("\nLo que nunca sale" if es else "\nWhat never leaves", columns, [_named(entry, lang) for entry in bans])
    columns = {"id": "ID", "what": "CUÁNDO" if es else "WHEN"}
    print_table("\nDos personas" if es else "\nTwo people", columns, [_named(entry, lang) for entry in policy.second_person])
    columns = {"id": "ID", "what": "QUÉ" if es else "WHAT", "quota": "CUOTA" if es else "QUOTA"}
    rows = [{**_named(entry, lang), "quota": _quota(entry, lang)} for entry in policy.searches]
    print_table("\nBúsqueda ciega" if es else "\nBlind search", columns, rows)


def _show_norms(bases: Sequence[Basis], lang: Lang) -> None:
    es = lang == "es"
    columns = {"mark": "", "id": "BASE LEGAL" if es else "LEGAL BASIS", "what": "TEXTO" if es else "TEXT"}
    rows = [{"mark": "✓" if basis.verified else "!", "id": basis.id, "what": say(basis, lang)} for basis in bases]
    print_table("\nPaquete de normas" if es else "\nNorm pack", columns, rows)
    open_ = sum(1 for basis in bases if not basis.verified)
    if open_:
        told = f"! {open_} textos legales sin verificar: nadie ha firmado que digan eso."
        out.print(told if es else f"! {open_} legal texts not verified: nobody has signed that they say so.", markup=False)


def show_flow(policy: Policy, flow: Flow, lang: Lang) -> None:
    """Print one flow in full."""
    es = lang == "es"
    verified = {basis.id: basis.verified for basis in policy.bases}
    bases = ", ".join(
        basis if verified[basis] else f"{basis} ({'sin verificar' if es else 'not verified'})" for basis in flow.bases
    )
    rows = (
        ("Mensajes" if es else "Messages", ", ".join(f"{word('kind', kind, lang)} ({kind})" for kind in flow.kinds)),
        ("De" if es else "From", words("role", flow.senders, lang)),
        ("A" if es else "To", words("role", flow.recipients, lang)),
        ("Finalidad" if es else "Purpose", ", ".join(flow.purposes)),
        ("Base legal" if es else "Legal basis", bases),
        ("Plazos" if es else "Terms", _terms(flow, lang) or "—"),
    )
    _show_facts(f"{flow.id}: {say(flow, lang)}", rows)


def show_rule(policy: Policy, rule: Rule, lang: Lang) -> None:
    """Print one rule in full: each field, its form and what it needs."""
    es = lang == "es"
    rows = (
        ("Mensajes" if es else "Messages", ", ".join(f"{word('kind', kind, lang)} ({kind})" for kind in rule.kinds)),
        ("A" if es else "To", words("role", rule.recipients, lang)),
        ("Finalidad" if es else "Purpose", ", ".join(rule.purposes)),
        ("Se dice del dato" if es else "Said about a value", words("about", rule.about, lang) or "—"),
    )
    _show_facts(f"{rule.id}: {say(rule, lang)} ({word_of_record(policy, rule.record, lang)})", rows)
    known = policy.fields_of(rule.record)
    fields = [
        {
            "field": known[name].label(lang),
            "class": f"S{known[name].sensitivity.value}",
            "form": word("form", form.value, lang),
            "need": need_in_words(rule.need_of(name), lang) or "—",
        }
        for name, form in rule.fields.items()
    ]
    columns = {"field": "CAMPO", "class": "CLASE", "form": "CÓMO SALE", "need": "QUÉ HACE FALTA"}
    if not es:
        columns = {"field": "FIELD", "class": "CLASS", "form": "HOW IT LEAVES", "need": "WHAT IT TAKES"}
    print_table("", columns, fields)


def _show_facts(title: str, rows: Sequence[tuple[str, str]]) -> None:
    out.print(title, markup=False)
    print_table("", {"name": "", "value": ""}, [{"name": name, "value": value} for name, value in rows])


def tell_explanation(answers: dict[str, Any], lang: Lang) -> None:
    """Print a decision: the answer, the rule that made it, and the rules that did not fit."""
    es = lang == "es"
    if "message" in answers:
        told = answers["message"]
        answer = ANSWERS[Answer(told["answer"])][not es]
        mark = "✓" if told["answer"] == Answer.PERMITTED.value else "✗"
        out.print(f"{mark} {'Mensaje' if es else 'Message'}: {answer} · {told['rule']} · {told['text']}", markup=False)
        others = [item for item in told["considered"] if item["rule"] != told["rule"]]
        columns = {"rule": "REGLA" if es else "RULE", "why": "POR QUÉ NO" if es else "WHY NOT"}
        if others:
            print_table("Lo que no decidió" if es else "What did not decide", columns, others)
    if "fields" in answers:
        columns = {"label": "CAMPO", "told": "RESPUESTA", "text": "CÓMO, O POR QUÉ NO", "rule": "REGLA"}
        if not es:
            columns = {"label": "FIELD", "told": "ANSWER", "text": "HOW, OR WHY NOT", "rule": "RULE"}
        rows = [{**item, "told": ANSWERS[Answer(item["answer"])][not es]} for item in answers["fields"]]
        print_table("", columns, rows)


def tell_changes(changes: Sequence[Change], lang: Lang) -> None:
    """Print a comparison, wider changes first."""
    es = lang == "es"
    if not changes:
        out.print("Nada cambia." if es else "Nothing changes.", markup=False)
        return
    for direction in Direction:
        some = [change for change in changes if change.direction is direction]
        if some:
            out.print(f"\n{_DIRECTIONS[direction][not es]} ({len(some)})", markup=False)
        for change in some:
            out.print(f"  {_MARKS[direction]} {change.text}", markup=False)


_COUNTING = {
    Counting.OPENING: ("hasta que abra la oficina", "until the office opens"),
    Counting.ELAPSED: ("horas corridas", "elapsed hours"),
    Counting.WORKING: ("horas hábiles", "working hours"),
}


def _terms(flow: Flow, lang: Lang) -> str:
    es = lang == "es"
    told = []
    if flow.deadline_hours is not None:
        hours = [h for h in (flow.deadline_hours, flow.urgent_hours, flow.life_hours) if h is not None]
        told.append(("respuesta " if es else "answer ") + "/".join(str(h) for h in hours) + " h")
    if flow.escalate_hours is not None:
        told.append(f"{'aviso a' if es else 'escalates at'} {flow.escalate_hours} h")
    if flow.counts is not None:
        told.append(_COUNTING[flow.counts][not es])
    if flow.retain_days is not None:
        told.append(f"{'se guarda' if es else 'kept'} {flow.retain_days} d")
    if flow.approvals is not None:
        told.append(f"{flow.approvals} {'personas' if es else 'people'}")
    return ", ".join(told)


def _quota(entry: BlindSearch, lang: Lang) -> str:
    es = lang == "es"
    cases = f"{entry.cases_per_day} {'casos al día' if es else 'cases a day'}"
    return (
        f"{cases}, {entry.evaluations_per_case} {'evaluaciones por caso' if es else 'evaluations a case'}, {entry.epoch_days} d"
    )


def _named(entry: Labelled, lang: Lang) -> dict[str, str]:
    return {"id": str(getattr(entry, "id", "")), "what": say(entry, lang)}

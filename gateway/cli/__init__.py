"""The `paradero` command. Verbs on cases, people and policy speak to the running node; the others work on files alone."""

from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli import (
    attachments,
    audit,
    backup,
    cases,
    consents,
    database,
    demo,
    duties,
    erasure,
    evidence,
    federation,
    findings,
    holds,
    inbox,
    keys,
    node,
    offices,
    outbox,
    people,
    policy,
    referrals,
    reports,
    requests,
    schema,
    stats,
    webhooks,
)
from gateway.cli.output import ExitCode, out

app = typer.Typer(
    name="paradero",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Intercambio de mensajes de casos entre instituciones, firmados, sellados y con constancia.",
)
app.add_typer(demo.app, name="demo")
app.command()(node.init)
app.command()(node.serve)
app.command()(node.status)
app.command()(node.doctor)
app.command()(people.login)
app.command()(people.logout)
app.command()(people.whoami)
app.add_typer(people.app, name="user")
app.add_typer(offices.app, name="office")
app.add_typer(federation.app, name="federation")
app.add_typer(keys.app, name="keys")
app.add_typer(reports.report, name="report")
app.add_typer(reports.adapter, name="adapter")
app.add_typer(requests.app, name="request")
app.command("preview")(requests.preview)
app.add_typer(holds.app, name="hold")
app.command("approve")(holds.approve)
app.add_typer(inbox.app, name="inbox")
app.add_typer(referrals.app, name="referral")
app.add_typer(findings.app, name="finding")
app.add_typer(attachments.app, name="attachment")
app.add_typer(outbox.app, name="outbox")
app.add_typer(cases.app, name="case")
app.add_typer(duties.app, name="duty")
app.add_typer(consents.app, name="consent")
app.add_typer(erasure.app, name="erasure")
app.add_typer(audit.app, name="audit")
app.add_typer(evidence.app, name="evidence")
app.command("stats")(stats.stats)
app.command("verify")(evidence.verify)
app.add_typer(policy.app, name="policy")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(schema.app, name="schema")
app.add_typer(database.app, name="db")
app.add_typer(backup.app, name="backup")


def _version(asked: bool) -> None:
    if asked:
        out.print(f"paradero {version('paradero')}", markup=False)
        raise typer.Exit


@app.callback()
def _paradero(
    _show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Dice la versión. Print the version.")
    ] = False,
) -> None:
    """Intercambio de mensajes de casos entre instituciones, firmados, sellados y con constancia."""


def run() -> int:
    """Run the command line; return its exit code. `gateway.__main__` sees to what no command foresaw."""
    try:
        app()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            return ExitCode.NOBODY_READS
        return ended.code if isinstance(ended.code, int) else ExitCode.DONE
    return ExitCode.DONE

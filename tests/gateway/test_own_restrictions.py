"""A node with an overlay: what it sends is less, what the recipient takes is valid; without a readable one it does not start."""

from contextlib import AsyncExitStack

import pytest

from contracts.codec import decode_message
from contracts.disclosure import Grant
from contracts.errors import ConfigurationError, NotPermittedError
from contracts.ids import Code, NodeId
from contracts.messages import ExpertConclusion, ExpertConclusionBody, Note, NoteBody
from contracts.register import Role
from gateway.exchange.submit import Draft, preview, sign_draft, submit
from gateway.main.policy_files import node_overlay
from tests.contracts.test_policy_disclosure import POLICY
from tests.gateway.test_exchange import row, send
from tests.simulator.federation import MEMBERS, open_simulated, simulated_federation

STRICT = """
title = "Acuerdo interno de la oficina ficticia"

[[stricter]]
id = "own:narrative"
es = "El relato no sale de esta oficina"
record = "missing-person"
withhold = ["narrative"]

[[stricter]]
id = "own:date"
es = "Del último contacto, sólo el mes"
record = "missing-person"
coarsen = { last_contact_date = "month" }
"""
NOTES = '\n[[stricter]]\nid = "own:notes"\nes = "Esta oficina no manda notas"\nkinds = ["note"]\ndeny = true\n'


async def restarted(federation, name, text):
    path = federation.home / "overlay.toml"
    path.write_text(text)
    config = federation.nodes[name].config.model_copy(update={"overlay": path})
    federation.nodes[name] = await federation.stack.enter_async_context(open_simulated(config, federation))
    return federation.nodes[name].capabilities


async def claims_of(federation, peer):
    opener = federation.nodes[peer].capabilities.opener
    for to, envelope in federation.network.carried:
        if str(to) == peer:
            message = decode_message(opener.verify(opener.open(envelope).jws).payload)
            if message.type == "report.transfer":
                records = [
                    opener.verify_record(item.sd_jwt, sender=message.sender, at=federation.clock.now())
                    for item in message.records
                ]
                return message, {record.record_type: record.claims for record in records}
    raise AssertionError("no report arrived")


async def test_what_the_overlay_withholds_and_coarsens_does_not_leave(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.conamigua", "gt.pgn") as federation:
        await restarted(federation, "gt.conamigua", STRICT)
        [result] = await send(federation, row())
        assert result.outcome == "imported"
        await federation.settle()
        message, claims = await claims_of(federation, "gt.igm.mbmid")
        person = claims["missing-person"]
        assert "narrative" not in person
        assert person["last_contact_date"] == {"date": "2026-10", "precision": "month"}
        assert message.use.retain_until - message.issued_at == 3650 * 86_400


async def test_a_childs_alert_is_not_narrowed(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.conamigua", "gt.pgn") as federation:
        await restarted(federation, "gt.conamigua", STRICT.replace('["narrative"]', '["given_names", "narrative"]'))
        [result] = await send(federation, row(age=(14, 16)))
        assert result.kinds == ("report.transfer", "duty.notice")
        opener = federation.nodes["gt.pgn"].capabilities.opener
        await federation.settle()
        [envelope] = [envelope for to, envelope in federation.network.carried if str(to) == "gt.pgn"]
        notice = decode_message(opener.verify(opener.open(envelope).jws).payload)
        assert "given_names" in {entry.field for entry in notice.records[0].disclosed}


def note(node):
    return Draft(
        kind=Note,
        to=NodeId("gt.igm.mbmid"),
        body=NoteBody(text="una nota de prueba", language="es"),
        purpose=Code("locate-missing"),
        basis=Code("gt:codigo-migracion:198-207"),
        actor=node.pseudonyms.actor("officer"),
        thread_id=node.new_thread_id(node.clock.now()),
        case_key="x",
    )


async def test_a_message_the_node_does_not_send_is_refused_and_nothing_is_stored(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.conamigua") as federation:
        free = federation.nodes["gt.conamigua"].capabilities
        assert sign_draft(note(free), free, free.clock.now()).message.type == "note"
        node = await restarted(federation, "gt.conamigua", STRICT + NOTES)
        with pytest.raises(NotPermittedError, match="own:notes"):
            await submit([note(node)], node)
        with pytest.raises(NotPermittedError, match="own:notes"):
            preview(note(node), node)


async def test_what_takes_two_people_does_not_leave_with_one(tmp_path, monkeypatch):
    monkeypatch.setitem(MEMBERS, "gt.inacif", Role.FORENSIC)
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.inacif") as federation:
        node = federation.nodes["gt.inacif"].capabilities
        now = node.clock.now()

        def opinion(approvals):
            return Draft(
                kind=ExpertConclusion,
                to=NodeId("gt.igm.mbmid"),
                body=ExpertConclusionBody(
                    conclusion="compatible",
                    method=Code("dna"),
                    laboratory=Code("laboratorio-ficticio"),
                    opinion="D-1",
                    concluded_at=int(now.timestamp()),
                ),
                purpose=Code("identify-remains"),
                basis=Code("gt:codigo-migracion:198-207"),
                actor=node.pseudonyms.actor("expert"),
                thread_id=node.new_thread_id(now),
                case_key="x",
                grant=Grant(frozenset(), duty=False, approvals=approvals),
            )

        with pytest.raises(NotPermittedError, match="another person must approve"):
            sign_draft(opinion(1), node, now)
        assert sign_draft(opinion(2), node, now).message.type == "expert.conclusion"


@pytest.mark.parametrize(
    "text",
    [
        "stricter = 1",
        STRICT.replace("own:", "mine:"),
        STRICT.replace('"month"', '"exact"').replace(
            'record = "missing-person"\ncoarsen',
            'record = "missing-person"\nkinds = ["search.request"]\nrecipients = ["health"]\ncoarsen',
        ),
        None,
    ],
)
async def test_a_node_that_cannot_hold_to_its_own_restrictions_does_not_start(tmp_path, text):
    path = tmp_path / "overlay.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError):
        node_overlay(path, POLICY)
    async with simulated_federation(tmp_path / "f", "gt.conamigua") as federation, AsyncExitStack() as stack:
        config = federation.nodes["gt.conamigua"].config.model_copy(update={"overlay": path})
        with pytest.raises(ConfigurationError):
            await stack.enter_async_context(open_simulated(config, federation))

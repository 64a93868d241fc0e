"""E4, a foreign migrant missing in Guatemala: his own country must not hear of it, and migration control learns nothing."""

import pytest

from contracts import walls as walls_module
from contracts.errors import EnvelopeError
from contracts.fields import Form
from keys.jose import decrypt_jwe
from keys.keystore import load_node_keys
from keys.sealing import ENVELOPE_TYP, MESSAGE_TYP
from tests.gateway.story import MBMID, CommandLine, desk_mapping, leaves_of, opened, sent, told_in, told_story
from tests.gateway.test_exchange import table
from tests.promises.canaries import files

CONTROL, DESK, CONSUL, OTHER, MSPAS, PNC = "gt.igm.control", "int.icrc", "ve.consulado", "co.consulado", "gt.mspas", "gt.pnc"
NAMES = (MBMID, CONTROL, DESK, CONSUL, OTHER, MSPAS, PNC)
COLUMNS = """
    { headings = ["Nacionalidad"], parser = "choice", field = "nationalities", choices = { "Venezuela" = "ve" } },
    { headings = ["Protección"], parser = "flag", field = "protection_need", choices = { "sí" = "true", "no" = "false" } },
    { headings = ["Estatus"], parser = "choice", field = "immigration_status", choices = { "irregular" = "irregular" } },
    { headings = ["Acompañantes"], parser = "items", field = "companions" },
"""
HEADINGS = (
    "Nombres,Apellidos,Edad,Sexo,Nacionalidad,Protección,Estatus,Acompañantes,Último contacto,Lugar del último contacto,"
    "Reportante,Parentesco,Teléfono,Dirección"
)
HIM = "Ficticio Zanatuk,Rojaszanatuk,34,M,Venezuela,{},irregular,Amigo Zanatukpar,2026-10-15,Esquipulas"
SISTER = "Ficticia Hermanazanatuk,Hermana,+573005550177,Bogotá Zanatukcalle"
SECRET = ("hermanazanatuk", "5550177", "zanatukcalle", "zanatukpar", "albergue zanatukrefugio")
PERSON = {
    "given_names": ["Ficticio", "Zanatuk"], "surname_1": "Rojaszanatuk", "sex": "male", "age_range": {"min": 34, "max": 34},
    "nationalities": ["ve"], "companions": [{"type": "friend", "text": "Amigo Zanatukpar"}], "protection_need": True,
    "immigration_status": "irregular", "phones": ["+573005550177"],
}  # fmt: skip


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, *NAMES) as found:
        desk_mapping(found.federation.nodes[DESK], "libro", "bogota", COLUMNS)
        yield found


async def reported(story, protection="sí"):
    """The Red Cross takes the sister's report; the folio the MBMID gives it."""
    table_ = f"{HEADINGS}\n{HIM.format(protection)},{SISTER}\n"
    [answer] = await story.reports("libro", table_, at=DESK, who="desk-clerk@bogota")
    assert answer["outcome"] == "imported", answer
    await story.federation.settle()
    [case] = [case for case in (await story.ok("GET", "cases"))["cases"] if case["kind"] == "report"]
    return case["folio"]


async def asks(story, case, to, *, values=PERSON, basis="gt:codigo-migracion:198-207", **more):
    body = {
        "to": to, "want": ["sex", "age_range"], "purpose": "locate-missing", "basis": basis, "case_ref": case,
        "records": [{"type": "missing-person", "values": values}],
    }  # fmt: skip
    return await story.call("POST", "requests", body, **more)


async def with_two(story, case, to, **more):
    """Ask as one officer, let go by another: what concerns somebody who needs protection takes two."""
    status, held = await asks(story, case, to, login="oficial.uno", **more)
    assert (status, held["state"]) == (200, "held"), held
    body = {"content": held["content"]}
    return await story.ok("POST", f"held/{held['id']}/approve", body, login="oficial.dos")


async def test_his_consulate_hears_nothing_whatever_the_family_signed(story, monkeypatch, capsys, tmp_path):
    folio = await reported(story)
    # the flag blocks at once, by itself, before any officer has looked
    barred = await story.ok("GET", f"cases/{folio}/never-to")
    assert barred == {"never_to": ["country:ve", "foreign-consulate"]}
    assert (await story.says(folio, "given", "Hermana", "c2"))[0] == 200
    hidden = {name: value for name, value in PERSON.items() if name != "protection_need"}
    for to in (CONSUL, OTHER):
        for values in (PERSON, hidden):  # also where an officer leaves the flag out of what they ask with
            status, problem = await asks(story, folio, to, values=values, basis="consent")
            assert (status, problem["type"].rpartition(":")[2]) == (403, "wall"), (to, problem)
    # a rule that was lifted by mistake leaves the wall where the flag is known
    paradero = await CommandLine(story, monkeypatch, capsys, tmp_path).sign_in()
    for _ in range(2):  # one person is one person, however often
        code, said = await paradero("case", "never-to", folio, "foreign-consulate", "--lift")
        assert (code, "Falta otra persona" in said) == (0, True), said
        assert (await story.ok("GET", f"cases/{folio}/never-to"))["never_to"] == ["country:ve", "foreign-consulate"]
    second = await story.ok("POST", f"cases/{folio}/never-to/lift", {"target": "foreign-consulate"}, login="oficial.dos")
    assert second == {"never_to": ["country:ve"]}
    status, problem = await asks(story, folio, OTHER, basis="consent")
    assert (status, "ningún consulado" in problem["title"]) == (403, True), problem
    code, said = await paradero("case", "never-to", folio, "el-vecino")
    assert code == 2, said
    # -- never: contact with the country of persecution
    assert await sent(story.node, to=CONSUL) == await sent(story.node, to=OTHER) == []
    for peer in (CONSUL, OTHER):
        assert [envelope for to, envelope in story.federation.network.carried if to == peer] == []
    said = [leaf.get("detail", "") for leaf in await leaves_of(story.node)]
    assert {"never-to.set foreign-consulate protection-need", "never-to.lifted foreign-consulate"} <= set(said)


async def test_control_without_the_flag_and_with_the_familys_consent_the_consulate_is_asked(story, monkeypatch):
    folio = await reported(story, "no")
    assert await story.ok("GET", f"cases/{folio}/never-to") == {"never_to": []}
    plain = {name: value for name, value in PERSON.items() if name != "protection_need"}
    assert (await asks(story, folio, CONSUL, values=plain, basis="consent"))[0] == 403  # only if the family agrees
    assert (await story.says(folio, "given", "Hermana", "c2"))[0] == 200
    assert (await asks(story, folio, CONSUL, values=plain, basis="consent"))[0] == 200
    await story.federation.settle()
    assert [message.type for message in await opened(story.federation.nodes[CONSUL], "%")] == ["search.request"]
    assert "rojaszanatuk" in await told_in(story, CONSUL)
    # the wall taken out, the flag would go there
    taken = tuple(wall for wall in walls_module._WALLS if wall[0] != walls_module.WALL_CONSULATE)
    monkeypatch.setattr(walls_module, "_WALLS", taken)
    assert (await with_two(story, folio, OTHER, basis="consent"))["state"] == "queued"


async def test_migration_control_can_be_asked_nothing_by_name_and_reads_nothing(story):
    folio = await reported(story)
    for to in (MSPAS, PNC):
        await with_two(story, folio, to)
    await story.federation.settle()
    # an officer's every way to tell control something is shut, and the sister's consent opens none
    await story.says(folio, "given", "Hermana", *(f"c{number}" for number in range(1, 14)))
    assert (await asks(story, folio, CONTROL))[0] == 403
    offer = {
        "to": CONTROL, "case": folio, "service": "transport", "minor": "no", "purpose": "locate-missing",
        "basis": "gt:codigo-migracion:198-207",
    }  # fmt: skip
    assert (await story.call("POST", "referrals", offer))[0] == 403
    # -- test: the credentials of control decrypt no case message of the MBMID, nor any sent to it
    config = story.federation.nodes[CONTROL].config
    keys = load_node_keys(config.node_keys, config.key_identity)
    carried = [(to, envelope) for to, envelope in story.federation.network.carried if to != CONTROL]
    assert {str(to) for to, _ in carried} >= {MBMID, DESK, MSPAS, PNC}
    for to, envelope in carried:
        with pytest.raises(EnvelopeError):
            story.federation.nodes[CONTROL].capabilities.opener.open(envelope)
        for key in keys.enc:  # not for the name on the envelope alone: the key itself does not fit
            with pytest.raises(EnvelopeError):
                decrypt_jwe(envelope.decode(), typ=ENVELOPE_TYP, cty=MESSAGE_TYP, find=lambda _kid, key=key: key)
        assert story.federation.nodes[str(to)].capabilities.opener.open(envelope)  # control: whom it is for opens it
    # -- test: what control's node keeps and tells has no data of the reporter, nor of anybody
    assert await table(story.federation.nodes[CONTROL], "SELECT count(*) FROM inbox") == [(0,)]
    assert await table(story.federation.nodes[CONTROL], "SELECT count(*) FROM cases") == [(0,)]
    for path in files(config.data):
        assert b"zanatuk" not in path.read_bytes().lower(), path
    for leaf in await leaves_of(story.federation.nodes[CONTROL]):
        assert "zanatuk" not in repr(leaf).casefold()
        assert "MBMID-" not in repr(leaf)


async def test_what_is_asked_names_no_status_no_sister_no_shelter_and_no_companion(story):
    folio = await reported(story)
    # -- never: "irregular" as a fact of the case. A column of the desk's sheet says so; it leaves that desk in no message
    [transfer] = await opened(story.node, "report.transfer")
    fields = {item.field for record in transfer.records for item in record.disclosed}
    assert {"companions", "nationalities", "protection_need"} <= fields
    assert "immigration_status" not in fields
    for to in (MSPAS, PNC):
        await with_two(story, folio, to)
    await story.federation.settle()
    # the shelter answers the MBMID, and only it
    [request] = (await story.ok("GET", "requests", at=MSPAS))["requests"]
    found = {
        "result": "match", "case_ref": "residente-7", "finder_released": True,
        "records": [{"type": "unidentified-person", "values": {
            "sex": "male", "age_range": {"min": 30, "max": 36}, "facility": "Albergue Zanatukrefugio",
        }}],
    }  # fmt: skip
    shown = await story.ok("POST", f"requests/{request['request_id']}/preview", found, at=MSPAS, login="social")
    # subject to his will, which nobody has asked him yet: whoever asks hears what they would if he were not there
    assert (shown["told"], "wall:wish-of-the-person-found" in shown["silenced_by"]) == ("no-match", True)
    await story.ok("POST", f"held/{shown['id']}/confirm", {}, at=MSPAS, login="social")
    story.federation.clock.forward(minutes=25)
    await story.federation.settle()
    assert [message.body.result.value for message in await opened(story.node, "search.response")] == ["no-match"]
    for name in (PNC, CONTROL, MSPAS, CONSUL, OTHER):
        said = await told_in(story, name)
        for canary in (*SECRET, "rojaszanatuk", "zanatuk", '"protection_need"', "'protection_need'"):
            assert canary not in said, (name, canary)
    for name in story.federation.nodes:
        assert "irregular" not in await told_in(story, name), name
    assert "irregular" not in repr(await story.ok("GET", "cases"))
    assert "hermanazanatuk" in await told_in(story, MBMID)  # control: there they are found where they may be


async def test_control_a_canary_that_gets_through_is_found(story):
    """A policy that let the police have telephone numbers would be seen by the search above."""
    folio = await reported(story)
    policy = story.node.trust.state.policy
    rules = tuple(
        rule.model_copy(update={"fields": {**rule.fields, "phones": Form.EXACT}}) if rule.id == "search-04" else rule
        for rule in policy.rules
    )
    story.decree(policy.model_copy(update={"rules": rules}))
    await with_two(story, folio, PNC)
    await story.federation.settle()
    assert "5550177" in await told_in(story, PNC)

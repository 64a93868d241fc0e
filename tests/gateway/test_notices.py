"""Notices, from their cause to whoever is told: noted with it or not at all, closed in shape, told at least once, never a person."""

from dataclasses import replace
from datetime import timedelta
from email import message_from_string
from email.policy import default as modern

import pytest
from standardwebhooks import Webhook

from contracts.errors import SchemaError, StorageError
from contracts.ids import NodeId
from contracts.messages import ReferralProgress
from contracts.notices import NoticeType, check_notice, notice_body
from contracts.walls import WALL_TWO_PERSONS
from gateway.exchange import bookkeeping, gate, receivers, telling, wishes
from gateway.exchange.deadlines import deadline_turn
from gateway.exchange.notice_ports import HookState, PostState
from gateway.exchange.noticing import look_around
from gateway.exchange.receivers import BadHookError, Hosts
from gateway.exchange.telling import RETRIES, NotTakenError, mail_due, post_due, spread
from gateway.storage.notices import SqlNotices
from gateway.storage.telling import SqlHooks
from gateway.workers.hooks import HttpHooks
from gateway.workers.mail import MailServer
from tests.gateway import test_exchange, test_referrals
from tests.gateway.peers_of_notices import receiving, taking_mail
from tests.gateway.test_exchange import CANARY, row, send, table
from tests.gateway.test_referrals import CONAMIGUA, MBMID, OFFICE
from tests.people.hired import hired_at
from tests.simulator.federation import simulated_federation

both = test_exchange.federation
sides_of = test_referrals.Sides
NOTICES = "SELECT type, folio, href FROM notices ORDER BY at_ms, type"
PLAIN = Hosts(frozenset({"127.0.0.1"}), plain=True)


@pytest.fixture
async def federation(tmp_path):
    async with simulated_federation(tmp_path, MBMID, CONAMIGUA) as found:
        yield found


@pytest.fixture
async def told(federation):
    """A node whose notices go to a receiver and a mail server on this machine."""
    async with receiving() as receiver, taking_mail() as mail:
        found = Told(federation, receiver, mail)
        yield found
        await found.hooks.close()


class Told:
    """CONAMIGUA, which is asked, and whom it tells."""

    def __init__(self, federation, receiver, mail):
        self.federation, self.receiver, self.mail = federation, receiver, mail
        self.sides = sides_of(federation)
        self.whole = federation.nodes[CONAMIGUA]
        self.node = self.whole.capabilities
        self.hooks = HttpHooks(PLAIN, lambda _: False)
        self.telling = replace(
            self.whole.operations.telling,
            send_hook=self.hooks,
            mail=MailServer("127.0.0.1", mail.port, "none", "paradero@conamigua.example"),
        )
        self.actor = self.node.pseudonyms.actor("person:admin")

    async def receiver_added(self, *types):
        hook, secret = await receivers.add_hook(
            "prueba", self.receiver.address, types, self.node, self.telling, hosts=PLAIN, actor=self.actor
        )
        return hook, secret

    async def turn(self):
        while await spread(self.node, self.telling):
            pass
        while await post_due(self.node, self.telling):
            pass
        while await mail_due(self.node, self.telling):
            pass

    async def offered(self, **changed):
        await self.sides.offer(**changed)
        await self.federation.settle()

    async def wishing(self, login, *posts, language="es"):
        """Somebody who works here and wants mail."""
        await hired_at(self.whole.people, *posts, login=login)
        [person] = [item.person for item in await self.whole.people.reader.people() if item.person.login == login]
        address = f"{login}@conamigua.example"
        await wishes.want_mail(str(person.person_id), address, language, self.node, self.telling, actor=self.actor)
        return str(person.person_id)


# -- noted with their cause -------------------------------------------------------------------------------------------


async def test_what_moves_an_exchange_is_noted_once_on_the_side_that_is_told(both):
    sides = sides_of(both)
    await sides.offer()
    await both.settle()
    [(kind, folio, href)] = await table(both.nodes[CONAMIGUA], NOTICES)
    assert kind == "referral.received"
    assert href == f"/api/v1/referrals/{sides.opening}"
    assert folio.startswith("R-")
    await sides.accept()
    await both.settle()
    await sides.update(sides.addressee)
    await sides.done()
    await both.settle()
    assert [kind for kind, *_ in await table(both.nodes[MBMID], NOTICES)] == ["referral.accepted", "referral.done"]
    assert len(await table(both.nodes[CONAMIGUA], NOTICES)) == 1
    node = both.nodes[CONAMIGUA].capabilities
    async with node.begin() as work:
        again = await work.notices.fresh(limit=10)
        await work.notices.add(again)  # found a second time, it is the same
        await work.notices.spread([item.id for item in again], now=node.clock.now())
        assert await work.notices.fresh(limit=10) == []


async def test_a_cause_without_its_notice_cannot_be_committed(federation, monkeypatch):
    sides = sides_of(federation)

    async def fails(_, found):
        if found:
            raise StorageError("planted")

    with monkeypatch.context() as planted:
        planted.setattr(SqlNotices, "add", fails)
        await sides.offer()
        with pytest.raises(StorageError):
            await federation.turn()
        states = await table(federation.nodes[CONAMIGUA], "SELECT state FROM inbox WHERE kind = 'referral.offer'")
        assert states == [("waiting",)]  # not handled: neither the work nor its notice is there
        assert await table(federation.nodes[CONAMIGUA], "SELECT * FROM work_items") == []
    federation.clock.forward(minutes=10)
    await federation.settle()
    assert [kind for kind, *_ in await table(federation.nodes[CONAMIGUA], NOTICES)] == ["referral.received"]


async def test_a_node_that_forgot_to_note_would_be_seen(federation, monkeypatch):
    """The control of the tests above."""
    monkeypatch.setattr(bookkeeping, "what_is_told", lambda *_: None)
    sides = sides_of(federation)
    await sides.offer()
    await federation.settle()
    assert await table(federation.nodes[CONAMIGUA], "SELECT count(*) FROM work_items") == [(1,)]
    assert await table(federation.nodes[CONAMIGUA], NOTICES) == []


async def test_terms_and_approvals_and_dead_letters_are_noted(federation, monkeypatch):
    sides, conamigua = sides_of(federation), federation.nodes[CONAMIGUA]

    async def no_calendar(_office):
        return None

    await sides.offer()
    await federation.settle()
    for hours in (70, 5):
        federation.clock.forward(hours=hours)
        await deadline_turn(conamigua.capabilities, no_calendar)
        await deadline_turn(conamigua.capabilities, no_calendar)
    kinds = [kind for kind, *_ in await table(conamigua, NOTICES)]
    assert kinds == ["referral.received", "referral.due_soon", "referral.overdue"]
    mine = [kind for kind, *_ in await table(federation.nodes[MBMID], NOTICES)]
    assert mine == []  # it is the other side that is late
    await sides.accept()
    await federation.settle()
    monkeypatch.setattr(gate, "walls", lambda leaving: () if leaving.approved_by else (WALL_TWO_PERSONS,))
    await sides.update(sides.addressee)
    assert (await table(conamigua, NOTICES))[-1][::2] == ("approval.waiting", "/api/v1/held")
    monkeypatch.undo()
    federation.network.down.add(NodeId(MBMID))
    await sides.update(sides.addressee, ReferralProgress.WAITING_FOR_FAMILY)
    await federation.turn()
    federation.clock.forward(minutes=20)
    await federation.turn()
    await look_around(conamigua.capabilities)
    await look_around(conamigua.capabilities)
    assert [kind for kind, *_ in await table(conamigua, NOTICES)].count("delivery.failed") == 1
    federation.network.down.clear()
    federation.clock.forward(minutes=2)
    await federation.settle()
    await look_around(conamigua.capabilities)
    await look_around(conamigua.capabilities)
    assert [kind for kind, *_ in await table(conamigua, NOTICES)].count("delivery.recovered") == 1


async def test_a_question_whose_thread_is_ordered_erased_is_told_as_withdrawn(tmp_path):
    from tests.gateway import test_recall as recall

    async with simulated_federation(tmp_path, MBMID, CONAMIGUA, recall.CNB, recall.ICRC, "gt.pgn") as federation:
        folio, case = await recall.a_case(federation)
        await recall.says(federation, folio, recall.said(recall.ConsentAct.GIVEN, "c3", "c4"))
        message = await recall.asks(federation, case)
        await federation.settle()
        await recall.says(federation, folio, recall.said(recall.ConsentAct.WITHDRAWN, "c4"))
        await federation.settle()
        told = await table(federation.nodes[recall.CNB], NOTICES)
        kinds = [kind for kind, *_ in told]
        assert kinds == ["request.received", "request.withdrawn"]
        assert told[1][2] == f"/api/v1/requests/{message.message_id}"


async def test_keys_that_lapse_soon_are_told_of_at_each_step_once(federation):
    node = federation.nodes[CONAMIGUA].capabilities
    until = node.trust().keysets[NodeId(CONAMIGUA)].expires_at
    found = []
    for days in (31, 29, 28, 2):
        federation.clock.forward(seconds=(until - timedelta(days=days) - federation.clock.now()).total_seconds())
        await look_around(node)
        found.append(await table(federation.nodes[CONAMIGUA], "SELECT count(*) FROM notices WHERE type = 'key.expiring'"))
    assert found == [[(0,)], [(1,)], [(1,)], [(2,)]]


# -- the closed shape -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Ficticia"},
        {"data": {"id": "Ficticia Caal", "href": "/api/v1/held"}},
        {"data": {"id": "S-0000-0000", "href": "/api/v1/requests/Ficticia"}},
        {"data": {"id": "S-0000-0000", "href": "/api/v1/held?nombre=Ficticia"}},
        {"data": {"id": "S-0000-0000", "href": "/api/v1/held", "name": "Ficticia"}},
        {"type": "person.found"},
        {"timestamp": "Ficticia"},
    ],
)
def test_a_body_that_says_more_is_no_notice(change):
    from contracts.codec import encode_object

    right = {
        "type": "request.received",
        "timestamp": "2026-11-26T15:00:00Z",
        "data": {"id": "S-0000-0000", "href": "/api/v1/held"},
    }
    assert check_notice(encode_object(right)).data.id == "S-0000-0000"
    with pytest.raises(SchemaError) as refused:
        check_notice(encode_object(right | change))
    assert "Ficticia" not in str(refused.value)


async def test_what_is_no_notice_does_not_leave_and_is_seen(told, monkeypatch):
    hook, _ = await told.receiver_added()
    await told.offered()

    def careless(kind, at, folio, href, due):
        return notice_body(kind, at, folio, href, due).replace(b'"data":{', b'"data":{"name":"' + CANARY.encode() + b'",')

    monkeypatch.setattr(telling, "notice_body", careless)
    await told.turn()
    assert told.receiver.taken == []
    [post] = await receivers.posts_of(hook.id, told.node)
    assert (post.state, post.reason) == (PostState.DEAD, "not-a-notice")
    # The control: without the check before sending, it would leave.
    monkeypatch.setattr(telling, "check_notice", lambda _: None)
    await receivers.replay(hook.id, None, told.node, actor=told.actor)
    await told.turn()
    assert CANARY.encode() in told.receiver.taken[0][1]


# -- to receivers -------------------------------------------------------------------------------------------------------


async def test_a_receiver_verifies_what_it_is_told_and_reads_nothing_about_anybody(told):
    _, secret = await told.receiver_added(NoticeType.REFERRAL_RECEIVED)
    await told.offered()
    await told.turn()
    [(headers, body)] = told.receiver.taken
    found = check_notice(body)
    assert (found.type, found.data.href) == (NoticeType.REFERRAL_RECEIVED, f"/api/v1/referrals/{told.sides.opening}")
    assert headers["webhook-timestamp"] == str(int(told.federation.clock.now().timestamp()))
    signed = Webhook(secret).sign(headers["webhook-id"], told.federation.clock.now(), body.decode())
    assert headers["webhook-signature"] == signed
    assert Webhook("whsec_" + "A" * 43).sign(headers["webhook-id"], told.federation.clock.now(), body.decode()) != signed


async def test_a_receiver_that_fails_is_tried_at_its_times_then_people_see_it_and_replay(told):
    hook, _ = await told.receiver_added()
    await told.offered()
    told.receiver.statuses = [500] * (len(RETRIES) + 1)
    for number, wait in enumerate(RETRIES):
        await told.turn()
        assert len(told.receiver.taken) == number + 1
        told.federation.clock.forward(seconds=wait.total_seconds() - 1)
        await told.turn()
        assert len(told.receiver.taken) == number + 1, "before its time"
        told.federation.clock.forward(seconds=1)
    await told.turn()
    [post] = await receivers.posts_of(hook.id, told.node)
    assert (post.state, post.attempts, post.status) == (PostState.DEAD, len(RETRIES) + 1, 500)
    told.federation.clock.forward(days=2)
    await told.turn()
    assert len(told.receiver.taken) == len(RETRIES) + 1
    assert await receivers.replay(hook.id, None, told.node, actor=told.actor) == 1
    await told.turn()
    [post] = await receivers.posts_of(hook.id, told.node)
    assert (post.state, post.status) == (PostState.DELIVERED, 204)
    assert len({headers["webhook-id"] for headers, _ in told.receiver.taken}) == 1
    assert len({body for _, body in told.receiver.taken}) == 1


async def test_a_receiver_that_is_down_is_knocked_at_once_a_turn_and_holds_up_no_other(told):
    hook, _ = await told.receiver_added()
    async with receiving() as other:
        await receivers.add_hook("otra", other.address, (), told.node, told.telling, hosts=PLAIN, actor=told.actor)
        for number in range(3):
            await told.offered(case=f"caso-{number}")
        told.receiver.statuses = [503]
        await told.turn()
        assert (len(told.receiver.taken), len(other.taken)) == (1, 3)
    attempts = sorted(post.attempts for post in await receivers.posts_of(hook.id, told.node))
    assert attempts == [0, 0, 1]
    told.federation.clock.forward(seconds=6)
    await told.turn()
    assert len(told.receiver.taken) == 4


async def test_one_that_says_gone_is_told_nothing_more_and_one_that_pauses_later(told):
    hook, _ = await told.receiver_added()
    await told.offered()
    told.receiver.statuses = [410]
    await told.turn()
    async with told.node.begin() as work:
        assert (await work.hooks.find(hook.id)).state is HookState.GONE
    await told.offered(case="caso-2")
    await told.turn()
    assert len(told.receiver.taken) == 1
    await receivers.set_state(hook.id, HookState.DISABLED, told.node, actor=told.actor)
    await told.offered(case="caso-3")
    await told.turn()
    assert len(told.receiver.taken) == 1
    await receivers.set_state(hook.id, HookState.ENABLED, told.node, actor=told.actor)
    await told.turn()
    assert len(told.receiver.taken) == 2


async def test_both_secrets_sign_for_a_day(told):
    hook, old = await told.receiver_added()
    new = await receivers.new_secret(hook.id, told.node, told.telling, actor=told.actor)
    await told.offered()
    await told.turn()
    told.federation.clock.forward(hours=25)
    await told.offered(case="caso-2")
    await told.turn()
    (first, _), (second, body) = told.receiver.taken
    assert len(first["webhook-signature"].split(" ")) == 2
    now = told.federation.clock.now()
    assert second["webhook-signature"] == Webhook(new).sign(second["webhook-id"], now, body.decode())
    assert Webhook(old).sign(second["webhook-id"], now, body.decode()) not in second["webhook-signature"]


async def test_a_process_that_ended_after_sending_sends_again_under_the_same_id(told, monkeypatch):
    await told.receiver_added()
    await told.offered()

    async def ends(*_):
        raise StorageError("planted")

    await spread(told.node, told.telling)
    with monkeypatch.context() as planted:
        planted.setattr(SqlHooks, "finish", ends)
        with pytest.raises(StorageError):
            await post_due(told.node, told.telling)
    await told.turn()
    assert len(told.receiver.taken) == 1, "leased"
    told.federation.clock.forward(minutes=6)
    await told.turn()
    first, second = told.receiver.taken
    assert first[0]["webhook-id"] == second[0]["webhook-id"]


# -- where they may go --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://casos.example/a", "not-https"),
        ("http://127.0.0.1/a", "not-https"),
        ("ftp://casos.example/a", "not-https"),
        ("https://otra.example/a", "host-not-listed"),
        ("https://casos.example.otra.example/a", "host-not-listed"),
        ("https://casos.example@otra.example/a", "address"),
        ("https://quien:clave@casos.example/a", "address"),
        ("https://casos.example/a#b", "address"),
        ("https://casos.example:99999/a", "address"),
        ("https://casos.example/\u00e1", "address"),
        ("https:///a", "address"),
        ("", "address"),
        ("https://casos.example/" + "a" * 500, "address"),
    ],
)
def test_an_address_is_of_a_listed_host_by_https(address, why):
    hosts = Hosts(frozenset({"casos.example"}))
    with pytest.raises(BadHookError) as refused:
        hosts.check(address)
    assert refused.value.why == why
    assert hosts.check("https://CASOS.example:8443/a?b=c") == "casos.example"


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]"]
)
async def test_a_listed_name_that_leads_into_a_private_network_is_not_connected_to(host):
    from gateway.federation.limits import address_allowed

    async with receiving() as receiver:
        address = f"https://{host}:{receiver.port}/a"
        hosts = Hosts(frozenset({host.strip("[]")}))
        looked = []
        hooks = HttpHooks(hosts, lambda text: looked.append(text) or address_allowed(text, ()))
        with pytest.raises(NotTakenError, match="address-not-allowed"):
            await hooks(address, {}, b"{}")
        assert looked
        await hooks.close()
        if host in {"localhost", "127.0.0.1"}:  # the control: it is that look, and not the TLS this receiver lacks
            open_ = HttpHooks(hosts, lambda _: True)
            with pytest.raises(NotTakenError, match="no-connection"):
                await open_(address, {}, b"{}")
            await open_.close()


async def test_no_redirect_is_followed(told):
    async with receiving() as elsewhere:
        hook, _ = await told.receiver_added()
        told.receiver.statuses, told.receiver.headers = [307], {"Location": elsewhere.address}
        await told.offered()
        await told.turn()
        assert (len(told.receiver.taken), elsewhere.taken) == (1, [])
    [post] = await receivers.posts_of(hook.id, told.node)
    assert (post.state, post.status) == (PostState.WAITING, 307)


# -- to people ----------------------------------------------------------------------------------------------------------


def read(mail):
    return message_from_string(mail, policy=modern)


async def test_a_person_is_told_in_one_mail_a_quarter_of_an_hour_and_what_is_overdue_at_once(told):
    await told.wishing("ana", f"officer@{OFFICE}")
    await told.wishing("bob", f"officer@{OFFICE}", language="en")
    await hired_at(told.whole.people, f"officer@{OFFICE}", login="nadie")  # did not ask
    await hired_at(told.whole.people, "auditor", login="audita")
    for number in range(3):
        await told.offered(case=f"caso-{number}")
    await told.turn()
    assert sorted(to for _, to, _ in told.mail.mails) == ["ana@conamigua.example", "bob@conamigua.example"]
    spanish, english = (read(next(text for _, to, text in told.mail.mails if to.startswith(who))) for who in ("ana", "bob"))
    assert spanish["Subject"] == "Paradero: Llegaron 3 asuntos nuevos."
    assert english["Subject"] == "Paradero: 3 new items arrived."
    assert spanish["Auto-Submitted"] == "auto-generated"
    text = spanish.get_content()
    assert text.count("R-") == 3
    assert "http" not in text
    await told.offered(case="caso-4")
    await told.turn()
    assert len(told.mail.mails) == 2, "too soon"
    told.federation.clock.forward(minutes=15)
    await told.turn()
    assert len(told.mail.mails) == 4

    async def no_calendar(_office):
        return None

    told.federation.clock.forward(hours=80)
    await deadline_turn(told.node, no_calendar)
    await told.turn()
    assert len(told.mail.mails) == 6
    subjects = sorted(read(text)["Subject"] for *_, text in told.mail.mails[-2:])
    assert subjects == ["Paradero: Tiene 4 asuntos vencidos.", "Paradero: You have 4 overdue items."]


async def test_an_urgent_notice_does_not_wait_for_the_quarter_of_an_hour(told):
    await told.wishing("ana", f"officer@{OFFICE}")
    await told.offered()
    await told.turn()
    from contracts.messages import Urgency

    await told.offered(case="caso-2", urgency=Urgency.LIFE_AT_RISK)
    await told.turn()
    assert len(told.mail.mails) == 2


async def test_a_mail_server_that_is_away_loses_nothing_and_one_that_refuses_is_told_to_the_person(told):
    person = await told.wishing("ana", f"officer@{OFFICE}")
    away = replace(told.telling, mail=MailServer("127.0.0.1", 1, "none", "paradero@conamigua.example"))
    await told.offered()
    await spread(told.node, away)
    await mail_due(told.node, away)
    assert (await wishes.wish_of(person, told.node)).reason == "no-mail-server"
    told.federation.clock.forward(seconds=6)
    told.mail.refuse = ["450 later"]
    await told.turn()
    assert (told.mail.mails, (await wishes.wish_of(person, told.node)).reason) == ([], "recipient-refused")
    told.federation.clock.forward(seconds=61)
    told.mail.refuse = ["550 nobody of that name"]
    await told.turn()
    assert (told.mail.mails, (await wishes.wish_of(person, told.node)).reason) == ([], "recipient-refused")
    told.federation.clock.forward(days=1)
    await told.turn()
    assert told.mail.mails == []  # for good
    await told.offered(case="caso-2")
    await told.turn()
    assert len(told.mail.mails) == 1
    assert (await wishes.wish_of(person, told.node)).reason is None


async def test_who_said_no_more_or_works_here_no_more_is_told_nothing(told, monkeypatch):
    from gateway.people.accounts import disable
    from gateway.people.sign_in import Knock, sign_in
    from tests.people.hired import ADMIN, PASSWORD, _made_quick

    person = await told.wishing("ana", f"officer@{OFFICE}")
    await told.wishing("bob", f"officer@{OFFICE}")
    await told.offered()
    await spread(told.node, told.telling)
    await wishes.no_mail(person, told.node, actor=told.actor)
    quick = _made_quick(told.whole.people)
    admin = (await sign_in(ADMIN, PASSWORD, Knock("test"), quick)).principal
    await disable("bob", admin, quick)
    await told.turn()
    await told.offered(case="caso-2")
    await told.turn()
    assert told.mail.mails == []
    assert await table(told.whole, "SELECT count(*) FROM mail_wishes") == [(0,)]


# -- never a person -----------------------------------------------------------------------------------------------------


async def test_nothing_of_a_case_or_a_person_is_in_any_notice_mail_table_or_log(told, capsys):
    _, secret = await told.receiver_added()
    await told.wishing("ana", f"officer@{OFFICE}")
    await send(told.federation, row(given=CANARY))
    await told.offered()
    await told.sides.accept()
    await told.sides.done()
    await told.federation.settle()
    await told.turn()
    rows = []
    for name in ("notices", "webhooks", "webhook_posts", "mail_wishes", "mail_queue"):
        rows += await table(told.whole, f"SELECT * FROM {name}")
    outside = [body.decode() for _, body in told.receiver.taken] + [text for *_, text in told.mail.mails]
    assert outside
    everything = "\n".join([*outside, repr(rows), *capsys.readouterr()])
    assert CANARY not in everything
    assert "Caal" not in everything
    kept = repr(rows)
    for sealed in (secret, "clave-en-la-ruta", "ana@conamigua.example"):
        assert sealed not in kept
    # The control: the same search finds what is there.
    assert "R-" in everything
    [(held,)] = await table(told.whole, "SELECT count(*) FROM webhooks")
    assert held == 1


async def test_no_address_is_left_in_the_mail_tables_of_a_node_that_did_not_seal(told, monkeypatch):
    """The control of the search above."""
    careless = replace(told.telling, seal_address=lambda _, address: address.encode())
    monkeypatch.setattr(told, "telling", careless)
    await told.wishing("ana", f"officer@{OFFICE}")
    assert "ana@conamigua.example" in repr(await table(told.whole, "SELECT * FROM mail_wishes"))

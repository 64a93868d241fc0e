"""Passkeys: adding one, coming in with one, confirming with one who one is.

A challenge is of one browser, good once, for minutes. It is used up before the answer to it is looked at, whatever that says.
"""

from contracts.codec import b64u_encode
from gateway.exchange.ports import StagedLeaf
from gateway.people.codes import begin_step, opened_step, step_holder, take_step
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, PasskeyError, StepOverError, TakenError, UnknownError
from gateway.people.factor_ports import Method, Passkey, Step, Use
from gateway.people.ids import PersonId
from gateway.people.own_factors import added, keep_step, removed, whose
from gateway.people.ports import PeopleWork, PersonState
from gateway.people.sign_in import Knock, Principal, SignedIn, lately, open_session
from keys.passkeys import (
    CHALLENGE_BYTES,
    Answer,
    answer_of,
    answered,
    creation_options,
    new_passkey,
    request_options,
    went_back,
)

MOST = 10
_NAME = 60


def handle_of(key: Passkey) -> str:
    """Return what pages call a passkey."""
    return b64u_encode(key.credential)


# -- adding and taking away ---------------------------------------------------------------------------------------------


async def begin_passkey(session: bytes, by: Principal, desk: PeopleDesk) -> None:
    """Make a challenge for a new passkey.

    Raises:
        ConfirmError: they showed who they are too long ago.
        InvalidError: they have as many as anybody needs.
    """
    lately(by, desk)
    async with desk.begin() as work:
        if len((await work.factors.held(whose(by))).passkeys) >= MOST:
            raise InvalidError("Ya tiene diez llaves de acceso.", advice="Quite antes una que no use.")
        await keep_step(Use.REGISTER, session, desk.randomness.token(CHALLENGE_BYTES), by, work, desk)


async def registering(session: bytes, by: Principal, institution: str, desk: PeopleDesk) -> str:
    """Return what the browser is asked for a new passkey, as JSON.

    Raises:
        StepOverError: nothing is asked of this session.
    """
    step = await _asked(session, Use.REGISTER, desk)
    held = await desk.reader.held(whose(by))
    return creation_options(
        desk.site,
        opened_step(step, desk),
        institution=institution,
        owner=_handle(whose(by), desk),
        login=str(by.login),
        have=[key.credential for key in held.passkeys],
    )


async def add_passkey(session: bytes, text: str, name: str, by: Principal, desk: PeopleDesk) -> None:
    """Keep a new passkey; every other session of the person ends.

    Raises:
        ConfirmError, StepOverError: too long ago; nothing was asked of this session, or it was answered.
        PasskeyError: the answer is none to what was asked.
        InvalidError: the name is none.
        TakenError: it is there already.
    """
    lately(by, desk)
    owner, now, called = whose(by), desk.clock.now(), _name(name)
    challenge = opened_step(await take_step(session, Use.REGISTER, desk), desk)
    answer = answer_of(text)
    found = None if answer is None else new_passkey(answer, challenge, desk.site)
    if found is None:
        raise PasskeyError
    async with desk.begin() as work:
        await work.persons.by_id(owner)
        kept = Passkey(found.credential, owner, found.public_key, found.counter, called, now, None)
        if not await work.factors.add_passkey(kept):
            raise TakenError("Esa llave ya está.", advice="Añada otra.")
        await added(session, "passkey", Method.PASSKEY, by, work, desk)
    desk.nudge_log()


async def drop_passkey(handle: str, by: Principal, desk: PeopleDesk) -> None:
    """Forget one of one's own passkeys.

    Raises:
        ConfirmError: they showed who they are too long ago.
        UnknownError: it is not theirs.
    """
    lately(by, desk)
    async with desk.begin() as work:
        mine = (await work.factors.held(whose(by))).passkeys
        key = next((one for one in mine if handle_of(one) == handle), None)
        if key is None or not await work.factors.drop_passkey(whose(by), key.credential):
            raise UnknownError("No tiene esa llave.", advice="Véase su cuenta.")
        await removed("passkey", by, work, desk)
    desk.nudge_log()


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > _NAME or not name.isprintable():
        raise InvalidError("Falta cómo llama a la llave.", advice=f"Hasta {_NAME} caracteres: «llavero azul».")
    return name


# -- coming in ----------------------------------------------------------------------------------------------------------


async def begin_knock(desk: PeopleDesk) -> str:
    """Make a challenge for whoever is at the door; return the secret that their browser holds.

    Raises:
        WaitError: too many stand there.
    """
    async with desk.begin() as work:
        return await begin_step(Use.KNOCK, None, desk.randomness.token(CHALLENGE_BYTES), work, desk)


async def knocking(secret: str, desk: PeopleDesk) -> str:
    """Return what the browser is asked, as JSON.

    Raises:
        StepOverError: nothing is asked of this browser.
    """
    return request_options(desk.site, opened_step(await _asked(step_holder(secret), Use.KNOCK, desk), desk))


async def come_in(secret: str, text: str, knock: Knock, desk: PeopleDesk) -> SignedIn:
    """Open a session for whoever has the passkey.

    Raises:
        StepOverError: nothing was asked of this browser, or it was answered.
        PasskeyError: the answer is none to what was asked; the key is nobody's, or of somebody who may not come in.
    """
    challenge = opened_step(await take_step(step_holder(secret), Use.KNOCK, desk), desk)
    answer = answer_of(text)
    if answer is None or answer.owner is None:
        raise PasskeyError
    return await _opened(answer, challenge, None, knock, desk)


async def begin_confirm(session: bytes, by: Principal, desk: PeopleDesk) -> None:
    """Make a challenge for somebody who is in and is to show again who they are."""
    async with desk.begin() as work:
        await keep_step(Use.CONFIRM, session, desk.randomness.token(CHALLENGE_BYTES), by, work, desk)


async def confirming(session: bytes, by: Principal, desk: PeopleDesk) -> str:
    """Return what the browser is asked, as JSON: one of this person's own passkeys.

    Raises:
        StepOverError: nothing is asked of this session.
    """
    step = await _asked(session, Use.CONFIRM, desk)
    held = await desk.reader.held(whose(by))
    return request_options(desk.site, opened_step(step, desk), allow=[key.credential for key in held.passkeys])


async def confirm(session: bytes, text: str, by: Principal, knock: Knock, desk: PeopleDesk) -> SignedIn:
    """Open a new session for somebody who is in; the one of before ends.

    Raises:
        StepOverError: nothing was asked of this session, or it was answered.
        PasskeyError: the answer is none to what was asked, or another person's.
    """
    challenge = opened_step(await take_step(session, Use.CONFIRM, desk), desk)
    answer = answer_of(text)
    if answer is None:
        raise PasskeyError
    return await _opened(answer, challenge, whose(by), knock, desk)


async def _opened(answer: Answer, challenge: bytes, wanted: PersonId | None, knock: Knock, desk: PeopleDesk) -> SignedIn:
    async with desk.begin() as work:
        key = await work.factors.passkey(answer.credential)
        person = None if key is None else await work.persons.by_id(key.person_id)
        if key is None or person is None or person.state is not PersonState.ENABLED:
            raise PasskeyError
        if wanted not in {None, key.person_id} or answer.owner not in {None, _handle(key.person_id, desk)}:
            raise PasskeyError
        counter = answered(answer, challenge, desk.site, key.public_key)
        if counter is None:
            raise PasskeyError
        copied = went_back(counter, key.counter)
        if copied:
            await work.audit.stage([_copied(key.person_id, desk)])
        found = None if copied else await _in(key, counter, knock, work, desk)
    desk.nudge_log()
    if found is None:
        raise PasskeyError
    return found


async def _in(key: Passkey, counter: int, knock: Knock, work: PeopleWork, desk: PeopleDesk) -> SignedIn:
    person = await work.persons.by_id(key.person_id)
    if person is None or not await work.factors.use_passkey(key, counter, now=desk.clock.now()):
        raise PasskeyError
    return await open_session(person, knock, work, desk, Method.PASSKEY)


def _copied(person_id: PersonId, desk: PeopleDesk) -> StagedLeaf:
    return desk.leaf("sign-in.passkey-copied", now=desk.clock.now(), actor=None, subject=person_id)


def _handle(person_id: PersonId, desk: PeopleDesk) -> bytes:
    """Return what authenticators know a person by: it says nothing to anybody else (WebAuthn 14.6.1)."""
    return desk.bucket(f"passkey\0{person_id}")


async def _asked(holder: bytes, use: Use, desk: PeopleDesk) -> Step:
    step = await desk.reader.step(holder, use, now=desk.clock.now())
    if step is None:
        raise StepOverError
    return step

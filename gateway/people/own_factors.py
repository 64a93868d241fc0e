"""One's own second factor: an authenticator app, and recovery codes. Whoever changes it showed who they are a short while ago.

Whatever is shown once (a secret, codes) waits sealed in a step of the very session that asked for it: a page that a bad line
lost can be asked for again, by nobody else and not for long.
"""

from dataclasses import dataclass
from datetime import timedelta

from contracts.ids import NodeId
from gateway.people.codes import opened_step, recovery_digest, sealed_step, totp_use
from gateway.people.desk import PeopleDesk
from gateway.people.errors import SignedOutError, StepOverError, TakenError, WrongCodeError
from gateway.people.factor_ports import Method, Step, Use
from gateway.people.ids import PersonId
from gateway.people.ports import PeopleWork
from gateway.people.sign_in import Principal, lately
from keys.totp import (
    RECOVERY_BYTES,
    RECOVERY_CODES,
    SECRET_BYTES,
    recovery_bytes,
    recovery_code,
    totp_step,
    totp_text,
    totp_uri,
)

_SHOWN_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Enrolling:
    """What an authenticator app is given: to type, and for a QR code."""

    text: str
    uri: str


async def begin_app(session: bytes, by: Principal, desk: PeopleDesk) -> None:
    """Make a secret for an app. It counts from the first right code on; an app there was before counts until then.

    Raises:
        ConfirmError: they showed who they are too long ago.
    """
    lately(by, desk)
    async with desk.begin() as work:
        await keep_step(Use.ENROL, session, desk.randomness.token(SECRET_BYTES), by, work, desk)


async def enrolling(session: bytes, by: Principal, issuer: NodeId, desk: PeopleDesk) -> Enrolling:
    """Return the secret that a session is adding.

    Raises:
        ConfirmError, StepOverError: they showed who they are too long ago; it is adding none, or it took too long.
    """
    lately(by, desk)
    step = await desk.reader.step(session, Use.ENROL, now=desk.clock.now())
    if step is None or step.person_id != by.person_id:
        raise StepOverError
    secret = opened_step(step, desk)
    return Enrolling(totp_text(secret), totp_uri(secret, name=str(by.login), issuer=f"Paradero {issuer}"))


async def confirm_app(session: bytes, code: str, by: Principal, desk: PeopleDesk) -> None:
    """Keep an app that showed a right code; every other session of the person ends.

    Raises:
        ConfirmError, StepOverError: they showed who they are too long ago; there is none to keep.
        WrongCodeError: the code is another's.
    """
    lately(by, desk)
    owner, now = whose(by), desk.clock.now()
    async with desk.begin() as work:
        await work.persons.by_id(owner)
        step = await work.steps.find(session, Use.ENROL, now=now)
        if step is None or step.person_id != owner:
            raise StepOverError
        secret = opened_step(step, desk)
        used = totp_step(secret, "".join(code.split()), now=int(now.timestamp()), after=0)
        if used is None:
            raise WrongCodeError
        await work.steps.take(session, Use.ENROL, now=now)
        await work.factors.set_totp(owner, desk.secrets.seal_secret(totp_use(owner), secret), used, now=now)
        await added(session, "totp", Method.CODE, by, work, desk)
    desk.nudge_log()


async def added(session: bytes, what: str, method: Method, by: Principal, work: PeopleWork, desk: PeopleDesk) -> None:
    """Note a factor that was added: the session counts as strong, the others end, recovery codes are made if there are none."""
    owner = whose(by)
    await work.sessions.end_others(owner, session)
    await work.sessions.strengthen(session, method)
    await work.audit.stage([desk.leaf("user.factor-added", now=desk.clock.now(), actor=by.actor, outcome=what)])
    if not (await work.factors.held(owner)).recovery:
        await _new_codes(session, by, work, desk)


async def drop_app(by: Principal, desk: PeopleDesk) -> None:
    """Forget one's own app.

    Raises:
        ConfirmError: they showed who they are too long ago.
        TakenError: there is none.
    """
    lately(by, desk)
    async with desk.begin() as work:
        if not await work.factors.drop_totp(whose(by)):
            raise TakenError("No tiene aplicación de códigos.", advice="No hace falta nada.")
        await removed("totp", by, work, desk)
    desk.nudge_log()


async def removed(what: str, by: Principal, work: PeopleWork, desk: PeopleDesk) -> None:
    """Note a factor that was taken away; recovery codes go with the last one."""
    owner = whose(by)
    await work.audit.stage([desk.leaf("user.factor-removed", now=desk.clock.now(), actor=by.actor, outcome=what)])
    if not (await work.factors.held(owner)).any:
        await work.factors.set_recovery(owner, ())


async def renew_codes(session: bytes, by: Principal, desk: PeopleDesk) -> None:
    """Make recovery codes in place of those there were.

    Raises:
        ConfirmError: they showed who they are too long ago.
        TakenError: they have nothing to recover.
    """
    lately(by, desk)
    async with desk.begin() as work:
        await work.persons.by_id(whose(by))  # locked: two clicks make one set of codes
        if not (await work.factors.held(whose(by))).any:
            raise TakenError("Los códigos de recuperación acompañan a una segunda prueba.", advice="Añada primero una.")
        await _new_codes(session, by, work, desk)
    desk.nudge_log()


async def _new_codes(session: bytes, by: Principal, work: PeopleWork, desk: PeopleDesk) -> None:
    owner = whose(by)
    codes = [recovery_code(desk.randomness.token(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    await work.factors.set_recovery(owner, [_digest(owner, code, desk) for code in codes])
    await keep_step(Use.CODES, session, "\n".join(codes).encode(), by, work, desk)
    await work.audit.stage([desk.leaf("user.recovery-made", now=desk.clock.now(), actor=by.actor)])


def _digest(owner: PersonId, code: str, desk: PeopleDesk) -> bytes:
    return recovery_digest(owner, recovery_bytes(code) or b"", desk)


async def shown_codes(session: bytes, by: Principal, desk: PeopleDesk) -> tuple[str, ...]:
    """Return the recovery codes that this session made a short while ago and has not put away; nothing else shows them."""
    step = await desk.reader.step(session, Use.CODES, now=desk.clock.now())
    if step is None or step.person_id != by.person_id:
        return ()
    return tuple(opened_step(step, desk).decode().split("\n"))


async def put_codes_away(session: bytes, desk: PeopleDesk) -> None:
    """Show the recovery codes no more."""
    async with desk.begin() as work:
        await work.steps.take(session, Use.CODES, now=desk.clock.now())


async def keep_step(use: Use, session: bytes, kept: bytes, by: Principal, work: PeopleWork, desk: PeopleDesk) -> None:
    """Keep a step of a session."""
    now = desk.clock.now()
    step = Step(session, use, whose(by), sealed_step(use, session, kept, desk), now + _SHOWN_FOR)
    await work.steps.put(step, now=now)


def whose(by: Principal) -> PersonId:
    """Return which person it is.

    Raises:
        SignedOutError: the node's machine is none.
    """
    if by.person_id is None:
        raise SignedOutError
    return by.person_id

"""Codes of an authenticator app and for recovery. Steps under way, bound to the browser or session that began them."""

from datetime import timedelta

from gateway.people.desk import PeopleDesk
from gateway.people.errors import StepOverError, WaitError
from gateway.people.factor_ports import Method, Step, Use
from gateway.people.ids import PersonId
from gateway.people.ports import PeopleWork
from keys.passwords import new_secret, secret_digest
from keys.totp import DIGITS, recovery_bytes, totp_step

STEP = b"step\0"
"""What the secret of a step goes into its digest with: a session's token never opens one, nor the other way round."""
STEP_LASTS = timedelta(minutes=5)
STRANGERS = 2000
"""Who may be about to come in at once, nobody knows yet as whom: what strangers make us keep is bounded."""
MOST_WRONG = 100
"""Wrong codes in a row after which an app's are taken no more: whoever tries has the password (NIST SP 800-63B 5.2.2)."""


async def use_code(person_id: PersonId, text: str, work: PeopleWork, desk: PeopleDesk) -> Method | None:
    """Use a code up, of either kind; None when it is wrong, was used, or is of another time."""
    plain = "".join(text.split())
    if len(plain) == DIGITS and plain.isascii() and plain.isdigit():
        return Method.CODE if await _use_app(person_id, plain, work, desk) else None
    random = recovery_bytes(text)
    if random is None or not await work.factors.use_recovery(person_id, recovery_digest(person_id, random, desk)):
        return None
    now = desk.clock.now()
    await work.audit.stage([desk.leaf("user.recovery-used", now=now, actor=desk.pseudonym(person_id))])
    return Method.RECOVERY


async def _use_app(person_id: PersonId, code: str, work: PeopleWork, desk: PeopleDesk) -> bool:
    app = await work.factors.totp(person_id)
    if app is None or app.wrong >= MOST_WRONG:
        return False
    secret, now = desk.secrets.open_secret(totp_use(person_id), app.sealed), int(desk.clock.now().timestamp())
    step = totp_step(secret, code, now=now, after=app.last_step)
    if step is not None and await work.factors.use_step(person_id, step):
        return True
    await work.factors.wrong_code(person_id)
    if app.wrong + 1 == MOST_WRONG:
        await work.audit.stage([desk.leaf("sign-in.codes-shut", now=desk.clock.now(), actor=None, subject=person_id)])
    return False


def totp_use(person_id: PersonId) -> str:
    """Return what an app's secret is sealed for."""
    return f"totp {person_id}"


def recovery_digest(person_id: PersonId, random: bytes, desk: PeopleDesk) -> bytes:
    """Return what a recovery code is kept by."""
    return desk.bucket(f"recovery\0{person_id}\0{random.hex()}")


async def begin_step(use: Use, person_id: PersonId | None, kept: bytes, work: PeopleWork, desk: PeopleDesk) -> str:
    """Begin a step that a browser without a session goes on with; return the secret that it holds from now on.

    Raises:
        WaitError: too many strangers stand at the door.
    """
    if person_id is None and await work.steps.nobodys() >= STRANGERS:
        raise WaitError(60)
    now = desk.clock.now()
    secret, holder = new_secret(desk.randomness.token(32), STEP)
    await work.steps.put(Step(holder, use, person_id, sealed_step(use, holder, kept, desk), now + STEP_LASTS), now=now)
    return secret


def step_holder(secret: str) -> bytes:
    """Return what a step is kept by, of the secret that a browser holds.

    Raises:
        StepOverError: that is no step's secret.
    """
    holder = secret_digest(secret, STEP)
    if holder is None:
        raise StepOverError
    return holder


async def take_step(holder: bytes, use: Use, desk: PeopleDesk) -> Step:
    """Use a step up, before what answers it is looked at.

    Raises:
        StepOverError: there is none, it is over, or it was used.
    """
    async with desk.begin() as work:
        step = await work.steps.take(holder, use, now=desk.clock.now())
    if step is None:
        raise StepOverError
    return step


def sealed_step(use: Use, holder: bytes, kept: bytes, desk: PeopleDesk) -> bytes:
    """Return what a step keeps, sealed and bound to its holder."""
    return desk.secrets.seal_secret(f"step {use.value} {holder.hex()}", kept)


def opened_step(step: Step, desk: PeopleDesk) -> bytes:
    """Return what a step keeps."""
    return desk.secrets.open_secret(f"step {step.use.value} {step.holder.hex()}", step.sealed)

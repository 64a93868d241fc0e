"""Coming in by the ministry's own sign-in (OpenID Connect): code flow with PKCE, state and nonce.

A token never makes an account: it opens the one that an administrator linked. State, nonce and verifier wait sealed in a step
of the browser that began, which is used up before the answer is looked at.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from contracts.codec import b64u_encode, encode_object, parse_object
from contracts.errors import SignatureError
from gateway.people.accounts import other
from gateway.people.codes import begin_step, opened_step, step_holder, take_step
from gateway.people.desk import PeopleDesk
from gateway.people.errors import CodeNeededError, InvalidError, ProviderError, ProviderFault, StepOverError, TakenError
from gateway.people.factor_ports import Method, Use
from gateway.people.ids import PersonId
from gateway.people.institution_ports import Institution
from gateway.people.ports import Person, PersonState
from gateway.people.sign_in import Knock, Principal, SignedIn, second, settled
from keys.oidc import Expected, Told, code_challenge, key_of, told_by

_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class Returned:
    """What a browser brings back. Nothing of it is trusted."""

    code: str
    state: str
    issuer: str
    error: str


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a browser is sent, and the secret it holds until it is back."""

    step: str
    address: str


async def begin(house: Institution, path: str, again: Principal | None, desk: PeopleDesk) -> Begun:
    """Begin; `again` is who is in already and is to show once more who they are, then and there.

    Raises:
        ProviderError: the ministry's sign-in cannot be reached.
    """
    door = await house.provider.doors()
    state, nonce, verifier = (b64u_encode(desk.randomness.token(32)) for _ in range(3))
    max_age = 0 if again is not None else int(desk.limits.fresh.total_seconds())
    begun = int(desk.clock.now().timestamp())
    kept = encode_object(
        {"state": state, "nonce": nonce, "verifier": verifier, "path": path, "begun": begun, "max_age": max_age}
    )
    async with desk.begin() as work:
        step = await begin_step(Use.PROVIDER, None if again is None else again.person_id, kept, work, desk)
    asked = {
        "response_type": "code",
        "client_id": house.client,
        "redirect_uri": house.back,
        "scope": "openid email" if house.by_email else "openid",
        "state": state,
        "nonce": nonce,
        "code_challenge": code_challenge(verifier),
        "code_challenge_method": "S256",
        "max_age": str(max_age),
    }
    if again is not None:
        asked["prompt"] = "login"
    if house.acr:
        asked["acr_values"] = " ".join(sorted(house.acr))
    return Begun(step, f"{door}{'&' if '?' in door else '?'}{urlencode(asked)}")


async def come_back(house: Institution, secret: str, back: Returned, knock: Knock, desk: PeopleDesk) -> tuple[SignedIn, str]:
    """Open a session for whom the ministry vouches and an administrator linked; return it, and where they were going.

    Raises:
        StepOverError: this browser began nothing, it took too long, or it came back before.
        ProviderError: says in a word what is wrong.
        CodeNeededError: this node asks for their own second factor too.
    """
    step = await take_step(step_holder(secret), Use.PROVIDER, desk)
    wanted, kept = step.person_id, parse_object(opened_step(step, desk))
    if not hmac.compare_digest(back.state.encode("utf-8", "surrogatepass"), kept["state"].encode()):
        raise StepOverError
    if back.error or not back.code:
        raise ProviderError(ProviderFault.DENIED)
    if back.issuer not in {"", house.issuer}:  # RFC 9207
        raise ProviderError(ProviderFault.TOKEN)
    token = await house.provider.exchange(back.code, kept["verifier"], house.back)
    told = await _told(house, token, kept, desk)
    if house.assures and not (told.amr & house.amr or told.acr in house.acr):
        raise ProviderError(ProviderFault.WEAK)
    path = str(kept["path"])
    try:
        return await _let_in(house, told, wanted, knock, desk), path
    except CodeNeededError as half:
        raise CodeNeededError(half.step, path) from None


async def _told(house: Institution, token: str, kept: Mapping[str, Any], desk: PeopleDesk) -> Told:
    expected = Expected(house.issuer, house.client, kept["nonce"], kept["begun"], kept["max_age"])
    keys = await house.provider.keys(key_of(token))
    try:
        return told_by(token, keys, expected, now=int(desk.clock.now().timestamp()))
    except SignatureError as error:
        fault = ProviderFault.STALE if str(error) == "auth_time" else ProviderFault.TOKEN
        raise ProviderError(fault) from None


async def _let_in(house: Institution, told: Told, wanted: PersonId | None, knock: Knock, desk: PeopleDesk) -> SignedIn:
    subject = told.email if house.by_email else told.subject
    async with desk.begin() as work:
        owner = None if subject is None else await work.factors.linked(house.issuer, subject)
        person = None if owner is None else await work.persons.by_id(owner)
        if person is None or person.state is PersonState.DISABLED or wanted not in {None, person.person_id}:
            raise ProviderError(ProviderFault.UNLINKED)
        if person.state is PersonState.INVITED:  # linked by an administrator: they need no password
            await work.persons.set_state(person.person_id, PersonState.ENABLED)
        method = Method.ASSURED if house.assures else Method.PROVIDER
        found = await second(person, "", knock, work, desk, method=method)
    return settled(found, desk)


# -- links --------------------------------------------------------------------------------------------------------------


async def link(login: str, subject: str, by: Principal, house: Institution | None, desk: PeopleDesk) -> None:
    """Say who somebody is at the ministry; their sessions end.

    Raises:
        InvalidError: there is no such sign-in here, or that is nobody there.
        UnknownError, NotAllowedError: no such account; one's own.
        TakenError: that is somebody else's.
    """
    if house is None:
        raise InvalidError(
            "Este nodo no usa la entrada de su institución.", advice="Véase [single_sign_on] en la configuración."
        )
    who = subject.strip().casefold() if house.by_email else subject
    if not who or len(who) > _SUBJECT or not who.isprintable():
        raise InvalidError("Eso no es un identificador.", advice="Cópielo como lo da su institución; hasta 255 caracteres.")
    async with desk.begin() as work:
        person: Person = await other(login, by, work)
        if not await work.factors.link(person.person_id, house.issuer, who):
            raise TakenError("Ese identificador es de otra persona.", advice="Quítelo antes: `paradero user unlink`.")
        await work.sessions.end_all(person.person_id)
        await work.audit.stage([desk.leaf("user.linked", now=desk.clock.now(), actor=by.actor, subject=person.person_id)])
    desk.nudge_log()


async def unlink(login: str, by: Principal, desk: PeopleDesk) -> None:
    """Take away who somebody is at the ministry; their sessions end.

    Raises:
        UnknownError, NotAllowedError: no such account; one's own.
        TakenError: they are not linked.
    """
    async with desk.begin() as work:
        person = await other(login, by, work)
        if not await work.factors.unlink(person.person_id):
            raise TakenError("Esa persona no está vinculada.", advice="No hace falta nada.")
        await work.sessions.end_all(person.person_id)
        await work.audit.stage([desk.leaf("user.unlinked", now=desk.clock.now(), actor=by.actor, subject=person.person_id)])
    desk.nudge_log()

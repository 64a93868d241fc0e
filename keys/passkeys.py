"""Passkeys (WebAuthn level 3): what a browser is asked, and whether what its authenticator signed is an answer to that.

The site's name and origin are the node's own, configured: nothing here is read from what a request says of itself. A person
must be verified (PIN, finger, face), not only present; no attestation is wanted, since any maker's key will do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from contracts.codec import b64u_decode, parse_object
from contracts.errors import ExchangeError

LONGEST = 16 * 1024
CHALLENGE_BYTES = 32
_CREDENTIAL = 1023
"""The longest id of a credential (WebAuthn 6.5.1)."""
_ALGORITHMS = (-8, -7, -257)
"""EdDSA, ES256, RS256: what authenticators there are can do."""
_MILLISECONDS = 300_000


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The site that passkeys are for: its origin, and the name they are bound to (WebAuthn 5.1.2: RP ID)."""

    origin: str
    rp_id: str

    @classmethod
    def at(cls, url: str) -> "RelyingParty":
        """Return the site at an address."""
        parts = urlsplit(url)
        return cls(f"{parts.scheme}://{parts.netloc}", parts.hostname or "")

    @property
    def host(self) -> str:
        """What a browser that is at the site says in `Host`."""
        return self.origin.partition("://")[2]


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What is kept of a new passkey: its public half (COSE), and its counter."""

    credential: bytes
    public_key: bytes
    counter: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, taken apart and not believed yet. `owner` is the handle the authenticator keeps for the person."""

    credential: bytes
    owner: bytes | None
    parts: dict[str, Any]


def creation_options(
    site: RelyingParty, challenge: bytes, *, institution: str, owner: bytes, login: str, have: Sequence[bytes]
) -> str:
    """Return what a browser is asked for a new passkey, as JSON. Discoverable: whoever has it need not type who they are."""
    from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415 - only who has passkeys needs it
    from webauthn.helpers.structs import (  # noqa: PLC0415 - as above
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=site.rp_id,
        rp_name=institution,
        user_name=login,
        user_display_name=login,
        user_id=owner,
        challenge=challenge,
        timeout=_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in have],
        supported_pub_key_algs=_algorithms(),
    )
    return str(options_to_json(options))


def request_options(site: RelyingParty, challenge: bytes, *, allow: Sequence[bytes] = ()) -> str:
    """Return what a browser is asked for an answer by a passkey, as JSON; by any that is for this site where none is named."""
    from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415 - only who has passkeys needs it
    from webauthn.helpers.structs import (  # noqa: PLC0415 - as above
        PublicKeyCredentialDescriptor,
        UserVerificationRequirement,
    )

    options = generate_authentication_options(
        rp_id=site.rp_id,
        challenge=challenge,
        timeout=_MILLISECONDS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in allow],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return str(options_to_json(options))


def answer_of(text: str) -> Answer | None:
    """Return an answer taken apart; None for what is none."""
    try:
        parts = parse_object(text.encode("utf-8"), limit=LONGEST)
        credential = b64u_decode(parts["rawId"])
        handle = parts["response"].get("userHandle")
        owner = b64u_decode(handle) if handle else None
    except (ExchangeError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Answer(credential, owner, parts) if 0 < len(credential) <= _CREDENTIAL else None


def new_passkey(answer: Answer, challenge: bytes, site: RelyingParty) -> NewPasskey | None:
    """Return the passkey an answer brings; None where it does not answer this challenge, of this site, by a verified person."""
    from webauthn import verify_registration_response  # noqa: PLC0415 - only who has passkeys needs it

    try:
        found = verify_registration_response(
            credential=answer.parts,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
            supported_pub_key_algs=_algorithms(),
        )
    except Exception:  # noqa: BLE001 - bytes of a stranger: whatever the parser trips over is a no
        return None
    return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count)


def answered(answer: Answer, challenge: bytes, site: RelyingParty, public_key: bytes) -> int | None:
    """Return the counter an answer tells; None where it does not answer this challenge, of this site, by a verified person.

    The counter is not judged here: an answer that was not signed by the key says nothing about it.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415 - only who has passkeys needs it

    try:
        found = verify_authentication_response(
            credential=answer.parts,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001 - bytes of a stranger: whatever the parser trips over is a no
        return None
    return int(found.new_sign_count)


def went_back(counter: int, before: int) -> bool:
    """Return whether a counter did not grow as it must where there is one (WebAuthn 6.1.1): the key may have been copied."""
    return (counter > 0 or before > 0) and counter <= before


def _algorithms() -> list[Any]:
    from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415 - only who has passkeys needs it

    return [COSEAlgorithmIdentifier(number) for number in _ALGORITHMS]

"""Names that mean something to one reader only (SPEC 6.5)."""

import hmac
from hashlib import sha256

from contracts.codec import b64u_encode
from contracts.ids import ActorPseudonym, CaseAlias, NodeId


class Pseudonyms:
    """Derives aliases from a secret of 32 bytes: stable for one recipient, unrelated between two."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32:
            raise ValueError("the secret has 32 bytes")
        self._secret = secret

    def case_alias(self, case_key: str, recipient: NodeId) -> CaseAlias:
        """Return what `recipient` knows the case by."""
        return CaseAlias("c:" + b64u_encode(self._derive("case", str(recipient), case_key)[:16]))

    def actor(self, name: str) -> ActorPseudonym:
        """Return the pseudonym of an accountable officer of this institution."""
        return ActorPseudonym("a:" + b64u_encode(self._derive("actor", "", name)[:12]))

    def _derive(self, kind: str, audience: str, subject: str) -> bytes:
        return hmac.digest(self._secret, f"paradero pseudonym\0{kind}\0{audience}\0{subject}".encode(), sha256)

"""Signs notices to receivers as Standard Webhooks says: HMAC-SHA256 over id, time and body; two signatures while a secret is
changed. Secrets are kept sealed by the vault and leave it only into a signature, and once to the person who made them.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from keys.vault import Vault

SECRET_BYTES = 32


def new_webhook_secret() -> str:
    """Return a fresh secret in the form receivers' libraries take: ``whsec_`` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


class WebhookSigner:
    """Signs with sealed secrets. Holds the vault, no secret."""

    __slots__ = ("_vault",)

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, hook: str, text: str, *, what: str) -> bytes:
        """Return a text of a webhook, sealed and bound to it: its address, or a secret."""
        return self._vault.seal_secret(f"webhook:{what}:{hook}", text.encode())

    def open_address(self, hook: str, sealed: bytes) -> str:
        """Return the address of a webhook.

        Raises:
            StorageError: changed, or another webhook's.
        """
        return self._vault.open_secret(f"webhook:address:{hook}", sealed).decode()

    def headers(self, hook: str, sealed: Sequence[bytes], *, notice: str, at: datetime, body: bytes) -> Mapping[str, str]:
        """Return the three headers of Standard Webhooks; a signature for each secret, the newest first.

        Raises:
            StorageError: a secret does not open.
        """
        from standardwebhooks import Webhook  # noqa: PLC0415 - a node without webhooks need not load it

        opened = [self._vault.open_secret(f"webhook:secret:{hook}", secret).decode() for secret in sealed]
        signatures = [Webhook(secret).sign(notice, at, body.decode("ascii")) for secret in opened]
        return {
            "webhook-id": notice,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

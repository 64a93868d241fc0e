"""Hands mails to the institution's own mail server: with TLS, and without it on this very machine alone."""

import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

from gateway.exchange.telling import Letter, NotTakenError

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where the institution's mail goes out."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    sender: str
    username: str | None = None
    password: str | None = None
    authority: Path | None = None
    """Whom its certificate is trusted from, where that is not one the system knows."""

    async def __call__(self, letter: Letter) -> None:
        """Send one mail.

        Raises:
            NotTakenError: the server did not take it; final where it refused that very mail for good.
        """
        import aiosmtplib  # noqa: PLC0415 - a node without mail need not load it

        try:
            await aiosmtplib.send(
                self._message(letter),
                sender=self.sender,
                recipients=[letter.to],
                hostname=self.host,
                port=self.port,
                username=self.username,
                password=self.password,
                timeout=SECONDS,
                use_tls=self.security == "tls",
                start_tls=self.security == "starttls",
                tls_context=None if self.security == "none" else self._context(),
                local_hostname="localhost",  # not this machine's name
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            final = all(500 <= item.code < 600 for item in refused.recipients)
            raise NotTakenError("recipient-refused", final=final) from None
        except aiosmtplib.SMTPResponseException as error:
            raise NotTakenError(f"smtp-{error.code}"[:40]) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError):
            raise NotTakenError("no-mail-server") from None

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if self.authority is None else str(self.authority))

    def _message(self, letter: Letter) -> EmailMessage:
        made = EmailMessage()
        made["From"] = self.sender
        made["To"] = letter.to
        made["Subject"] = letter.subject
        made["Date"] = format_datetime(letter.at)
        made["Message-ID"] = f"<{letter.id}@{self.sender.rpartition('@')[2]}>"
        made["Auto-Submitted"] = "auto-generated"
        made["Content-Language"] = letter.language
        made.set_content(letter.text)
        return made

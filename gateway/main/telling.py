"""Joins what telling of notices needs: receivers over HTTPS, the institution's mail server, words, and who works here."""

from functools import partial

from gateway.config import MailConfig, NodeConfig
from gateway.console.notice_words import mail_words
from gateway.exchange.notice_ports import MailWish
from gateway.exchange.receivers import Hosts
from gateway.exchange.telling import Telling
from gateway.federation.limits import address_allowed
from gateway.people.audience import Staff
from gateway.people.desk import PeopleDesk
from gateway.workers.hooks import HttpHooks
from gateway.workers.mail import MailServer
from keys.keystore import read_secret
from keys.vault import Vault
from keys.webhooks import WebhookSigner


def hosts_of(config: NodeConfig) -> Hosts:
    """Return where webhooks may go."""
    return Hosts(frozenset(config.webhooks.hosts), plain=config.webhooks.plain_loopback)


def telling_of(config: NodeConfig, vault: Vault, people: PeopleDesk) -> tuple[Telling, HttpHooks]:
    """Return what telling may use, and the connections to receivers, to be closed.

    Raises:
        ConfigurationError: the mail server's password cannot be read.
    """
    hooks = HttpHooks(hosts_of(config), lambda text: address_allowed(text, config.webhooks.allowed_networks))
    telling = Telling(
        signer=WebhookSigner(vault),
        send_hook=hooks,
        mail=mail_server(config.mail),
        words=mail_words,
        seal_address=lambda person, address: vault.seal_secret(f"mail:{person}", address.encode()),
        address_of=partial(_address, vault),
        people=partial(_staff, people),
    )
    return telling, hooks


def mail_server(config: MailConfig) -> MailServer | None:
    """Return the institution's mail server; None where there is none."""
    if config.host is None or config.sender is None:
        return None
    password = None if config.password_file is None else read_secret(config.password_file).decode().strip()
    return MailServer(config.host, config.port, config.security, config.sender, config.username, password, config.authority)


def _address(vault: Vault, wish: MailWish) -> str:
    return vault.open_secret(f"mail:{wish.person}", wish.address).decode()


async def _staff(people: PeopleDesk) -> Staff:
    return Staff(await people.reader.people(), await people.reader.offices())

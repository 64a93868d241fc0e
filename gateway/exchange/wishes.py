"""Whether a person wants to be told by mail, and where: their own choice, sealed, and forgotten when they say so."""

import re

from contracts.ids import ActorPseudonym
from gateway.exchange.acts import note_act
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.notice_ports import MailWish
from gateway.exchange.ports import Nudge
from gateway.exchange.receivers import sample
from gateway.exchange.telling import NotTakenError, Telling, send_letter

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}")
"""What HTML takes as an address, with a domain that has a dot in it."""


def is_address(text: str) -> bool:
    """Return whether a text is a mail address."""
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None


async def want_mail(
    person: str, address: str, language: str, node: Capabilities, telling: Telling, *, actor: ActorPseudonym
) -> None:
    """Let a person be told by mail at an address."""
    now = node.clock.now()
    async with node.begin() as work:
        await work.mails.wish(MailWish(person, telling.seal_address(person, address), language, now))
        await note_act("mail.wanted", work, node, actor=actor)
    node.nudge(Nudge.LOG)


async def no_mail(person: str, node: Capabilities, *, actor: ActorPseudonym) -> None:
    """Tell a person nothing more by mail, and forget their address."""
    async with node.begin() as work:
        await work.mails.no_more(person)
        await note_act("mail.no-more", work, node, actor=actor)
    node.nudge(Nudge.LOG)


async def wish_of(person: str, node: Capabilities) -> MailWish | None:
    """Return what a person wants."""
    async with node.begin() as work:
        return await work.mails.wish_of(person)


async def try_mail(person: str, node: Capabilities, telling: Telling) -> NotTakenError | None:
    """Send a person a mail that is about nothing; return why it was not taken."""
    wish = await wish_of(person, node)
    if wish is None:
        return NotTakenError("address", final=True)
    return await send_letter(wish, [sample(node.clock.now(), person)], node, telling)

"""Budgets per address, before anything is opened; and which addresses our own client may ever connect to."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_V4_COMPATIBLE = IPv6Network("::/96")
_SITE_LOCAL = IPv6Network("fec0::/10")
_BUCKETS = 10_000


@dataclass(slots=True)
class AddressBudget:
    """A token bucket per address, in bytes: above what healing a thousand waiting messages in a minute needs.

    An envelope of 14 kB costs about 0.4 ms until it is refused, so that what one address may send of such for ever takes
    about a twentieth of a core, and more of small ones; the burst, a few seconds of one.
    """

    bytes_per_second: float = 2 * 1024 * 1024
    burst: float = 128 * 1024 * 1024
    monotonic: Callable[[], float] = time.monotonic
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)

    def spend(self, address: str, size: int) -> bool:
        """Take `size` bytes from an address's budget; False when it has none left."""
        now = self.monotonic()
        level, at = self._levels.get(address, (self.burst, now))
        level = min(self.burst, level + (now - at) * self.bytes_per_second)
        if level <= 0:
            self._levels[address] = (level, now)
            return False
        if len(self._levels) >= _BUCKETS:
            self._levels.clear()  # many strangers; forgetting them costs one burst each
        self._levels[address] = (level - size, now)
        return True


def address_allowed(text: str, allowed: Sequence[Network]) -> bool:
    """Return whether our client may connect to an address: global unicast, or in a network the operator named.

    An address in the register must never lead into this institution's own network. IPv4 addresses inside IPv6 forms
    are judged as what they are.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    candidates = _unwrapped(address)
    return all(_one_allowed(item, allowed) for item in candidates)


def _one_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    if any(address.version == network.version and address in network for network in allowed):
        return True
    if isinstance(address, IPv6Address) and address in _SITE_LOCAL:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _unwrapped(address: Address) -> list[Address]:
    """Return the address itself, or the IPv4 address an IPv6 form stands for."""
    if not isinstance(address, IPv6Address):
        return [address]
    number = int(address)
    low, forms = IPv4Address(number & 0xFFFFFFFF), list[Address]()
    if address.ipv4_mapped is not None or address in _NAT64 or (address in _V4_COMPATIBLE and number > 1):
        forms = [low]
    elif address in _SIX_TO_FOUR:
        forms = [IPv4Address(number >> 80 & 0xFFFFFFFF)]
    elif address in _TEREDO:
        forms = [address, IPv4Address(number >> 64 & 0xFFFFFFFF), IPv4Address(~number & 0xFFFFFFFF)]
    return forms or [address]

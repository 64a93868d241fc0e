"""A ministry's own sign-in as a node has it configured, and what is needed of who speaks to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Provider(Protocol):
    """The ministry's side. Whatever it cannot do is a `ProviderError`."""

    async def doors(self) -> str:
        """Return the address people are sent to."""
        ...

    async def exchange(self, code: str, verifier: str, back: str) -> str:
        """Return the ID token that a code is good for."""
        ...

    async def keys(self, wanted: str | None) -> Mapping[str, Any]:
        """Return the ministry's public keys; anew where `wanted` is not among those known."""
        ...


@dataclass(frozen=True, slots=True)
class Institution:
    """A ministry's sign-in as this node has it: who it is, who we are there, whom it lets in, what it must have asked for."""

    provider: Provider
    issuer: str
    client: str
    name: str
    back: str
    by_email: bool = False
    amr: frozenset[str] = frozenset()
    acr: frozenset[str] = frozenset()

    @property
    def assures(self) -> bool:
        """Whether it is asked to say by what a person showed who they are."""
        return bool(self.amr or self.acr)

"""Two network namespaces joined by one cable, for packets that really get lost; traffic never leaves them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

FIRST, SECOND = "10.213.0.1", "10.213.0.2"
NETWORK = "10.213.0.0/24"


class NotAllowedError(Exception):
    """This machine lets us make no namespaces, or has no tool for it."""


@dataclass(frozen=True)
class Spaces:
    """The names of the two namespaces."""

    first: str
    second: str

    def before(self, name: str) -> tuple[str, ...]:
        """Return what a command must begin with to run in a namespace."""
        return "ip", "netns", "exec", name

    def rule(self, *rules: str) -> None:
        """Replace what the second namespace's filter does to packets that come `in` or go `out`; none: heal."""
        lines = ["flush ruleset", "table ip t {", "chain in { type filter hook input priority 0;"]
        lines += [rule.removeprefix("in ") for rule in rules if rule.startswith("in ")]
        lines += ["}", "chain out { type filter hook output priority 0;"]
        lines += [rule.removeprefix("out ") for rule in rules if rule.startswith("out ")]
        _run(*self.before(self.second), "nft", "-f", "-", text="\n".join([*lines, "}", "}"]) + "\n")

    def slow(self, kbit: int) -> None:
        """Make the cable slow towards the second namespace."""
        _run(*self.before(self.first), "tc", "qdisc", "replace", "dev", "pd0", "root", "tbf", *_tbf(kbit))

    def met(self) -> int:
        """Return how many packets the rules in force have met."""
        said = _run(*self.before(self.second), "nft", "list", "ruleset")
        return sum(int(number) for number in re.findall(r"counter packets (\d+)", said))


def _tbf(kbit: int) -> tuple[str, ...]:
    return "rate", f"{kbit}kbit", "burst", "4kb", "latency", "800ms"


@contextmanager
def spaces() -> Iterator[Spaces]:
    """Make the namespaces; take them away in any case.

    Raises:
        NotAllowedError: a tool is missing, or we are not allowed.
    """
    missing = [tool for tool in ("ip", "nft", "tc") if shutil.which(tool) is None]
    if missing:
        raise NotAllowedError(f"NO {' '.join(missing).upper()}")
    made = Spaces(f"pd{os.getpid()}a", f"pd{os.getpid()}b")
    try:
        _make(made)
        yield made
    finally:
        for name in (made.first, made.second):
            subprocess.run(("ip", "netns", "del", name), check=False, capture_output=True)


def _make(made: Spaces) -> None:
    try:
        for name in (made.first, made.second):
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", made.first, "link", "add", "pd0", "type", "veth", "peer", "name", "pd1", "netns", made.second)
        for name, cable, address in ((made.first, "pd0", FIRST), (made.second, "pd1", SECOND)):
            _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", cable)
            _run("ip", "-n", name, "link", "set", cable, "up")
        made.rule()
    except subprocess.CalledProcessError as error:
        raise NotAllowedError(f"NOT ALLOWED: {error.stderr.strip()[:100]}") from None


def _run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, check=True, capture_output=True, text=True)
    return done.stdout

"""Tells the demo's steps: to people in plain words, to programs as one JSON line a step."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console


class StepFailedError(Exception):
    """A step did not go as told. The text says what was expected and what was found; no personal data."""


@dataclass(slots=True)
class Telling:
    """What one step found out; shown under it."""

    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def say(self, line: str, **facts: Any) -> None:
        """Add a line for people and its facts for programs."""
        self.lines.append(line)
        self.facts |= facts

    def expect(self, condition: bool, claim: str, **facts: Any) -> None:  # noqa: FBT001 - reads like an assertion
        """Add a claim that must hold.

        Raises:
            StepFailedError: it does not.
        """
        self.facts |= facts
        if not condition:
            raise StepFailedError(f"{claim}: no se cumple ({_shown(facts)})")
        self.lines.append(f"{claim}")


@dataclass(slots=True)
class Narrator:
    """Counts, times and tells steps."""

    monotonic: Callable[[], float]
    as_json: bool = False
    steps: int = 0
    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Telling]:
        """Tell one step; a failure in it is told too, and ends the story.

        Raises:
            StepFailedError: whatever went wrong, once told.
        """
        telling = Telling()
        self.steps += 1
        started = self.monotonic()
        try:
            yield telling
        except StepFailedError as error:
            self._tell(name, title, telling, started, failure=str(error))
            raise
        except Exception as error:  # a step that breaks is a step that is not as told
            failure = f"{type(error).__name__}: {error}"
            self._tell(name, title, telling, started, failure=failure)
            raise StepFailedError(failure) from error
        self._tell(name, title, telling, started, failure=None)

    def _tell(self, name: str, title: str, telling: Telling, started: float, *, failure: str | None) -> None:
        seconds = round(self.monotonic() - started, 3)
        if self.as_json:
            line = {"step": self.steps, "name": name, "ok": failure is None, "seconds": seconds, "facts": telling.facts}
            if failure is not None:
                line["failure"] = failure
            escaped = sys.stdout.encoding.lower() not in {"utf-8", "utf8"}
            sys.stdout.write(json.dumps(line, ensure_ascii=escaped, default=str) + "\n")
            sys.stdout.flush()
            return
        mark = "✓" if failure is None else "✗"
        self.console.print(f"\n{mark} {self.steps}. {title}  [dim]{seconds:.1f} s[/dim]")
        for text in telling.lines:
            self.console.print(f"     {text}", markup=False)
        if failure is not None:
            self.console.print(f"     ✗ {failure}", markup=False)

    def say(self, text: str) -> None:
        """Say something between steps, to people only."""
        if not self.as_json:
            self.console.print(text, markup=False)


def _shown(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in facts.items()) or "sin datos"

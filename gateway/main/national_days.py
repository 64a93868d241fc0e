"""National holidays, from the `holidays` package in a process of its own: loaded, it weighs twenty megabytes."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date

from contracts.errors import FaultError

_SECONDS = 30.0
_CHILD = f"{__name__}_child"


class NationalDays:
    """Asks the child once per country and year, and remembers."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], frozenset[date]] = {}
        self._asking = asyncio.Lock()

    async def __call__(self, country: str, years: Sequence[int]) -> frozenset[date]:
        """Return the holidays of a country (GT, MX, US) in these years.

        Raises:
            FaultError: the child did not answer, or not for every year.
        """
        async with self._asking:
            missing = [year for year in years if (country, year) not in self._known]
            if missing:
                found = await _ask(country, missing)
                for year in missing:
                    days = frozenset(day for day in found if day.year == year)
                    if not days:
                        raise FaultError("no holidays came for a year")
                    self._known[country, year] = days
            return frozenset().union(*(self._known[country, year] for year in years))


async def _ask(country: str, years: Sequence[int]) -> list[date]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _CHILD,
        country,
        *(str(year) for year in years),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, _ = await child.communicate()
        return [date.fromisoformat(line) for line in output.decode("ascii").split()]
    except (TimeoutError, ValueError):
        raise FaultError("the holidays could not be computed") from None
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()

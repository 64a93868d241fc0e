"""National holidays, from the `holidays` package in a process of their own: loaded, it weighs more than an idle node may.

Run as a program, it writes the dates of a country's national holidays in the years it was given as one JSON object.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date

from contracts.codec import encode_object, parse_object
from contracts.errors import ExchangeError, FaultError

_SECONDS = 30.0
_LIMIT = 64 * 1024


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
        __name__,
        country,
        *(str(year) for year in years),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, _ = await child.communicate()
        return [date.fromisoformat(day) for day in parse_object(output, limit=_LIMIT)["days"]]
    except (TimeoutError, ExchangeError, KeyError, TypeError, ValueError):
        raise FaultError("the holidays could not be computed") from None
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def main(country: str, years: Sequence[int]) -> None:
    """Write the holidays."""
    from holidays import country_holidays  # noqa: PLC0415 - twenty megabytes that only the child pays for

    days = country_holidays(country, years=list(years), observed=True)
    # An observed day can fall into the year before (1 January on a Saturday): only the years that were asked for.
    sys.stdout.buffer.write(encode_object({"days": sorted(day.isoformat() for day in days if day.year in years)}))


if __name__ == "__main__":
    main(sys.argv[1], [int(year) for year in sys.argv[2:]])

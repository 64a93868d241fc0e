"""Writes a country's national holidays in the years it was given, a date a line. A process by itself; loads nothing of ours."""

import sys

from holidays import country_holidays


def main(country: str, years: frozenset[int]) -> None:
    """Write them."""
    days = country_holidays(country, years=sorted(years), observed=True)
    # An observed day can fall into the year before (1 January on a Saturday): only the years that were asked for.
    sys.stdout.write("".join(f"{day.isoformat()}\n" for day in sorted(days) if day.year in years))


if __name__ == "__main__":
    main(sys.argv[1], frozenset(int(year) for year in sys.argv[2:]))

"""What people read, in their language. Spanish is the source; a catalogue per other language stands under ``locale``.

Texts with a place in them are written ``%(name)s``, in templates and here alike: whoever translates sees one style.

Babel is loaded where a date or a catalogue is wanted: a node that shows no page need not carry it.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from contracts.policy.words import Lang
from contracts.said import Said

LANGUAGES: Mapping[Lang, str] = {"es": "Español", "en": "English"}
"""Each language by its own name."""
_LOCALES: Mapping[Lang, str] = {"es": "es_GT", "en": "en_US"}


class Words:
    """One language: its texts, its dates, its times."""

    def __init__(self, lang: Lang, catalogue: NullTranslations) -> None:
        self.lang = lang
        self._locale = _LOCALES[lang]
        self.gettext = catalogue.gettext
        self.ngettext = catalogue.ngettext

    def say(self, text: str) -> str:
        """Return a sentence of ours in this language; any other text as it is."""
        if not isinstance(text, Said):
            return text
        spoken = self.gettext(text.template)
        return spoken % {name: self.say(value) for name, value in text.places.items()} if text.places else spoken

    def day(self, moment: datetime, zone: tzinfo) -> str:
        """Return a day with its name, on a clock of that zone."""
        from babel.dates import format_date  # noqa: PLC0415 - a node that shows no page need not carry it

        return format_date(moment.astimezone(zone), format="full", locale=self._locale)

    def calendar_day(self, day: date, format: str = "full") -> str:  # noqa: A002 - as Babel calls it
        """Return a day of the calendar with its name, or in another form of Babel's."""
        from babel.dates import format_date  # noqa: PLC0415 - as in `day`

        return format_date(day, format=format, locale=self._locale)

    def month(self, day: date) -> str:
        """Return the month of a day, with its year."""
        said = self.calendar_day(day, "LLLL y")
        return said[:1].upper() + said[1:]

    def weekday(self, day: date) -> str:
        """Return what a day of the week is called, in short."""
        return self.calendar_day(day, "EEE")

    def time(self, moment: datetime, zone: tzinfo) -> str:
        """Return a time of day, 24 hours, on a clock of that zone."""
        from babel.dates import format_time  # noqa: PLC0415 - a node that shows no page need not carry it

        return format_time(moment.astimezone(zone), format="HH:mm", locale=self._locale)

    def moment(self, moment: datetime, zone: tzinfo) -> str:
        """Return day and time."""
        return f"{self.day(moment, zone)}, {self.time(moment, zone)}"

    def short(self, moment: datetime, zone: tzinfo) -> str:
        """Return day and time as a table has room for."""
        from babel.dates import format_date  # noqa: PLC0415 - a node that shows no page need not carry it

        return f"{format_date(moment.astimezone(zone), format='medium', locale=self._locale)}, {self.time(moment, zone)}"

    def span(self, length: timedelta) -> str:
        """Return a length of time in its largest unit that people count in: minutes, hours to two days, then days."""
        minutes = max(0, int(length.total_seconds()) // 60)
        if minutes < 60:
            return self.gettext("%(number)s min") % {"number": minutes}
        if minutes < 48 * 60:
            return self.gettext("%(number)s h") % {"number": minutes // 60}
        from babel.dates import format_timedelta  # noqa: PLC0415 - a node that shows no page need not carry it

        return format_timedelta(timedelta(days=minutes // 1440), granularity="day", threshold=1e9, locale=self._locale)


def catalogue(lang: Lang) -> NullTranslations:
    """Return a language's catalogue as it stands in the package."""
    if lang == "es":
        return NullTranslations()
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - a node that shows no page need not carry it
    from babel.messages.pofile import read_po  # noqa: PLC0415 - a node that shows no page need not carry it

    source = files("gateway.console").joinpath("locale", lang, "LC_MESSAGES", "console.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source), locale=lang))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def words(lang: Lang) -> Words:
    """Return a language; its catalogue is read once."""
    return Words(lang, catalogue(lang))

"""Values that trap everyone: names, dates, documents, places, measures, phones, ages, languages. Pure (domain traps)."""

from contracts.values.parsed import Parsed, UnreadableValueError

__all__ = ["Parsed", "UnreadableValueError"]

"""Texts that are translated where they are shown. Apart from `words`, so that a command that shows none loads no catalogue."""


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark a text for translation where it is written."""
    return text

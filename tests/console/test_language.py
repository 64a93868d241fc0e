"""Spanish is the source, English is whole: no text without a translation, none that stands nowhere, no place lost."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from babel.messages.catalog import Catalog

from gateway.console.words import words
from tests.console.catalogue import CONSOLE, ENGLISH, english, renewed, written, wrong
from tests.console.visitor import Visitor
from tests.people.world import open_world

TEMPLATES = CONSOLE / "templates"


def test_every_text_has_its_english_and_the_catalogue_has_no_other():
    assert wrong(english()) == []
    assert renewed(english()) == ENGLISH.read_bytes(), "python -m tests.console.catalogue"


def test_control_a_text_without_english_and_one_that_lost_its_place_are_seen():
    made = Catalog(locale="en")
    made.add("Hola %(name)s", "")
    made.add("Adiós %(name)s", "Goodbye")
    made.add(("%(n)s día", "%(n)s días"), ("%(n)s day", ""))
    assert len(wrong(made)) == 3
    assert len(written()) > 100


def test_templates_say_nothing_that_is_not_marked_for_translation():
    for path in TEMPLATES.glob("*.html"):
        bare = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<style.*?</style>|<[^>]*>", " ", path.read_text(), flags=re.DOTALL)
        bare = re.sub(r'\b[a-z-]+="[^"]*"', " ", bare)  # a macro that is attributes alone
        left = set(re.findall(r"[^\W\d_]{2,}", bare)) - {"Paradero"}
        assert left == set(), path.name
        for value in re.findall(r'(?:aria-label|title|placeholder|alt|data-label)="([^"]*)"', path.read_text()):
            assert value.startswith("{{"), (path.name, value)


@pytest.mark.parametrize("page", ["oficial.md", "administrador.md"])
def test_the_handbooks_call_pages_and_buttons_what_they_are_called(page):
    told = (CONSOLE.parents[1] / "docs" / page).read_text("utf-8").split("## Lo mismo, en la consola")[1].split("\n## ")[0]
    named = {name for pair in re.findall(r"«([^»]+)»|\*\*([^*]+)\*\*", told) for name in pair if name}
    assert len(named) > 8
    assert named - set(written()) == set()


def test_dates_and_spans_are_said_in_each_language():
    moment, zone = datetime(2026, 11, 26, 18, 5, tzinfo=UTC), UTC
    assert words("es").moment(moment, zone) == "jueves, 26 de noviembre de 2026, 18:05"
    assert words("en").moment(moment, zone) == "Thursday, November 26, 2026, 18:05"
    assert [words("es").span(timedelta(minutes=number)) for number in (-5, 59, 60, 2879, 2880)] == [
        "0 min", "59 min", "1 h", "47 h", "2 días"
    ]  # fmt: skip
    assert words("en").span(timedelta(days=3)) == "3 days"


async def test_an_english_page_has_no_spanish_left(tmp_path, monkeypatch):
    spanish = {message[0] if isinstance(message, tuple) else message for message in written()}
    async with open_world(tmp_path, monkeypatch) as world:
        text = (await Visitor(world.base, language="en").get("/entrar")).text
    assert "Sign in" in text
    assert [message for message in spanish if f">{message}<" in text] == []

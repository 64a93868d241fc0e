"""The quick ways through a text give what the slow ones, spelt out here letter by letter, give."""

import re
import unicodedata
from datetime import date

from hypothesis import example, given
from hypothesis import strategies as st

from contracts.values import UnreadableValueError
from contracts.values.dates import parse_date
from contracts.values.names import normal_form
from contracts.values.text import _BARE, _LEARNT, _QUOTES, APOSTROPHES, plain, tidy, visible

TEXTS = st.one_of(
    st.text(max_size=40),
    st.text("aeioñnÑÁéíüç'’`ʼ\u0303\u0301\u0330 \u00a0\t\n\u200b\u0130ßŉ½٣﹣Kªº;\u037e.,-·012", max_size=40),
    st.text(st.characters(max_codepoint=0x2FF), max_size=40),
)
MANY = (
    example("Ma\u0301rquez  de\u00a0Leo\u0301n"), example("n\u0330\u0303"), example("`K'iche`"), example(" "), example("\x1c\x85\x1f"),
    example("İ ß ŉ ǹ\u0303"), example("\u2000\u3000x\u2028"), example("\U000e0001\ue000"), example(""),
)  # fmt: skip


def slow_visible(text):
    return "".join(c for c in text if c in "\t\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Cn"})


def slow_tidy(text):
    spaced = re.sub(r"[\s\x85]+", " ", text)
    return re.sub(r" +", " ", unicodedata.normalize("NFC", slow_visible(spaced))).strip()


def slow_plain(text):
    straight = unicodedata.normalize("NFKC", slow_tidy(text).translate(_QUOTES)).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFD", straight) if not unicodedata.combining(c))
    return re.sub(r"\s+", " ", "".join(str(unicodedata.decimal(c, c)) for c in bare)).strip()


def slow_normal_form(text):
    unified = "".join("'" if letter in APOSTROPHES else letter for letter in slow_tidy(text)).casefold()
    kept = []
    for letter in unicodedata.normalize("NFD", unified):
        if not unicodedata.combining(letter) or (letter == "\u0303" and kept and kept[-1] == "n"):
            kept.append(letter)
    return unicodedata.normalize("NFC", "".join(kept))


PAIRS = ((visible, slow_visible), (tidy, slow_tidy), (plain, slow_plain), (normal_form, slow_normal_form))


def _same(text):
    for quick, slow in PAIRS:
        assert quick(text) == slow(text), quick.__name__


def test_quick_and_slow_agree_on_every_letter_of_living_scripts_and_a_sample_of_the_rest():
    for code in (*range(0x3400), *range(0x3400, 0x110000, 53)):
        if not 0xD800 <= code <= 0xDFFF:
            letter = chr(code)
            for text in (letter, f"n{letter}a"):
                if tidy(text) != slow_tidy(text) or visible(text) != slow_visible(text):
                    raise AssertionError(hex(code))


@given(TEXTS)
def test_quick_and_slow_agree(text):
    _same(text)


for _example in MANY:
    test_quick_and_slow_agree = _example(test_quick_and_slow_agree)


def test_quick_and_slow_agree_on_every_letter_of_our_languages_and_their_neighbours():
    for code in range(0x600):
        for text in (chr(code), f"n{chr(code)}", f"a {chr(code)} {chr(code)}1"):
            _same(text)


def test_no_more_letters_are_remembered_than_our_languages_have():
    plain("".join(map(chr, range(0x3000, 0x4000))))
    assert max(_BARE) < _LEARNT


@given(st.from_regex(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}", fullmatch=True))
def test_bare_numbers_are_read_as_if_something_stood_around_them(text):
    read = []
    for written in (text, f" {text}.,"):  # the second takes the long way
        try:
            read.append(parse_date(written, today=date(2026, 11, 24)))
        except UnreadableValueError as error:
            read.append(error.code)
    assert read[0] == read[1]

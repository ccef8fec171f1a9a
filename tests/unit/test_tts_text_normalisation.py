"""Written English is said as people say it."""

from __future__ import annotations

import random
import time
from datetime import date

import pytest

from voicebot.languages.en.numbers_to_words import groups, spell, year
from voicebot.tts.text_normalisation import speakable

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # dates
        ("on 2026-11-24.", "on Tuesday, November twenty-fourth."),
        ("on 2028-02-29", "on Tuesday, February twenty-ninth, twenty twenty-eight"),
        ("11/24/2026", "Tuesday, November twenty-fourth"),
        ("Tuesday, November 24, 2026 at 10:30", "Tuesday, November twenty-fourth at ten thirty"),
        ("on 24 November", "on November twenty-fourth"),
        ("the 3rd of Dec 2027", "the third of December, twenty twenty-seven"),
        ("Tuesday the 24th of November at 10:30 AM", "Tuesday the twenty-fourth of November at ten thirty a.m."),
        ("2026-11-24T09:05", "Tuesday, November twenty-fourth at nine oh five"),
        ("2026-13-45", "two zero two six, one three, four five"),
        ("May 5 or may 5 people", "May fifth or may five people"),
        ("in 2019, the 1990s", "in twenty nineteen, the nineteen nineties"),
        # times
        ("10:30", "ten thirty"),
        ("14:05", "two oh five p.m."),
        ("9:00 am to 5 p.m.", "nine a.m. to five p.m."),
        ("12:00 and 0:00 and 12:30 am", "noon and midnight and twelve thirty a.m."),
        ("8:00", "eight o'clock"),
        ("open 10:00-12:00", "open ten o'clock to noon"),
        # money
        ("$45.20", "forty-five dollars and twenty cents"),
        ("$1", "one dollar"),
        ("$0.99, $0", "ninety-nine cents, zero dollars"),
        ("€1,200.50", "one thousand two hundred euros and fifty cents"),
        ("£1.01", "one pound and one penny"),
        ("20 USD", "twenty dollars"),
        ("$3.5 million", "three point five million dollars"),
        ("-$5", "minus five dollars"),
        # codes and phone numbers
        ("order 471102", "order four seven one, one zero two"),
        ("4 7 1 1 0 2", "four seven one, one zero two"),
        ("The code is 4711.", "The code is four seven one one."),
        ("Your PIN is 0042", "Your PIN is zero zero four two"),
        ("A7B", "eigh, seven, B"),
        ("NW-4711", "N, W, four seven one one"),
        ("A B C", "eigh, B, C"),
        ("A4 paper in 4K", "eigh four paper in four K"),
        ("Xk7pQ2", "capital X, K, seven, P, capital Q, two"),
        ("iPhone 15 and covid19", "iPhone fifteen and covid one nine"),
        ("A 5 minute walk", "A five minute walk"),
        ("N W 4 7 1 1", "N, W, four seven one one"),
        ("555-0199", "five five five, zero one nine nine"),
        ("(555) 123-4567", "five five five, one two three, four five six seven"),
        ("+15551234567", "plus one, five five five, one two three, four five six seven"),
        ("Call 911", "Call nine one one"),
        ("Room #12", "Room number one two"),
        # numbers
        ("1500 people", "one thousand five hundred people"),
        ("12,345 and 3.14", "twelve thousand three hundred forty-five and three point one four"),
        ("the 21st and 3rd", "the twenty-first and third"),
        ("-5", "minus five"),
        ("9-5", "nine to five"),
        ("24/7", "twenty-four seven"),
        # units
        ("5%", "five percent"),
        ("1 kg, 2.5 km, 30 min", "one kilogram, two point five kilometers, thirty minutes"),
        ("20 °C", "twenty degrees Celsius"),
        # words
        ("Dr. Smith, 5 Main St.", "Doctor Smith, five Main Street"),
        (
            "42nd St. in St. Paul, or 7 Oak St. by St. James",
            "forty-second Street in Saint Paul, or seven Oak Street by Saint James",
        ),
        (
            "Capt. Lee, Gov. Kay and Col. Poe of Kay Bros. and Poe Corp.",
            "Captain Lee, Governor Kay and Colonel Poe of Kay Brothers and Poe Corporation.",
        ),
        ("Bldg. 5, Ste. 3, Sat. and Sun.", "Building five, Suite three, Saturday and Sunday."),
        ("Say yes or no.", "Say yes or no."),
        ("She sat. We gen. up", "She sat. We gen. up"),
        # what looks like a unit
        ("5G or 5 g, 4M, row 7L", "five G or five grams, four M, row seven L"),
        # codes written with spaces
        ("I have 4 A B.", "I have four, eigh, B."),
        ("It's 7 K 2 Q 9, right?", "It's seven, K, two, Q, nine, right?"),
        ("IT, FAQ, PIN", "I.T., F.A.Q., PIN"),
        ("yes/no & more", "yes or no and more"),
        ("e.g. this", "for example, this"),
        ("WELCOME TO US", "WELCOME TO US"),
        ("Welcome to USA", "Welcome to U.S.A."),
        ("A person. I want plan B.", "A person. I want plan B."),
        ("No. 5, I said no.", "number five, I said no."),
        # addresses
        ("anna.m42@northwind.com", "anna dot M four two at northwind dot com"),
        ("https://www.northwind.com/help", "W.W.W. dot northwind dot com slash help"),
    ],
)
def test_is_said(written: str, said: str) -> None:
    assert speakable(written, TODAY) == said


def test_british_dates_begin_with_the_day() -> None:
    assert speakable("10/11/2026", TODAY, "en-GB") == "Tuesday the tenth of November"


def test_another_language_is_left_to_its_engine() -> None:
    assert speakable("Am 24.11. um 10:30", TODAY, "de-DE") == "Am 24.11. um 10:30"


def test_markup_and_control_characters_are_not_spoken() -> None:
    assert speakable("Hi\x00 [[h@'loU]] <break/>\r\n**there**", TODAY) == "Hi h at 'loU break there"


def test_nato_letters_are_told_on_demand() -> None:
    assert spell("A7B", nato=True) == "eigh as in Alfa, seven, B as in Bravo"


@pytest.mark.parametrize(
    ("code", "cut"),
    [
        ("4711", ["4711"]),
        ("47110", ["471", "10"]),
        ("471102", ["471", "102"]),
        ("4711021", ["471", "1021"]),
        ("47110211", ["4711", "0211"]),
        ("5551234567", ["555", "123", "4567"]),
    ],
)
def test_codes_are_grouped_as_people_dictate_them(code: str, cut: list[str]) -> None:
    assert groups(code) == cut


@pytest.mark.parametrize(
    ("number", "said"),
    [(2026, "twenty twenty-six"), (2005, "two thousand five"), (1905, "nineteen oh five"), (1900, "nineteen hundred")],
)
def test_years(number: int, said: str) -> None:
    assert year(number) == said


def test_any_text_comes_out_without_digits_and_in_bounded_time() -> None:
    """Hostile text (a backend, a caller's name) neither raises nor takes long, and no digit is left to the engine."""
    rng = random.Random(7)
    alphabet = "0123456789" * 3 + ".,:;-/+()#$€%@&*'\" \n" * 2 + "abAB TtpmPM" + "é…–²٣½𝟗"
    for length in [3, 10, 30, 100] * 100 + [2000] * 5:
        text = "".join(rng.choice(alphabet) for _ in range(length))
        said = speakable(text, TODAY)
        assert not any(c in "0123456789" for c in said), text
        assert "\n" not in said


@pytest.mark.parametrize(
    "nasty", ["1 " * 1000, "1-" * 1000, "A " * 1000, "a.a" * 700, "1,111" * 400, "@" * 2000, "9" * 2000, "(1) " * 500,
              "number " * 280 + "1", "www." * 500, "$" * 2000, "- " * 1000]
)  # fmt: skip
def test_no_rule_backtracks_for_long(nasty: str) -> None:
    begun = time.process_time()
    speakable(nasty, TODAY)
    assert time.process_time() - begun < 0.5

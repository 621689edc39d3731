"""Products: what a feed's raw texts mean, and what they do not."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.products import content, dollars, gravity, line, path, percent, rank

UNREADABLE = [
    *("", " ", "x", "n/a", "-", ".", "5.", ".5", "+5", "1,234.56", "1.234,56", "1 000", "1_0"),
    *("1e3", "1E7", "NaN", "nan", "Infinity", "-Infinity", "inf", "0x10", "$5", "5%", "5 USD"),
    *("\uff11\uff12", "\u0661", "5\u00a05", "1.5.5", "--5", "9" * 41, "5\x00", "\u22125"),
]


@pytest.mark.parametrize("text", [None, *UNREADABLE], ids=ascii)
def test_what_is_no_plain_decimal_is_no_number_and_not_zero(text: str | None) -> None:
    found = [read(text) for read in (percent, dollars, gravity, rank)]

    assert found == [None] * 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("0", "0.00"), ("0.0", "0.00"), ("-0.0", "0.00"), ("31.9", "31.90"), (" 7 ", "7.00")),
        *(("48.2731", "48.27"), ("0.005", "0.01"), ("0.0049", "0.00"), ("2.675", "2.68")),
        *(("99999999.99", "99999999.99"), ("99999999.994", "99999999.99"), ("007", "7.00")),
    ],
)
def test_numbers_are_rounded_half_up_to_two_places(text: str, value: str) -> None:
    assert (str(dollars(text)), str(gravity(text))) == (value, value)


@pytest.mark.parametrize("text", ["99999999.995", "100000000", "9" * 40])
def test_what_the_column_cannot_hold_is_no_number(text: str) -> None:
    assert dollars(text) is None
    assert dollars("-" + text) is None


def test_earnings_may_be_negative_but_gravity_and_percents_not() -> None:
    assert dollars("-1.005") == Decimal("-1.01")
    assert gravity("-1") is None
    assert percent("-0.01") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", "0.00"), ("100", "100.00"), ("100.0", "100.00"), ("61.4", "61.40"), ("0.125", "0.13")],
)
def test_percents_are_those_from_0_to_100(text: str, value: str) -> None:
    assert str(percent(text)) == value


@pytest.mark.parametrize("text", ["100.004", "101", "1000"])
def test_more_than_all_is_no_percent(text: str) -> None:
    assert percent(text) is None


@given(st.decimals("-99999999.99", "99999999.99", places=4))
def test_any_plain_decimal_is_itself_to_two_places(value: Decimal) -> None:
    found = dollars(f"{value:f}")

    exact = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert found == (exact if abs(exact) < Decimal("100000000") else None)


@given(st.text(alphabet="0123456789.-+eE_, \uff11NaInf%$", max_size=45))
def test_whatever_stands_there_a_number_fits_its_column(text: str) -> None:
    for read, least, most in (
        (percent, "0", "100"),
        (dollars, "-99999999.99", "99999999.99"),
        (gravity, "0", "99999999.99"),
    ):
        found = read(text)
        assert found is None or (
            Decimal(least) <= found <= Decimal(most) and found.as_tuple().exponent == -2
        )


@pytest.mark.parametrize(
    ("text", "place"),
    [("1", 1), (" 12\n", 12), ("2147483647", 2**31 - 1), ("0", None), ("-1", None), ("1.0", None),
     ("2147483648", None), ("1st", None)],
)  # fmt: skip
def test_a_rank_is_an_integer_from_1(text: str, place: int | None) -> None:
    assert rank(text) == place


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("  Two \t words\n", "Two words"),
        ("a\u00a0b\u2003c", "a b c"),
        ("caf&eacute; &amp; bar", "café & bar"),
        ("caf&amp;eacute;", "café"),
        ("a &amp;amp;amp; b", "a &amp; b"),
        ("R&D&notes &copy 2020 &nosuch; & &;", "R&D&notes &copy 2020 &nosuch; & &;"),
        ("5 &lt; 6 &#8212; &#x2014; &#150;", "5 < 6 — — \u2013"),
        ("<b>Big</b> <I>news</I>!", "Big news!"),
        ("&lt;b&gt;Big&lt;/b&gt;", "Big"),
        ("&amp;lt;br/&amp;gt;one<br>two<br />three", "one two three"),
        ('<p class="x">a</p><p>b</p><div>c</div><h1>d</h1><li>e', "a b c d e"),
        ("<font color='red'>a</font><a href=\"http://x/?a>b\">c</a>", 'ab">c'),
        ("Fern Mill <Composting> in 30 Days", "Fern Mill <Composting> in 30 Days"),
        ("a < b > c, <br and <bold>", "a < b > c, <br and <bold>"),
        ("x\x00y\x81z\ud800!", "xyz!"),
        ("&#0;&#xD800;a", "\ufffd\ufffda"),
        ("&nbsp;", ""),
        ("Größe — ½ 😀", "Größe — ½ 😀"),
    ],
    ids=ascii,
)
def test_a_text_is_one_line_for_people(text: str, means: str) -> None:
    assert line(text) == means


@given(st.text(st.sampled_from("ab <>/&;#xamplt\t\x00\x85\ud800é")))
def test_any_text_becomes_something_that_a_row_can_hold(text: str) -> None:
    found = line(text)

    found.encode()
    assert "\0" not in found
    assert found == found.strip()
    assert "  " not in found


@given(st.text(st.sampled_from("abcé .,—"), max_size=30))
def test_a_text_without_markup_stays_as_it_is(text: str) -> None:
    assert line(text) == " ".join(text.split())


def test_hostile_texts_are_cut_before_they_are_read() -> None:
    for text in ("&amp;" * 2_000_000, "<b " * 2_000_000, "<" * 5_000_000, " " * 5_000_000):
        assert len(content("x", {"Description": text}).description) <= 100_000


def test_an_empty_listing_has_its_id_for_a_title_and_no_numbers() -> None:
    assert content("shop", {}) == ("shop", "", None, None, None, None, False)
    assert content("shop", {"Title": " <b></b>&nbsp; "}).title == "shop"


def test_texts_are_cut_to_their_columns_by_characters() -> None:
    found = content("shop", {"Title": "😀" * 501, "Description": "é" * 100_001})

    assert found.title == "😀" * 500
    assert found.description == "é" * 100_000
    assert content("shop", {"Title": "a" * 499 + " b"}).title == "a" * 499


@pytest.mark.parametrize(
    ("elements", "rate"),
    [
        ({"Commission": "75", "PercentPerSale": "50.5"}, "75.00"),
        ({"Commission": "0", "PercentPerSale": "50.5"}, "0.00"),
        ({"Commission": "", "PercentPerSale": "50.5"}, "50.50"),
        ({"Commission": "NaN", "PercentPerSale": "50.5"}, "50.50"),
        ({"Commission": "101", "PercentPerSale": "50.5"}, "50.50"),
        ({"PercentPerSale": "50.5"}, "50.50"),
        ({"PercentPerSale": "505"}, "None"),
    ],
)
def test_the_rate_is_what_is_offered_or_else_what_was_paid(
    elements: dict[str, str], rate: str
) -> None:
    assert str(content("shop", elements).commission_rate) == rate


def test_earnings_are_read_by_their_names_of_the_first_version_too() -> None:
    old = content("shop", {"TotalEarningsPerSale": "20.5", "EarnedPerSale": "10"})
    both = content("shop", {"TotalEarningsPerSale": "20.5", "AverageEarningsPerSale": "?"})

    assert (old.commission_amount, old.initial_sale_amount) == (Decimal("20.50"), Decimal("10.00"))
    assert both.commission_amount is None


@pytest.mark.parametrize(
    ("text", "rebill"),
    [("true", True), (" TRUE ", True), ("True", True), ("false", False), ("1", False), ("", False)],
)
def test_rebills_are_told_in_a_word(text: str, *, rebill: bool) -> None:
    assert content("shop", {"HasRecurringProducts": text}).rebill is rebill


def test_a_path_joins_the_names_from_the_main_category_down() -> None:
    assert path(("Home & Garden", " Crafts &amp; \n Hobbies ")) == (
        "Home & Garden > Crafts & Hobbies"
    )
    assert path(("A", "", " ", "B")) == "A > B"
    assert path(()) == ""
    assert path(("x" * 300,)) == "x" * 255
    assert path(("x" * 253, "y")) == "x" * 253

"""The marketplace feed: what its sample says, to the letter, and that a part of it is nothing."""

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from integrations.feeds import FeedRefused, opened
from integrations.marketplace import Site, sites
from rules.products import content, path, rank
from tests.feed_making import refusal_of, sites_of

SAMPLE = Path(__file__).parents[1] / "data" / "marketplace_sample.xml"
GARDEN, CRAFTS = "Home & Garden", "Home & Garden > Crafts & Hobbies"
SCHOOL, EXAMS = "Education / Languages", "Education / Languages > Exam Preparation"

# path, rank, id, title, rate, amount, initial sale, gravity, rebill; in the order of the file
EXPECTED = """
{GARDEN}|1|hearthlog|HearthLog Firewood Planner|55.00|24.60|24.60|31.90|no
{GARDEN}|2|quiltpath|Quilt Path - 40 Beginner Patterns & Video Lessons|60.00|52.18|33.07|48.27|yes
{GARDEN}|3|fernmill|Fern Mill <Composting> in 30 Days|75.00|17.93|17.93|12.05|no
{GARDEN}|4|gartenuhr|Die Gartenuhr - Säen & Ernten|50.00|31.40|18.20|4.70|yes
{GARDEN}|5|roofrain|Roof Rain Collector's Guide|65.00|12.10|12.10|0.93|no
{GARDEN}|6|oldtaps|Old Taps Made New|50.00|0.00|0.00|0.00|no
{CRAFTS}|1|quiltpath|Quilt Path - 40 Beginner Patterns & Video Lessons|60.00|52.18|33.07|48.27|yes
{CRAFTS}|2|tidepilot|TidePilot: Read the Shore Like a Local|60.00|47.90|30.66|22.44|yes
{CRAFTS}|3|paperkoi|Paper Koi Origami Club|50.00|20.20|9.80|9.16|yes
{CRAFTS}|4|bottleshp|Ships in Bottles, Plain & Simple|70.00|14.77|14.77|3.30|no
{CRAFTS}|5|lacewing|Lacewing Tatting Basics|50.00|0.00|0.00|0.00|no
{CRAFTS}|6|woodspoon|Carve a Spoon Tonight|60.00|11.50|11.50|1.00|no
{SCHOOL}|1|voyelles|Voyelles — le français à l\u2019oreille|65.00|63.25|38.10|57.80|yes
{SCHOOL}|2|numsteps|Number Steps: Mental Maths < 10 Minutes a Day|75.00|22.34|22.34|26.75|no
{SCHOOL}|3|oirhablar|Oír y Hablar: Español para Niños|50.00|35.00|21.50|14.62|yes
{SCHOOL}|4|tidepilot|TidePilot: Read the Shore Like a Local|60.00|47.90|30.66|22.44|yes
{SCHOOL}|5|skynames|Sky Names: Learn 88 Constellations|50.00|13.90|13.90|5.50|no
{SCHOOL}|6|007typist|Licence to Type (Touch Typing Drills)|40.00|9.99|9.99|2.48|no
{SCHOOL}|7|studyfox|Study Fox Planner®|50.00|0.00|0.00|0.00|no
{EXAMS}|1|drivepass|Drive Pass - Theory Test Trainer|52.00|29.60|16.40|19.03|yes
{EXAMS}|2|boatpass|Boat Pass: Inland Licence Course|60.00|34.12|34.12|7.70|no
{EXAMS}|3|nursequiz|Nurse Quiz 'Pocket' Edition|50.00|27.50|19.00|6.01|yes
{EXAMS}|4|mapreader|Map Reader Badge Course|50.00|10.05|10.05|1.85|no
{EXAMS}|5|hamradio1|First Radio Licence, Explained|45.00|8.80|8.80|0.41|no
{EXAMS}|6|chessexam|Chess Arbiter Exam Notes|50.00|6.30|6.30|0.25|no
{EXAMS}|7|signtest|Sign Language Level 1 Test Pack|55.00|19.70|15.10|3.14|yes
""".strip()


def read() -> list[Site]:
    """All sites of the sample."""
    with opened(SAMPLE) as feed:
        return list(sites(feed))


def row(site: Site) -> str:
    """A site as a line of `EXPECTED`."""
    told = content(site.clickbank_id, site.elements)
    numbers = [told.commission_rate, told.commission_amount, told.initial_sale_amount, told.gravity]
    words = [path(site.path), rank(site.rank), site.clickbank_id, told.title, *numbers]
    return "|".join([*map(str, words), "yes" if told.rebill else "no"])


def test_the_sample_says_exactly_what_its_reference_describes() -> None:
    found = read()

    names = {"GARDEN": GARDEN, "CRAFTS": CRAFTS, "SCHOOL": SCHOOL, "EXAMS": EXAMS}
    assert [row(site) for site in found] == [
        line.format_map(names) for line in EXPECTED.split("\n")
    ]
    assert len(found) == 26
    assert len({site.clickbank_id for site in found}) == 24
    assert len({site.path for site in found}) == 4


def test_descriptions_of_the_sample_are_whole_or_empty() -> None:
    told = {
        site.clickbank_id: content(site.clickbank_id, site.elements).description for site in read()
    }

    assert {name for name, text in told.items() if not text} == {
        "roofrain",
        "chessexam",
        "lacewing",
    }
    assert told["hamradio1"] == "Ohm·meter - Ω included; ½ price for clubs."
    assert told["voyelles"] == (
        "Apprenez à entendre les voyelles: é, è, ê, œ. Idéal pour débutants."
    )
    assert told["quiltpath"].endswith("stitch\N{NON-BREAKING HYPHEN}along for subscribers.")


def test_elements_are_kept_as_they_stand() -> None:
    by_id = {site.clickbank_id: site.elements for site in read()}

    assert by_id["hearthlog"] == {
        "Id": "HEARTHLOG",
        "PopularityRank": "1",
        "Title": "HearthLog Firewood Planner",
        "Description": "Burn less, stay warm: a planner for wood stoves, with a moisture log and"
        ' "when to stack" reminders.',
        "HasRecurringProducts": "false",
        "Gravity": "31.9",
        "PercentPerSale": "55.0",
        "PercentPerRebill": "0.0",
        "AverageEarningsPerSale": "24.6",
        "InitialEarningsPerSale": "24.6",
        "TotalRebillAmt": "0.0",
        "Referred": "72.5",
        "Commission": "55",
        "ActivateDate": "2019-11-21",
    }
    assert by_id["woodspoon"]["ActivateDate"] == ""
    assert "Description" not in by_id["roofrain"]
    assert by_id["lacewing"]["Description"] == ""
    assert "PercentPerRebill" not in by_id["fernmill"]


def test_another_parser_reads_the_same_elements() -> None:
    tree = ElementTree.parse(SAMPLE)  # noqa: S314 - a file of our own

    assert [site.elements for site in read()] == [
        {child.tag: child.text or "" for child in one} for one in tree.iter("Site")
    ]


def passing(sizes: Iterable[int]) -> list[int]:
    """At which sizes a cut sample is taken for a feed."""
    whole = SAMPLE.read_bytes()
    found = []
    for size in sizes:
        try:
            sites_of(whole[:size])
        except FeedRefused:
            continue
        found.append(size)
    return found


def test_a_feed_that_is_cut_is_refused_wherever_it_is_cut() -> None:
    whole = SAMPLE.read_bytes()
    end = whole.rindex(b">") + 1

    assert passing(range(0, end - 300, 61)) == []
    assert passing(range(end - 300, len(whole) + 1)) == list(range(end, len(whole) + 1))
    assert len(sites_of(whole[:end])) == 26


@pytest.mark.long
def test_a_feed_cut_at_any_byte_is_refused() -> None:
    end = SAMPLE.read_bytes().rindex(b">") + 1

    assert passing(range(end)) == []


@pytest.mark.parametrize("size", [0, 1, 20])
def test_a_feed_of_nothing_but_space_is_empty(size: int) -> None:
    assert refusal_of(b"\n" * size).reason == "empty"

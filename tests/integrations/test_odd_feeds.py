"""Feeds that are well-formed but not as usual: what can be read of them is read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.feed_text import meant
from integrations.marketplace import sites
from tests.feed_making import catalog, feed_of, refusal_of, site, sites_of


def test_categories_lie_in_one_another_to_any_depth() -> None:
    deep = "<Category><Name>C</Name>" + site("DEEP") + "</Category>"
    deep = f"<Category><Name>B</Name>{deep}{site('MIDDLE')}</Category>"

    found = sites_of(catalog(deep, site("OUTER"), name="A"))

    assert [(one.clickbank_id, one.path) for one in found] == [
        ("deep", ("A", "B", "C")),
        ("middle", ("A", "B")),
        ("outer", ("A",)),
    ]


def test_a_category_may_tell_its_name_after_its_sites() -> None:
    inner = f"<Category>{site('FIRST')}<Name>In</Name>{site('SECOND')}</Category>"
    found = sites_of(
        f"<Catalog><Category>{inner}{site('THIRD')}<Name>Out</Name></Category></Catalog>"
    )

    assert [(one.clickbank_id, one.path) for one in found] == [
        ("first", ("Out", "In")),
        ("second", ("Out", "In")),
        ("third", ("Out",)),
    ]


def test_a_category_may_have_no_name_at_all() -> None:
    inner = f"<Category><Name/>{site('FIRST')}</Category><Category>{site('SECOND')}</Category>"
    found = sites_of(catalog(inner, site("THIRD")) + "\n")

    assert [one.path for one in found] == [("Art",), ("Art",), ("Art",)]


def test_very_many_sites_do_not_wait_for_a_name() -> None:
    many = "".join(site(f"S{number}") for number in range(12_000))

    found = list(sites(feed_of(f"<Catalog><Category>{many}<Name>Late</Name></Category></Catalog>")))

    assert len(found) == 12_000
    assert {one.path for one in found} == {()}


def test_a_name_as_long_as_a_book_is_cut() -> None:
    (found,) = sites_of(catalog(site(), name="x" * 100_000))

    assert found.path == ("x" * 1_000,)


def test_a_site_may_stand_outside_of_all_categories() -> None:
    found = sites_of(f"<Catalog>{site('A')}<Group>{site('B')}</Group></Catalog>")

    assert [(one.clickbank_id, one.path) for one in found] == [("a", ()), ("b", ())]


def test_ids_differ_in_case_and_space_and_are_one() -> None:
    found = sites_of(catalog(site("Shop"), site("SHOP"), site("\n  shop\t")))

    assert [one.clickbank_id for one in found] == ["shop", "shop", "shop"]
    assert found[0].elements["Id"] == "Shop"


@pytest.mark.parametrize(
    "odd",
    ["", " ", "two words", "a&#9;b", "x" * 101, "a&#xA0;b", "&#x200B;"],
    ids=["empty", "blank", "words", "tab", "long", "nbsp", "zero width"],
)
def test_a_site_without_an_id_is_skipped_and_counted(odd: str) -> None:
    listing = sites(feed_of(catalog(site(odd), "<Site><Title>x</Title></Site>", site("GOOD"))))

    assert [one.clickbank_id for one in listing] == ["good"]
    assert listing.skipped == 2


def test_elements_come_in_any_order_and_unknown_ones_are_kept() -> None:
    (found,) = sites_of(
        catalog("<Site><Mobile>yes</Mobile><Title>T</Title><PopularityRank>7</PopularityRank>"
                "<Id>SHOP</Id></Site>")
    )  # fmt: skip

    assert found == (
        "shop",
        ("Art",),
        "7",
        {"Mobile": "yes", "Title": "T", "PopularityRank": "7", "Id": "SHOP"},
    )


def test_of_a_repeated_element_the_first_that_is_not_empty_counts() -> None:
    (found,) = sites_of(
        catalog(site(rest="<Title/><Title> </Title><Title>One</Title><Title>Two</Title>"))
    )

    assert found.elements["Title"] == "One"


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("A <b>bold</b> move", "A bold move"),
        ("<![CDATA[A <b>bold</b> & free move]]>", "A <b>bold</b> & free move"),
        ("one <!-- a remark --> two", "one  two"),
        ("one<?php echo 1 ?>two", "onetwo"),
        ("<Title>T<Title>w</Title>o</Title>", "Two"),
        ("<a><b><c>deep</c></b></a>", "deep"),
        ("A > B", "A > B"),
        ("A \x96 &#150; &#x96; é", "A \u2013 \u2013 \u2013 é"),
        ("caf&eacute;&nbsp;&nosuch;", "café\xa0&nosuch;"),
        ("&amp;eacute; &lt;br&gt; &#8212; &#x2014; &quot;&apos;", "&eacute; <br> — — \"'"),
        ("\n two\r\n lines ", "\n two\n lines "),
        ("a ] ]] b", "a ] ]] b"),
    ],
    ids=lambda one: None,
)
def test_markup_within_an_element_gives_its_text(text: str, means: str) -> None:
    """The first site goes the parser's way, the others the short one if they are plain."""
    found = sites_of(catalog(site(Title=text, Gravity="1.5") * 3))

    assert [one.elements for one in found] == [{"Id": "SHOP", "Title": means, "Gravity": "1.5"}] * 3


def test_layouts_that_look_alike_are_told_apart() -> None:
    shapes = [
        *("<a.b>1</a.b>", "<axb>2</axb>", "<a-b>3</a-b>", "<a.b/>", "<A.B>4</A.B>", "<a.b> </a.b>"),
        *("<a.b>5</a.b><c/>", "<c/><a.b>6</a.b>", "\n<a.b>7</a.b>\n", "<a.b>8</a.b>"),
    ]

    found = sites_of(catalog(site("FIRST"), *(site(rest=one) for one in shapes * 2)))

    assert [list(one.elements.values())[1:] for one in found[1:]] == [
        ["1"], ["2"], ["3"], [""], ["4"], [" "], ["5", ""], ["", "6"], ["7"], ["8"],
    ] * 2  # fmt: skip
    assert [next(reversed(one.elements)) for one in found[1:4]] == ["a.b", "axb", "a-b"]


@pytest.mark.parametrize(
    "head",
    [
        '<?xml version="1.0" standalone="yes"?>',
        '<?xml version="1.1"?>\n',
        '\n <?xml version="1.0" encoding="utf-8" ?>',
        '<!DOCTYPE Catalog SYSTEM "marketplace_feed_v2.dtd">',
        '<!DOCTYPE Catalog PUBLIC "-//X" "http://127.0.0.1:1/x.dtd" []>',
        "<!DOCTYPE Catalog [<!ELEMENT Catalog ANY>]>",
    ],
)
def test_whatever_stands_before_the_catalogue_hinders_nothing(head: str) -> None:
    (found,) = sites_of(catalog(site(Title="caf&eacute;"), head=head))

    assert found.elements["Title"] == "café"


def test_a_character_declared_by_the_feed_is_that_character() -> None:
    head = '<!DOCTYPE Catalog [<!ENTITY shop "Caf&#233; Royal"><!ENTITY amp "&#38;#38;">]>'
    (found,) = sites_of(catalog(site(Title="&shop; &amp; Sons"), head=head))

    assert found.elements["Title"] == "Café Royal & Sons"


@pytest.mark.parametrize("around", ['<Catalog xmlns="urn:x">', '<cb:Catalog xmlns:cb="urn:x">'])
def test_a_namespace_changes_nothing(around: str) -> None:
    text = catalog(site(Title="T"))[len("<Catalog>") : -len("</Catalog>")]
    if "cb:" in around:
        text = text.replace("</", "\0").replace("<", "<cb:").replace("\0", "</cb:")
        (found,) = sites_of(f"{around}{text}</cb:Catalog>")
    else:
        (found,) = sites_of(f"{around}{text}</Catalog>")

    assert (found.path, found.elements) == (("Art",), {"Id": "SHOP", "Title": "T"})


def test_a_site_in_a_comment_or_a_text_is_none() -> None:
    hidden = f"<!-- {site('A')} -->", f"<![CDATA[{site('B')}]]>", f"<!-- {site('C')} -->"
    found = sites_of(catalog(*hidden, site("REAL"), f"<!--{site('D')}-->", site("LAST")))

    assert [one.clickbank_id for one in found] == ["real", "last"]


@pytest.mark.parametrize("root", ["Feed", "catalog", "rss", "Site"])
def test_a_document_of_something_else_is_refused(root: str) -> None:
    refused = refusal_of(f"<{root}>{site()}</{root}>")

    assert refused.reason == "damaged"
    assert root in str(refused)


@pytest.mark.parametrize("text", ["<Catalog/>", "<Catalog></Catalog>", catalog()])
def test_a_catalogue_of_nothing_is_empty(text: str) -> None:
    assert refusal_of(text).reason == "empty"


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><html><body>gone</body></html>",
        "<!doctype HTML>\n<p>gone",
        "<html><head></head></html>",
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>',
        "\ufeff <!-- moved --> <HTML>",
    ],
)
def test_a_web_page_is_told_as_one(text: str) -> None:
    assert refusal_of(text).reason == "html"


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ("<Site>\n<Id>A</Id></Sit>", 4),
        ("\n<Site><Id>A\x0bB</Id></Site>", 4),
        ("\n<Site><Id>A&#11;</Id></Site>", 4),
        ("\n<Site><Id>A & B</Id></Site>", 4),
        ("\n<Site><Id>A]]>B</Id></Site>", 4),
        ("\n<Site><Id>A&#xFFFE;</Id></Site>", 4),
        ("\n<Site><Id>A\uffffB</Id></Site>", 4),
        ("\n<Site><Id a=1>A</Id></Site>", 4),
        ("\n<a x='<Site><Id>A</Id></Site>'/>", 4),
        ("\n<a x='" + site() + "'/>", 4),
        ("\n</Category></Catalog>junk", 4),
    ],
    ids=lambda one: None,
)
def test_damage_is_told_with_its_line(broken: str, line: int) -> None:
    refused = refusal_of(catalog("\n", site("FIRST"), "\n", site("SECOND"), broken))

    assert refused.reason == "damaged"
    assert str(refused).endswith(f"in line {line}.")


_NAMES = st.sampled_from(["Title", "Gravity", "a.b", "axb", "a-", "é", "Id", "PopularityRank"])
_SOUND_TEXT = st.lists(
    st.sampled_from(["a", " b ", "é", "—", "😀", ">", "]", "'", "\n", "\r\n", "\x96", "&amp;",
                     "&#150;", "&#xE9;", "&lt;b>", "&#13;", "&eacute;"])
).map("".join)  # fmt: skip
_SOUND = st.one_of(
    st.builds("<{0}>{1}</{0}>".format, _NAMES, _SOUND_TEXT),
    st.builds("{1}<{0}/>".format, _NAMES, st.sampled_from(["", "\n  "])),
    st.builds("<{0}>{1}</{0} >".format, _NAMES, st.sampled_from(["", "x"])),
)
_BROKEN = st.one_of(
    st.text(st.sampled_from("ab <>&;]\"'\n\r\té\x96—#1x/"), max_size=8),
    st.sampled_from(["<!-- x -->", "<![CDATA[</Site>]]>", "<b>", "</b>", "&#0;", "]]>", "<Site>"]),
)
_SITES = st.one_of(
    st.lists(_SOUND, max_size=5).map("".join),
    st.lists(st.one_of(_SOUND, _BROKEN), max_size=4).map("".join),
)


@settings(max_examples=300)
@given(st.lists(_SITES, min_size=1, max_size=4))
def test_the_short_way_reads_what_the_parser_reads(inner: list[str]) -> None:
    """The parser is made to read each site itself by an attribute that says nothing."""
    plain = catalog(*(f"\n<Site><Id>A</Id>{one}</Site>" for one in ["", *inner]))
    parsed = plain.replace("\n<Site>", "\n<Site by='parser'>")

    def outcome(text: str) -> object:
        try:
            return sites_of(text)
        except Exception as error:
            return type(error), str(error)

    assert outcome(plain) == outcome(parsed)


def test_controls_between_the_scripts_become_what_windows_has_there() -> None:
    assert meant("\x96 \x80 \x93a\x94 é \x81") == "\u2013 € “a” é \x81"

"""The ECB's rates: all its files say the same, and nonsense is told with its place."""

from datetime import date
from decimal import Decimal

import pytest

from base.errors import Refused
from rules.euro_rates import days, dollars

CSV = """Date,USD,JPY,GBP,TRL,
2026-11-20,1.1600,180.25,0.8800,N/A,
2026-11-19,1.1500,179.10,0.8790,N/A,
2026-11-18,N/A,178.00,0.8780,N/A,
"""
XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
    xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <Cube>
    <Cube time='2026-11-20'>
      <Cube currency='USD' rate='1.1600'/><Cube currency='JPY' rate='180.25'/>
      <Cube currency='GBP' rate='0.8800'/>
    </Cube>
    <Cube time="2026-11-19">
      <Cube currency="USD" rate="1.1500"/><Cube currency="JPY" rate="179.10"/>
      <Cube currency="GBP" rate="0.8790"/>
    </Cube>
    <Cube time="2026-11-18">
      <Cube currency="JPY" rate="178.00"/><Cube currency="GBP" rate="0.8780"/>
    </Cube>
  </Cube>
</gesmes:Envelope>
"""
DAILY = "Date, USD, JPY, GBP, \n20 November 2026, 1.1600, 180.25, 0.8800, \n"


def test_csv_and_xml_say_the_same() -> None:
    assert list(days(CSV)) == list(days(XML))
    assert list(days(DAILY)) == list(days(CSV))[:1]


def test_a_unit_is_worth_its_dollars_of_that_day() -> None:
    found = {day: dollars(of_euro) for day, of_euro in days(CSV)}

    assert found[date(2026, 11, 20)] == {
        "EUR": Decimal("1.16"), "JPY": Decimal("0.0064355062"), "GBP": Decimal("1.3181818182"),
    }  # fmt: skip
    assert found[date(2026, 11, 18)] == {}


def test_what_is_worth_nothing_that_can_be_kept_is_left_out() -> None:
    rates = {"USD": Decimal("1"), "TRL": Decimal("999999999999")}

    assert dollars(rates) == {"EUR": Decimal("1")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "columns"),
        ("Day,USD\n2026-11-20,1\n", "columns"),
        ("Date,USD\n2026-02-30,1\n", "line 2"),
        ("Date,USD\n2026-11-20,1,5\n2026-11-19,1e5\n", "line 3"),
        ("Date,USD\n2026-11-20,NaN\n", "no rate"),
        ("Date,USD\n2026-11-20,-1\n", "no rate"),
        ("Date,USD\n2026-11-20,0\n", "no rate"),
        ("<Cube", "no XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a/>', "entities"),
        ("<a><Cube time='x'/></a>", "no day"),
    ],
)
def test_what_is_no_file_of_the_ecb_is_told(text: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        list(days(text))

"""The European Central Bank's reference rates: from euros per day to dollars per unit.

Its files (eurofxref-daily, -hist-90d, -hist; CSV, XML, or CSV in a ZIP) say what one euro was
worth in other currencies on a working day, and `N/A` where there was no rate
(www.ecb.europa.eu, "Euro foreign exchange reference rates", read in November 2026).
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from xml.etree.ElementTree import ParseError, fromstring

from base.errors import Refused

EURO, DOLLAR = "EUR", "USD"
_PLACES = Decimal("0.0000000001")  # of rates.dollars
_LARGEST = Decimal(10) ** 10
_CODE = re.compile("[A-Z]{3}")
_RATE = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_ABSENT = ("N/A", "-", "")
_MOST_DAYS = 100_000

Day = tuple[date, Mapping[str, Decimal]]  # what one euro was worth


def days(text: str) -> Iterator[Day]:
    """The days of a file in its order; raises `Refused` with the place of what is no rate."""
    head = text.lstrip("\ufeff \r\n\t")
    found = _of_xml(head) if head.startswith("<") else _of_csv(head)
    for number, day in enumerate(found):
        if number >= _MOST_DAYS:
            raise Refused(f"The file holds more than {_MOST_DAYS:,} days.")
        yield day


def dollars(of_euro: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Dollars for one unit of each currency on a day; empty when that day has no dollar rate.

    A unit worth less than can be kept, or more, is left out.
    """
    dollar = of_euro.get(DOLLAR)
    if dollar is None:
        return {}
    found = {EURO: dollar} | {
        code: dollar / rate for code, rate in of_euro.items() if code not in (DOLLAR, EURO)
    }
    kept = {code: rate.quantize(_PLACES) for code, rate in found.items() if rate < _LARGEST}
    return {code: rate for code, rate in kept.items() if rate > 0}


def _of_csv(text: str) -> Iterator[Day]:
    rows = csv.reader(io.StringIO(text))
    head = [cell.strip() for cell in next(rows, [])]
    if not head or head[0] != "Date" or DOLLAR not in head:
        raise Refused("The first line must name the columns: Date,USD,JPY,…")
    for number, row in enumerate(rows, 2):
        if any(cell.strip() for cell in row):
            where = f"line {number}"
            yield _day(row[0].strip(), where), _rates(zip(head[1:], row[1:], strict=False), where)


def _of_xml(text: str) -> Iterator[Day]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Refused("The XML declares entities, which the ECB's does not.")
    try:
        root = fromstring(text)  # noqa: S314 (without entities there is nothing to blow up)
    except ParseError as error:
        raise Refused(f"The file is no XML: {error}.") from None
    for element in root.iter():
        if (told := element.get("time")) is not None:
            pairs = ((cube.get("currency", ""), cube.get("rate", "")) for cube in element)
            yield _day(told, told), _rates(pairs, told)


def _day(told: str, where: str) -> date:
    """`2026-11-20`, or `20 November 2026` as in the daily CSV."""
    for form in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(told, form).date()
        except ValueError:
            continue
    raise Refused(f"{where}: {told[:30]!a} is no day.")


def _rates(pairs: Iterable[tuple[str, str]], where: str) -> dict[str, Decimal]:
    found = {}
    for code, told in ((code.strip(), told.strip()) for code, told in pairs):
        if told in _ABSENT or not code:
            continue
        if not _CODE.fullmatch(code) or not _RATE.fullmatch(told) or not (rate := Decimal(told)):
            raise Refused(f"{where}: {code[:10]!a} at {told[:30]!a} is no rate.")
        found[code] = rate
    return found

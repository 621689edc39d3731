"""`hopfleet rates import`: the ECB's file in any of its forms, as often as one likes."""

import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from db import rates
from tests.conftest import Connect
from tests.ops.cli.conftest import Run
from tests.rules.test_euro_rates import CSV, XML


@pytest.mark.parametrize("kind", ["csv", "xml", "zip"])
def test_a_file_becomes_rates(run: Run, connect: Connect, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"eurofxref-hist.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("eurofxref-hist.csv", CSV)
    else:
        file.write_text(CSV if kind == "csv" else XML)

    said = run("rates", "import", str(file), "--json")
    again = run("rates", "import", str(file))

    assert said.json == {"days": 2, "currencies": 3, "rates": 6, "skipped_days": 1}
    assert "1 days without a dollar rate" in said.err
    assert again.out == "6 rates of 3 currencies on 2 days.\n"
    sunday = date(2026, 11, 22)
    assert rates.find(connect(), [("GBP", sunday)]) == {
        ("GBP", sunday): (date(2026, 11, 20), Decimal("1.3181818182"))
    }


def test_a_corrected_file_replaces_what_was_there(
    run: Run, connect: Connect, tmp_path: Path
) -> None:
    file, day = tmp_path / "x.csv", date(2026, 11, 20)
    for rate in ("1.16", "1.25"):
        file.write_text(f"Date,USD\n2026-11-20,{rate}\n")
        run("rates", "import", str(file))

    assert rates.find(connect(), [("EUR", day)])[("EUR", day)][1] == Decimal("1.25")


def test_half_a_file_changes_nothing(run: Run, connect: Connect, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("Date,USD\n2026-11-20,1.16\n2026-11-19,oops\n")

    said = run("rates", "import", str(file))

    assert (said.code, "line 3" in said.err) == (2, True)
    assert rates.find(connect(), [("EUR", date(2026, 11, 20))]) == {}


@pytest.mark.parametrize("content", [b"", b"PK\3\4junk", b"\xff\xfe", b"Date,USD\n"], ids=repr)
def test_another_file_is_told(run: Run, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x"
    file.write_bytes(content)

    assert run("rates", "import", str(file)).code == 2
    assert run("rates", "import", str(tmp_path / "none")).code == 2

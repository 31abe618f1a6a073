import csv
from pathlib import Path

import pytest

from tests.chargeback.focus_lines import BILL, line, unpriced_line
from usage_ingest.adapters.focus_files import beside, focus_file
from usage_ingest.chargeback.line import Line
from usage_ingest.errors import ConfigError


def write(place: Path, *lines: Line) -> None:
    with focus_file(place) as (table, put_in_place):
        for each in lines:
            table.add(each, BILL)
        put_in_place()


def rows(place: Path) -> int:
    with place.open(encoding="utf-8", newline="") as file:
        return len(list(csv.DictReader(file)))


def test_what_has_no_price_stands_beside_the_charges(tmp_path: Path) -> None:
    place = tmp_path / "2026" / "november.csv"

    write(place, line(), unpriced_line(), line())

    assert beside(place).name == "november.unpriced.csv"
    assert (rows(place), rows(beside(place))) == (2, 1)
    assert sorted(place.parent.iterdir()) == [place, beside(place)]


def test_what_has_got_a_price_is_unpriced_no_more(tmp_path: Path) -> None:
    place = tmp_path / "november.csv"
    write(place, line(), unpriced_line())

    write(place, line())

    assert list(tmp_path.iterdir()) == [place]


def test_a_file_that_did_not_become_whole_leaves_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "november.csv"
    write(place, line(), unpriced_line())

    def fail() -> None:
        with focus_file(place) as (table, _):
            table.add(line(), BILL)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (rows(place), rows(beside(place))) == (1, 1)
    assert len(list(tmp_path.iterdir())) == 2


def test_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    place = tmp_path / "taken" / "november.csv"

    with pytest.raises(ConfigError, match=r"november\.csv: cannot be written"):
        write(place, line())

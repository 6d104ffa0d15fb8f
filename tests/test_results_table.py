"""The table of a run: a row for each image."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from command import LOCAL, Ran
from imgfetch.rules.store.results_table import COLUMNS, header, line, may_be_table
from origin import whole
from pictures import encoded

if TYPE_CHECKING:
    from origin import Origin


@pytest.fixture
def site(origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Origin:
    monkeypatch.chdir(tmp_path)
    page = """<img src=/a.webp alt='=1+1, "two"'><img src=/small.webp><img src=/gone.webp alt=Ünder>"""
    origin.route("/page", whole(page.encode(), content_type="text/html; charset=utf-8"))
    origin.route("/a.webp", whole(encoded("webp", 640, 320)))
    origin.route("/small.webp", whole(encoded("webp", 64, 32)))
    return origin


def rows(name: str, delimiter: str = ",") -> list[dict[str, str]]:
    with Path(name).open(newline="", encoding="utf-8") as file:
        return sorted(csv.DictReader(file, delimiter=delimiter), key=lambda row: row["place"])


def test_a_table_tells_what_came_from_where(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # the second run writes it again, from the cache
        ran = Ran(
            capsys, "get", f"{site.url}/page", "--table", "t.csv", "-d", "out", "--min-width", "100", *LOCAL
        )
        assert ran.code == 1
        one, two, three = rows("t.csv")
        assert (one["page"], one["url"]) == (f"{site.url}/page", f"{site.url}/a.webp")
        assert (one["status"], one["width"], one["path"]) == ("ok", "640", ran.lines[0])
        assert one["alt"] == '\'=1+1, "two"'
        assert (two["status"], two["path"]) == ("skipped", "")
        assert two["error"] == "64 x 32 pixels, at least 100 wide is wanted"
        assert (three["status"], three["alt"]) == ("error", "Ünder")
        assert three["error"] == "http_status: HTTP 404"


def test_a_name_asks_for_tabs(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    Ran(capsys, "get", f"{site.url}/page", "--table", "t.tsv", *LOCAL)
    assert [row["status"] for row in rows("t.tsv", "\t")] == ["ok", "ok", "error"]


def test_a_file_that_is_no_such_table_is_left_alone(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.csv").write_text("name,price\n")
    ran = Ran(capsys, "get", f"{site.url}/page", "--table", "mine.csv", *LOCAL)
    assert (ran.code, site.asked()) == (2, 0)
    assert "not a table of imgfetch, and so not replaced" in ran.err
    assert Path("mine.csv").read_text() == "name,price\n"


def test_cells_are_read_back_as_they_were() -> None:
    cells = ["a,b", 'say "x"', "two\nlines", None, 7, "-1", "@x"]
    (read,) = csv.reader([line(cells, ",")])
    assert read == ["a,b", 'say "x"', "two\nlines", "", "7", "'-1", "'@x"]
    assert line(["a\tb\nc"], "\t") == "a b c\n"
    assert header(",").split(",")[0] == COLUMNS[0]
    assert may_be_table(b"")
    assert not may_be_table(b"source,place\n")


@pytest.mark.parametrize("name", ["t.xlsx", "t", "-", "t.csv.gz"])
def test_a_table_has_the_name_of_a_table(site: Origin, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "get", f"{site.url}/page", "--table", name, *LOCAL)
    assert (ran.code, site.asked()) == (2, 0)
    assert f"{name}: the name of a table ends with .csv or .tsv" in ran.err
    assert not Path(name).exists()


def test_a_retry_writes_a_table_and_names_its_files_like_the_run(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("-d", "out", "--name", "{index:03}-{alt}")
    Ran(capsys, "get", f"{site.url}/page", "--report", "failed", *named, *LOCAL)
    site.route("/gone.webp", whole(encoded("webp", 80, 40)))
    ran = Ran(capsys, "retry", "failed", "--all", "--table", "t.csv", *named, *LOCAL)
    assert ran.lines == ["out/003-Ünder.webp"]
    assert [(row["path"], row["alt"]) for row in rows("t.csv")] == [("out/003-Ünder.webp", "Ünder")]

"""The evening of a news archive, as a user types it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from archive import WIDTHS, make, options
from command import LOCAL, Ran

if TYPE_CHECKING:
    import pytest

    from origin import Origin


def test_a_folder_of_texts_and_saved_pages_gives_each_picture_once(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    archive = make(Path("news"), origin, texts=20, pages=10)
    ran = Ran(capsys, *options("news", *LOCAL))
    assert ran.code == 0, ran.err
    assert len(set(ran.lines)) == archive.images
    assert f"imgfetch: {archive.images} images: {archive.images} fetched\n" in ran.err
    assert f"imgfetch: {archive.others} more images: 10 icons, 10 social cards" in ran.err
    left_out = "1 hidden, 1 of other types, 1 saved as parts of pages, 1 without images"
    assert f"imgfetch: files not taken: {left_out}\n" in ran.err
    assert {request.path.rpartition("-")[2] for request in origin.requests} == {"800.webp"}

    with Path("images.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["path"] for row in rows) == sorted(ran.lines)
    assert all(int(row["width"]) >= 800 and Path(row["path"]).is_file() for row in rows)
    assert {row["status"] for row in rows} == {"ok"}
    (first,) = (
        row for row in rows if row["source"].endswith("saved 00 – Überschrift.html") and row["place"] == "0"
    )
    assert first["page"] == f"{origin.url}/news/0.html"
    assert first["url"] == f"{origin.url}/m/page-0-0-{WIDTHS[1]}.webp"
    assert Path(first["path"]).name.startswith("0-001-page-0-0-800")

    asked = origin.asked()
    again = Ran(capsys, *options("news", *LOCAL))
    assert (again.code, origin.asked()) == (0, asked)
    assert sorted(again.lines) == sorted(ran.lines)

"""`imgfetch batch`: many rows in, a folder and its manifest out, and nothing done twice."""

from __future__ import annotations

import gc
import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from children import running
from command import child
from imgfetch import Client
from imgfetch.api.jobs import Job, jobs_of
from imgfetch.cli import main
from imgfetch.errors import CacheError
from imgfetch.outputs.manifest_file import NAME, Manifest
from imgfetch.rules.store import jsonl
from imgfetch.rules.store import manifest as rule
from origin import Origin, raw, slowly, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgfetch.rules.store.manifest import Record

LOCAL = ["--allow-host", "127.0.0.1", "-R", "0"]
PICTURES = [encoded("webp", 64 + number, 48) for number in range(6)]


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def origin() -> Iterator[Origin]:
    """It has /0.webp to /5.webp, and no robots.txt."""
    with Origin() as running:
        for number, picture in enumerate(PICTURES):
            running.route(f"/{number}.webp", whole(picture))
        yield running


class Batch:
    """A run of `imgfetch batch … --to out`, what it said and what stands in the manifest after it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        capsys.readouterr()
        self.code = main(["batch", *arguments, "--to", "out", *LOCAL])
        self.out, self.err = capsys.readouterr()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]

    @property
    def files(self) -> list[bytes]:
        return [Path("out", record["path"]).read_bytes() for record in self.records if record["path"]]


def listed(origin: Origin, *paths: str) -> str:
    Path("list.txt").write_text("".join(f"{origin.url}{path}\n" for path in paths))
    return "list.txt"


# A run


def test_a_row_never_names_a_file(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<img src=https://h.example/a.webp>")
    (job,) = jobs_of(page, 0)
    assert not hasattr(job.choice, "reason")
    (job,) = jobs_of(str(page), 0)
    assert getattr(job.choice, "kind", None) == "bad_url"
    (job,) = jobs_of("../a%20b.webp", 0, base_url="https://h.example/x/y/")
    assert getattr(job.choice, "url", None) == "https://h.example/x/a%20b.webp"


def test_a_batch_is_a_folder_of_images_and_a_manifest(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    table = f"id,url\na,{origin.url}/0.webp\nb,{origin.url}/gone.webp\nc,\nd,{origin.url}/1.webp\n"
    Path("in.csv.gz").write_bytes(gzip.compress(table.encode()))
    ran = Batch(capsys, "in.csv.gz")
    assert ran.code == 1
    assert sorted(ran.files) == sorted(PICTURES[:2])
    assert sorted(ran.out.splitlines()) == sorted(
        f"out/{record['path']}" for record in ran.records if record["path"]
    )
    by_index = {record["index"]: record for record in ran.records}
    assert by_index.keys() == {0, 1, 3}
    assert (by_index[0]["status"], by_index[0]["path"][:2], by_index[0]["width"]) == ("ok", "0-", 64)
    assert (by_index[1]["error"]["kind"], by_index[1]["path"]) == ("http_status", None)
    assert by_index[3]["part"] == by_index[3]["parts"] == 1
    assert "3 images: 2 fetched, 1 failed" in ran.err
    assert "1 row without an image" in ran.err
    assert "no --contact given" in ran.err


def test_a_second_run_fetches_only_missing_images(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    origin.route("/late.webp", raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
    name = listed(origin, "/0.webp", "/1.webp", "/late.webp", "/2.webp")
    assert Batch(capsys, name, "--contact", "me@h.example").code == 1
    origin.route("/late.webp", whole(PICTURES[3]))
    first = [record for record in Batch(capsys, name, "--offline", "-q").records if record["path"]]
    Path("out", first[0]["path"]).unlink()
    Path("out", first[1]["path"]).write_bytes(b"cut")
    origin.requests.clear()

    again = Batch(capsys, name, "--contact", "me@h.example", "--cache", "another")
    assert again.code == 0
    asked = [request.path for request in origin.requests if request.path != "/robots.txt"]
    assert len(asked) == 3
    assert "/late.webp" in asked
    assert "1 done before, according to out/manifest.jsonl" in again.err
    assert sorted(record["index"] for record in again.records) == [0, 1, 2, 3]
    assert sorted(again.files) == sorted(PICTURES[:4])

    third = Batch(capsys, name, "--contact", "me@h.example", "--cache", "another")
    assert (third.code, third.out) == (0, "")
    assert "4 done before" in third.err
    assert len(third.records) == 4


def test_the_options_of_get_hold_in_a_batch(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    origin.route("/pixel.png", whole(encoded("png", 1, 1)))
    ran = Batch(capsys, listed(origin, "/pixel.png"), "--reject-fakes", "--sandbox")
    assert (ran.code, [record["error"]["kind"] for record in ran.records]) == (1, ["placeholder"])

    name = listed(origin, "/0.webp?utm_source=a", "/0.webp?utm_source=b")
    for source in "ab":
        origin.route(f"/0.webp?utm_source={source}", whole(PICTURES[0]))
    ran = Batch(capsys, name, "--key-ignore", "utm_*", "--max-cache", "1")
    assert [record["status"] for record in ran.records] == ["ok", "ok"]
    assert sum(origin.asked(f"/0.webp?utm_source={source}") for source in "ab") == 1
    assert "more than its bound" in ran.err

    Path("in.txt").write_text(f"{origin.url}/1.webp 65w, {origin.url}/5.webp 69w\n")
    assert Batch(capsys, "in.txt", "-w", "69").records[-1]["reused"] is False
    assert Batch(capsys, "in.txt", "-w", "60", "--reuse").records[-1]["reused"] is True
    assert Batch(capsys, "in.txt", "-w", "61").records[-1]["reused"] is False


def test_skipped_rows_count_for_the_exit_code(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.jsonl").write_text(f'{{"url": "{origin.url}/0.webp"}}\nnone\n')
    assert [Batch(capsys, "rows.jsonl").code for _ in range(2)] == [1, 1]
    assert [Batch(capsys, "rows.jsonl", "--fail-under", share).code for share in ("0.5", "0.51")] == [0, 1]
    assert Batch(capsys, "rows.jsonl", "--fail-under", "0.51", "--refresh").code == 1


def test_other_options_of_choosing_fetch_other_images(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.txt").write_text(f"{origin.url}/0.webp 64w, {origin.url}/5.webp 69w\n")
    assert Batch(capsys, "in.txt", "-w", "60").files == [PICTURES[0]]
    assert Batch(capsys, "in.txt", "-w", "60").out == ""
    assert Batch(capsys, "in.txt", "-w", "65").files == [PICTURES[0], PICTURES[5]]
    assert len(Batch(capsys, "in.txt", "--all").records) == 4


def test_a_page_in_a_row_is_done_when_all_its_images_are(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "<img src=0.webp><img src=late.webp><img src=1.webp>"
    origin.route("/page", whole(page.encode(), content_type="text/html"))
    origin.route("/late.webp", raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
    name = listed(origin, "/page")
    ran = Batch(capsys, name)
    assert (ran.code, [record["part"] for record in ran.records]) == (1, [1, 2, 3])
    origin.route("/late.webp", whole(PICTURES[2]))
    ran = Batch(capsys, name)
    assert (ran.code, [record["parts"] for record in ran.records]) == (0, [3, 3, 3])
    assert "1 done before" in Batch(capsys, name).err


def test_a_killed_batch_is_resumed(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [encoded("webp", 64 + number, 48) for number in range(40)]
    paths = [f"/slow-{number}.webp" for number in range(40)]
    for path, picture in zip(paths, pictures, strict=True):
        origin.route(path, slowly(picture, pause=0.02))
    name = listed(origin, *paths)
    with running("batch", name, "--to", "out", "--per-host", "3", *LOCAL) as process:
        assert process.stdout is not None
        before = [process.stdout.readline() for _ in range(8)]
        process.kill()
    assert all(before)
    with Path("out/manifest.jsonl").open("ab") as file:
        file.write(b'{"row": "00')
    asked = origin.asked()
    ran = Batch(capsys, name)
    assert ran.code == 0
    assert sorted(record["index"] for record in ran.records) == list(range(40))
    assert sorted(ran.files) == sorted(pictures)
    assert origin.asked() - asked <= 40 - 7 + 1  # and a robots.txt
    assert not [path for path in Path("out").iterdir() if path.suffix == ".part"]


def test_a_manifest_stays_private_while_it_is_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.write(written(1, 0, 1, 1, "a.webp").decode() * 2)
    seen = []

    def look(_: Manifest, record: Record) -> bool:
        (partial,) = tmp_path.glob(f".{NAME}.*.part")
        seen.append(partial.stat().st_mode & 0o777)
        return True

    monkeypatch.setattr(Manifest, "_is_there", look)
    with Manifest(tmp_path):
        assert seen == [0o600, 0o600]


@pytest.mark.parametrize(
    "text", [b'{"image": "a.webp", "caption": "mine"}\n', b"path,label\n", b"mine", b'{"row": "1"}\n']
)
def test_a_manifest_of_another_program_is_not_changed(
    text: bytes, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    name = listed(origin, "/0.webp")
    Path("out").mkdir()
    Path("out", NAME).write_bytes(text)
    ran = Batch(capsys, name)
    assert (ran.code, origin.asked()) == (3, 0)
    assert "manifest.jsonl: not a manifest of imgfetch, and so not changed; name another folder" in ran.err
    assert Path("out", NAME).read_bytes() == text
    assert [path.name for path in Path("out").iterdir()] == [NAME]


def test_a_manifest_must_be_a_regular_file_and_not_a_link(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"")
    (tmp_path / NAME).symlink_to(mine)
    with pytest.raises(CacheError, match="cannot be written"), Manifest(tmp_path):
        pass
    (tmp_path / NAME).unlink()
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(CacheError, match="not a regular file"), Manifest(tmp_path):
        pass


@pytest.mark.parametrize("length", [0, 1, 5, 20, 60])
def test_a_manifest_whose_only_line_was_cut_is_a_manifest(length: int, tmp_path: Path) -> None:
    line = jsonl.line({"attempts": 1, "row": "0" * 16, "part": 1, "parts": 1, "path": None, "index": 0})
    (tmp_path / NAME).write_text(line[:length])
    with Manifest(tmp_path) as manifest:
        assert len(manifest) == 0


def test_two_batches_do_not_write_to_one_folder(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    name = listed(origin, "/0.webp")
    with Manifest("out"):
        ran = Batch(capsys, name)
    assert (ran.code, origin.asked()) == (3, 0)
    assert "out: another batch is writing to it" in ran.err
    assert Batch(capsys, name).code == 0


def test_an_input_that_cannot_be_used_is_one_line_and_exit_code_2(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.csv").write_bytes(b"")
    Path("blank.txt").write_bytes(b"\n \n")
    Path("cut.txt.gz").write_bytes(gzip.compress(os.urandom(5000).hex().encode())[:3000])
    Path("none.txt.gz").write_bytes(b"https://h.example/a.webp\n")
    Path("other.csv").write_text("name\nx\n")

    def complains(words: str, *arguments: str, code: int = 2) -> None:
        capsys.readouterr()
        assert main(["batch", *arguments, "-q"]) == code
        err = capsys.readouterr().err
        assert words in err
        assert "should not" not in err

    for name, words in (
        ("empty.csv", "no column url, srcset or image; it has none"),
        ("blank.txt", "empty; expected a source a row"),
        ("missing.csv", "cannot be read: No such file"),
        ("none.txt.gz", "cannot be read: Not a gzipped file"),
        ("cut.txt.gz", "cannot be read"),
        ("other.csv", "other.csv: no column url, srcset or image; it has name"),
    ):
        complains(words, name, "--to", "out", "--offline")
    complains("no --to DEST", "blank.txt")
    assert not Path("out").exists()
    Path("good.txt").write_text("https://h.example/a.webp\n")
    complains("neither respect nor ignore", "good.txt", "--to", "out", "--robots", "maybe")
    complains("neither a URL nor a mail address", "good.txt", "--to", "out", "--contact", "a (b)")
    complains("ftp:", "good.txt", "--to", "out", "--referer", "ftp://h.example/")
    Path("file").write_text("mine")
    complains("file: cannot be written", "good.txt", "--to", "file", code=3)


def test_stored_images_of_the_rows_before_a_broken_input_are_served(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    name = listed(origin, *(f"/{number}.webp" for number in range(6)))
    Path("cut.txt.gz").write_bytes(gzip.compress(Path(name).read_bytes())[:-4])
    assert Batch(capsys, name).code == 0
    asked = origin.asked()
    Path("out/manifest.jsonl").unlink()
    ran = Batch(capsys, "cut.txt.gz")
    assert (ran.code, origin.asked()) == (2, asked)
    assert "cut.txt.gz: cannot be read" in ran.err
    assert ran.files == PICTURES


async def _settled(groups: Iterator[Sequence[Job]], lot: int) -> int:
    taken = 0
    most = 64 + 3 + (0 if lot == 1 else 2 * lot)  # of a lot as they were given, and as they were seen
    gc.collect()  # what other tests have left
    async with Client("cache", offline=True) as client:
        async for group, outcomes in client.scheduler.run_together(groups, batch=lot):
            taken += len(outcomes)
            assert len(group) == len(outcomes)
            if taken % 500 == 0:
                alive = sum(isinstance(thing, Job) for thing in gc.get_objects())
                assert alive <= most, taken
    return taken


@pytest.mark.anyio
@pytest.mark.parametrize("lot", [1, 64])
async def test_only_rows_in_progress_are_in_memory(lot: int) -> None:
    def groups() -> Iterator[Sequence[Job]]:
        for index in range(3_000):
            word = f"https://h.example/{index}.webp" if index % 3 else "no image"
            yield tuple(jobs_of(word, index))

    assert await _settled(groups(), lot) == 3_000


# The manifest


def written(row: int, index: int, part: int, parts: int, path: str | None) -> bytes:
    members = {"index": index, "path": path, "bytes": 3, **rule.members(row, part, parts)}
    return json.dumps(members).encode() + b"\n"


def test_only_complete_rows_of_a_manifest_count() -> None:
    lines = [
        written(1, 0, 1, 1, "a"),
        written(2, 1, 1, 2, "b"), written(2, 1, 2, 2, "c"),
        written(3, 2, 1, 2, "d"), written(4, 3, 1, 1, "e"),
        written(5, 4, 1, 1, None),
        written(6, 5, 1, 2, "f"), written(6, 5, 2, 2, None),
        written(7, 6, 2, 2, "g"),
        written(8, 7, 1, 1, "../h"), written(8, 7, 1, 1, ""), b"\n", b"[]\n", b"\xff\n", b'{"row": 1}\n',
        written(1, 9, 1, 1, "a"), written(1, 9, 1, 1, "a").replace(b"3", b"1e999"),
        written(9, 8, 1, 1, "i")[:-1],
    ]  # fmt: skip
    assert [row[0].row for row in rule.rows(lines)] == [1, 2, 4, 1]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 3), st.booleans()), max_size=6), st.data()
)
def test_a_manifest_cut_anywhere_has_the_rows_before_the_cut(
    made: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    lines, ends = b"", []
    for index, (row, parts, good) in enumerate(made):
        for part in range(1, parts + 1):
            lines += written(row, index, part, parts, "a" if good or part > 1 else None)
        ends.append((len(lines), row, good))
    cut = data.draw(st.integers(0, len(lines)))
    found = [row[0].row for row in rule.rows(lines[:cut].splitlines(keepends=True))]
    assert found == [row for end, row, good in ends if end <= cut and good]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CacheError, match="file: cannot be written"), Manifest(tmp_path / "file"):
        pass
    (tmp_path / "folder" / "manifest.jsonl").mkdir(parents=True)
    with pytest.raises(CacheError, match="manifest.jsonl: cannot be written"), Manifest(tmp_path / "folder"):
        pass


def test_a_batch_without_a_contact_warns_once(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Batch(capsys, listed(origin, "/0.webp"), "--contact", "https://h.example/bot")
    assert ran.err == ""
    agents = {request.headers["user-agent"] for request in origin.requests}
    (agent,) = agents
    assert agent.startswith("imgfetch/")
    assert agent.endswith(" (+https://h.example/bot)")


def test_a_batch_respects_robots_txt_and_a_get_does_not(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/robots.txt", whole(b"user-agent: *\ndisallow: /0.webp"))
    origin.route("/2.webp", whole(PICTURES[2], x_robots_tag="noai"))
    name = listed(origin, "/0.webp", "/1.webp", "/2.webp")
    ran = Batch(capsys, name)
    assert ran.code == 1
    kinds = {record["index"]: record["error"] and record["error"]["kind"] for record in ran.records}
    assert kinds == {0: "opted_out", 1: None, 2: "opted_out"}
    assert [origin.asked(path) for path in ("/robots.txt", "/0.webp", "/1.webp", "/2.webp")] == [1, 0, 1, 1]
    assert "robots.txt disallows imgfetch; use --robots ignore" in ran.err
    assert Batch(capsys, name, "--robots", "ignore").code == 0
    assert main(["get", f"{origin.url}/0.webp", "--refresh", "--robots", "respect", *LOCAL]) == 1
    assert main(["get", f"{origin.url}/0.webp", "--refresh", *LOCAL]) == 0


# Tables


def test_each_image_of_a_cell_is_fetched_and_keeps_the_columns(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        "ID;SKU;Name;Images",
        f'1;A1;Blue cup;"{origin.url}/0.webp, {origin.url}/1.webp"',
        f"2;A2;House;{origin.url}/gone,_here.webp",
        f"3;A3;Pen;{origin.url}/2.webp|{origin.url}/3.webp",
        "4;A4;None;",
    ]
    Path("in.csv").write_text("\r\n".join(rows), encoding="utf-16")
    ran = Batch(capsys, "in.csv")
    assert ran.code == 1
    found = sorted((record["index"], record["place"], record["columns"]["SKU"]) for record in ran.records)
    assert found == [(0, 0, "A1"), (0, 1, "A1"), (1, 0, "A2"), (2, 0, "A3"), (2, 1, "A3")]
    assert sorted(ran.files) == sorted(PICTURES[:4])
    assert {record["path"][:-18] for record in ran.records if record["path"]} == {"Blue-cup", "Pen"}
    assert Batch(capsys, "in.csv").out == ""


def test_a_row_without_an_image_is_no_failure(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"images": []}, {"images": [f"{origin.url}/0.webp"]}, {"image": None}, {"id": 4}]
    Path("in.json").write_text(json.dumps(rows))
    ran = Batch(capsys, "in.json")
    assert ran.code == 0
    assert [record["index"] for record in ran.records] == [1]
    assert "3 rows without an image" in ran.err


def test_a_table_without_any_image_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for text, words in (
        (
            "id,image\n1,\n2,n/a\n",
            "in.txt: none of its 2 rows has an image; name another column",
        ),
        (
            '[{"id": 1, "pic": "a"}]',
            "in.txt: no column url, srcset or image; it has id, pic; name",
        ),
    ):
        Path("in.txt").write_text(text)
        assert main(["batch", "in.txt", "--to", "other"]) == 2
        assert words in capsys.readouterr().err
        assert not Path("other").exists()


def test_columns_that_are_not_taken_are_named_and_can_be_taken(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_text(
        f"image,thumb,Thumb 2\n{origin.url}/0.webp,{origin.url}/1.webp,{origin.url}/2.webp\n"
    )
    ran = Batch(capsys, "in.csv")
    assert len(ran.records) == 1
    assert "images under thumb, Thumb 2 were not taken; --column names the columns to take" in ran.err
    ran = Batch(capsys, "in.csv", "--column", "image,thumb", "--column", "thumb 2")
    assert len(ran.records) == 3
    assert "not taken" not in ran.err


def test_the_bytes_of_images_in_a_table_are_kept_without_a_request(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [{"bytes": data, "path": f"cat {number}.webp"} for number, data in enumerate(PICTURES[:2])]
    parquet.write_table(pa.table({"image": pictures, "label": ["a", "b"]}), "in.parquet")
    ran = Batch(capsys, "in.parquet")
    assert (ran.code, origin.requests) == (0, [])
    assert sorted(ran.files) == sorted(PICTURES[:2])
    assert sorted(record["path"][:5] for record in ran.records) == ["cat-0", "cat-1"]
    assert max(map(len, Path("out/manifest.jsonl").read_text().splitlines())) < 3_000
    assert Batch(capsys, "in.parquet").out == ""


def test_a_cell_that_is_no_url_gets_a_hint_for_tables(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_text("image\nh.example/a.jpg\n//h.example/b.jpg\n")
    ran = Batch(capsys, "in.csv", "--offline")
    assert "h.example/a.jpg: not a URL" in ran.err
    assert "http:// or https://; name the page's URL with --base" in ran.err
    assert "https://h.example/b.jpg: not in the cache" in ran.err


def test_columns_name_the_files(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    table = f"sku,url,name\nA/1,{origin.url}/0.webp,cup.webp\nB 2,{origin.url}/1.webp,\n"
    Path("in.csv").write_text(table)
    ran = Batch(capsys, "in.csv", "--name", "{row:02}-{sku}-{name}")
    assert sorted(record["path"] for record in ran.records) == ["01-A-1-cup.webp", "02-B 2-1.webp"]
    origin.requests.clear()
    assert Batch(capsys, "in.csv", "--name", "{sku}").code == 0  # another name is another file
    assert {path.name for path in Path("out").glob("*.webp")} == {
        *("01-A-1-cup.webp", "02-B 2-1.webp"),
        *("A-1.webp", "B 2.webp"),
    }
    assert [request.path for request in origin.requests if request.path != "/robots.txt"] == []
    assert main(["batch", "in.csv", "--to", "other", "--name", "{SKU}"]) == 2
    assert "--name has no field SKU; it has source, page," in capsys.readouterr().err
    assert not Path("other").exists()


def test_a_row_has_its_own_width_and_page(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    srcset = f"{origin.url}/0.webp 64w, {origin.url}/3.webp 67w, {origin.url}/5.webp 69w"
    rows = [
        {"srcset": srcset, "width": 66, "referer": "http://me:word@page.example/news"},
        {"srcset": srcset},
    ]
    Path("in.json").write_text(json.dumps(rows))
    ran = Batch(capsys, "in.json", "-w", "60")
    assert {record["index"]: record["width"] for record in ran.records} == {0: 67, 1: 64}
    sent = {request.path: request.headers.get("referer") for request in origin.requests}
    assert sent["/3.webp"] == "http://page.example/"
    assert sent["/0.webp"] is None
    assert "word" not in Path("out/manifest.jsonl").read_text()
    assert Batch(capsys, "in.json", "-w", "60").out == ""


def test_a_retry_of_a_row_has_its_width_and_page(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"srcset": f"{origin.url}/0.webp 64w, {origin.url}/3.webp 67w", "width": 66}]
    rows[0]["referer"] = "http://page.example/a b"
    Path("in.json").write_text(json.dumps(rows))
    busy = raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    origin.route("/0.webp", busy)
    origin.route("/3.webp", busy)
    assert Batch(capsys, "in.json", "-w", "60", "--report", "failed.jsonl").code == 1
    for number in (0, 3):
        origin.route(f"/{number}.webp", whole(PICTURES[number]))
    origin.requests.clear()
    assert main(["retry", "failed.jsonl", *LOCAL]) == 0
    assert [request.path for request in origin.requests] == ["/3.webp"]
    assert origin.requests[0].headers["referer"] == "http://page.example/"


def test_a_page_without_wanted_images_is_asked_for_once(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, page in (("/icon", "<link rel=icon href=0.webp><p>x"), ("/none", "<p>x")):
        origin.route(path, whole(page.encode(), content_type="text/html"))
    name = listed(origin, "/icon", "/none")
    assert Batch(capsys, name).code == 1
    origin.requests.clear()
    assert Batch(capsys, name).code == 1
    assert [request.path for request in origin.requests] == []


def test_a_second_run_asks_only_for_what_may_succeed(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/busy.webp", raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
    origin.route("/page.webp", whole(b"<html><title>Gone</title>", content_type="text/html"))
    name = listed(origin, "/0.webp", "/gone.webp", "/busy.webp", "/page.webp")
    assert Batch(capsys, name).code == 1
    origin.requests.clear()
    ran = Batch(capsys, name)
    assert ran.code == 1
    assert {request.path for request in origin.requests} - {"/robots.txt"} == {"/busy.webp"}
    assert "1 done before, according to out/manifest.jsonl" in ran.err
    assert "2 failed for good before, according to out/manifest.jsonl; --retry-all asks again" in ran.err
    assert len(ran.records) == 4

    origin.route("/busy.webp", whole(PICTURES[2]))
    assert Batch(capsys, name, "--fail-under", "0.5").code == 0
    origin.requests.clear()
    ran = Batch(capsys, name)
    assert (ran.code, len(origin.requests)) == (1, 0)
    assert [Batch(capsys, name, "--fail-under", share).code for share in ("0.5", "0.51")] == [0, 1]

    origin.route("/gone.webp", whole(PICTURES[3]))
    ran = Batch(capsys, name, "--retry-all")
    assert {request.path for request in origin.requests} - {"/robots.txt"} == {"/gone.webp", "/page.webp"}
    assert len(ran.records) == 4


def test_a_source_of_several_rows_fails_once_for_each(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    name = listed(origin, "/gone.webp", "/0.webp", "/gone.webp")
    assert Batch(capsys, name).code == 1
    assert "2 failed for good before" in Batch(capsys, name).err


def test_images_of_a_page_that_failed_for_good_are_left_out(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "<img src=0.webp><img src=gone.webp><img src=1.webp>"
    origin.route("/page", whole(page.encode(), content_type="text/html"))
    name = listed(origin, "/page")
    assert Batch(capsys, name).code == 1
    asked = origin.asked()
    ran = Batch(capsys, name)
    assert (ran.code, origin.asked()) == (1, asked)
    assert "1 failed for good before" in ran.err
    Path("out", next(record["path"] for record in ran.records if record["path"])).unlink()
    assert len(Batch(capsys, name).records) == 3
    assert origin.asked("/gone.webp") == 2


def test_a_failure_that_may_be_over_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        {"row": "01", "part": 1, "parts": 1, "index": 0, "path": None, "attempts": attempts, "error": error}
        for attempts, error in (
            (1, {"kind": "http_status", "http_status": 404, "retryable": False}),
            (1, {"kind": "http_status", "http_status": 403, "retryable": False}),
            (4, {"kind": "http_status", "retryable": True}),
            (1, {"kind": "dns", "retryable": False}),
            (0, {"kind": "blocked", "retryable": False}),
            (1, None),
            ("x", {"kind": ["http_status"], "retryable": False}),
        )
    ]
    found = [*rule.rows(json.dumps(line).encode() + b"\n" for line in lines)]
    assert [(row[0].is_final, row[0].under) for row in found] == [(True, ""), (True, "?")]


def test_a_failure_is_asked_again_under_other_options(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/pixel.png", whole(encoded("png", 1, 1)))
    name = listed(origin, "/pixel.png")
    for _ in range(2):
        assert Batch(capsys, name, "--max-bytes", "10").code == 1
    assert origin.asked("/pixel.png") == 1
    assert Batch(capsys, name, "--reject-fakes").code == 1
    assert Batch(capsys, name, "-H", "Cookie: secret").code == 0
    assert "secret" not in Path("out/manifest.jsonl").read_text()


def test_a_pipe_of_rows_is_read_as_what_it_is(origin: Origin) -> None:
    for text in (f"id;image\n1;{origin.url}/0.webp\n", json.dumps([{"image": f"{origin.url}/0.webp"}])):
        ran = child("batch", "-", "--to", "piped", "--refresh", *LOCAL, given=text.encode())
        assert (ran.returncode, len(ran.stdout.splitlines())) == (0, 1)


def test_what_may_succeed_is_left_to_the_same_batch(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/0.webp", raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
    ran = Batch(capsys, listed(origin, "/0.webp", "/1.webp"), "--report", "failed")
    assert "failed: 1 in failed; 1 may succeed: the same batch again asks for these alone" in ran.err
    origin.route("/0.webp", whole(PICTURES[0]))
    origin.requests.clear()
    assert Batch(capsys, "list.txt", "--report", "failed").code == 0
    assert [each.path for each in origin.requests if each.path != "/robots.txt"] == ["/0.webp"]


def test_a_refresh_replaces_the_lines_of_the_rows_that_it_fetches(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.csv").write_text(f"sku,url\nA,{origin.url}/0.webp\nB,{origin.url}/1.webp\n")
    assert Batch(capsys, "a.csv").code == 0
    Path("a.csv").write_text(f"SKU,url\nA2,{origin.url}/0.webp\n")
    origin.route("/0.webp", whole(PICTURES[5]))
    for _ in range(2):
        ran = Batch(capsys, "a.csv", "--refresh")
        found = [(dict(record["columns"]), record["width"]) for record in ran.records]
        assert found == [
            ({"sku": "B", "url": f"{origin.url}/1.webp"}, 65),
            ({"SKU": "A2", "url": f"{origin.url}/0.webp"}, 69),
        ]
    assert Path("out/manifest.jsonl").stat().st_mode & 0o777 == 0o600
    assert not [*Path("out").glob(".manifest*")]
    assert Batch(capsys, "a.csv").out == ""

"""Images that are smaller than a caller wants: skipped, or failed; and candidates chosen by their URLs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import imgfetch
from command import LOCAL, Ran
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image.url_patterns import is_wanted, matches, patterns_of
from origin import whole
from pictures import encoded

if TYPE_CHECKING:
    from origin import Origin

OPEN: dict[str, Any] = {"allow_hosts": ["127.0.0.1"]}


@pytest.fixture
def site(origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Origin:
    monkeypatch.chdir(tmp_path)
    for name, width, height in (
        ("small", 120, 90),
        ("low", 900, 60),
        ("large", 1000, 500),
        ("mid", 640, 320),
    ):
        origin.route(f"/{name}.webp", whole(encoded("webp", width, height)))
    page = b"<main><img src=/small.webp><img src=/low.webp><img src=/large.webp></main>"
    origin.route("/page", whole(page, content_type="text/html"))
    return origin


def stored() -> int:
    return sum(path.is_file() for path in Path("cache/objects-v1").rglob("*"))


def test_an_image_below_a_size_is_skipped_and_not_kept(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "get", f"{site.url}/page", "--min-width", "200", "--min-height", "100", *LOCAL)
    assert (ran.code, len(ran.lines), stored()) == (0, 1, 1)
    assert ran.err == "imgfetch: 3 images: 1 fetched, 2 skipped\n"
    loud = Ran(capsys, "get", "-v", f"{site.url}/page", "--min-width", "200", *LOCAL)
    said = f"skipped {site.url}/small.webp: 120 x 90 pixels, at least 200 wide is wanted (on {site.url}/page)"
    assert f"imgfetch: {said}\n" in loud.err


def test_a_skipped_image_has_a_status_of_its_own(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "get", "--json", f"{site.url}/small.webp", "--min-bytes", "1M", "--report", "r", *LOCAL)
    found = json.loads(ran.out)
    assert (ran.code, found["status"], found["error"], found["path"]) == (0, "skipped", None, None)
    assert found["skipped"].endswith("bytes, at least 1,000,000 are wanted")
    assert Path("r").read_text() == ""
    assert ran.err.endswith("imgfetch: 1 image: 1 skipped\n")


def test_a_stored_image_is_skipped_without_a_request(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{site.url}/small.webp"
    assert Ran(capsys, "get", url, *LOCAL).code == 0
    asked = site.asked()
    for options in (["--min-width", "121"], ["--min-width", "121", "--offline"]):
        ran = Ran(capsys, "get", url, *options, *LOCAL)
        assert (ran.code, ran.lines) == (0, [])
    assert Ran(capsys, "get", url, "--min-width", "120", *LOCAL).lines
    assert site.asked() == asked
    assert stored() == 1


def test_the_library_tells_a_skipped_image_from_an_error(site: Origin) -> None:
    with pytest.raises(imgfetch.ImgfetchError) as caught:
        imgfetch.fetch(f"{site.url}/small.webp", min_width=200, **OPEN)
    failed = caught.value.failed()
    assert (failed.kind, failed.is_skipped, failed.retryable) == (ErrorKind.TOO_SMALL, True, False)
    assert imgfetch.fetch(f"{site.url}/large.webp", min_width=200, min_height=500, **OPEN).width == 1000


def test_a_batch_does_not_ask_again_for_what_it_skipped(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.txt").write_text(f"{site.url}/small.webp\n{site.url}/large.webp\n")
    command = ["batch", "in.txt", "--to", "out", "--min-width", "200", "--robots", "ignore", *LOCAL]
    assert Ran(capsys, *command).code == 0
    asked = site.asked()
    again = Ran(capsys, *command)
    assert (again.code, again.lines, site.asked()) == (0, [], asked)


def test_a_locked_run_skips_what_was_skipped(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["get", f"{site.url}/page", "--min-width", "200", *LOCAL]
    assert Ran(capsys, *command, "--lock", "imgfetch.lock").code == 0
    locked = Ran(capsys, *command, "--locked")
    assert (locked.code, len(locked.lines)) == (0, 2)


SRCSET = "{0}/small.webp 120w, {0}/mid.webp 640w"


def test_a_required_width_that_no_candidate_promises_is_not_asked_for(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    srcset = SRCSET.format(site.url)
    assert Ran(capsys, "get", srcset, "-w", "800", *LOCAL).code == 0
    asked = site.asked()
    ran = Ran(capsys, "get", srcset, "-w", "800", "--require-width", *LOCAL)
    assert (ran.code, site.asked()) == (1, asked)
    assert f"{site.url}/mid.webp: no candidate is 800 pixels wide; the widest has 640" in ran.err
    failed = Ran(capsys, "get", "--json", srcset, "-w", "800", "--require-width", *LOCAL)
    assert json.loads(failed.out)["error"]["kind"] == "too_narrow"


def test_a_required_width_holds_for_the_real_width_and_the_next_candidate_is_tried(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    srcset = f"{site.url}/mid.webp 800w, {site.url}/large.webp 1000w"  # the first has 640 pixels
    ran = Ran(capsys, "get", "--json", srcset, "-w", "800", "--require-width", *LOCAL)
    assert (ran.code, json.loads(ran.out)["width"], stored()) == (0, 1000, 1)
    alone = Ran(capsys, "get", f"{site.url}/mid.webp", "--require-width", "800", *LOCAL)
    assert alone.code == 1
    assert "640 pixels wide, 800 are required" in alone.err
    assert Ran(capsys, "get", f"{site.url}/mid.webp", "--require-width", "640", *LOCAL).code == 0


def test_a_stored_image_that_is_too_narrow_fails_without_a_request(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{site.url}/mid.webp"
    assert Ran(capsys, "get", url, *LOCAL).code == 0
    asked = site.asked()
    assert Ran(capsys, "get", url, "-w", "800", "--require-width", *LOCAL).code == 1
    assert site.asked() == asked


def test_a_required_width_needs_one(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "get", "--require-width", f"{site.url}/mid.webp", *LOCAL)
    assert ran.code == 2
    assert "--require-width needs --width, --viewport or a number of pixels" in ran.err
    ran = Ran(capsys, "get", "--require-width", f"{site.url}/mid.webp", "-w", "600", *LOCAL)
    assert ran.code == 0


@pytest.mark.parametrize(
    ("value", "code"), [("yes", 1), ("true", 1), ("700", 1), ("640", 0), ("no", 0), ("x", 2)]
)
def test_a_required_width_may_stand_in_a_variable(
    value: str, code: int, site: Origin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGFETCH_REQUIRE_WIDTH", value)
    assert Ran(capsys, "get", f"{site.url}/mid.webp", "-w", "650", *LOCAL).code == code


def test_a_report_keeps_the_sizes_and_the_patterns(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["-w", "800", "--require-width", "--min-bytes", "1k", "--include", "*.webp", "--exclude", "/x/"]
    Ran(capsys, "get", f"{site.url}/page", *options, "--report", "failed.jsonl", *LOCAL)
    (line,) = Path("failed.jsonl").read_text().splitlines()
    asked = json.loads(line)["ask"]
    assert (asked["require_width"], asked["min_bytes"]) == (True, 1000)
    assert (asked["include"], asked["exclude"]) == (["*.webp"], ["/x/"])
    assert Ran(capsys, "retry", "failed.jsonl", "--all", *LOCAL).code == 1


def test_the_configuration_of_a_folder_may_set_what_only_chooses(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("imgfetch.toml").write_text('[tool.imgfetch]\nmin-width = 200\nexclude = ["low"]\n')
    ran = Ran(capsys, "get", f"{site.url}/page", *LOCAL)
    assert (ran.code, len(ran.lines)) == (0, 1)


def test_urls_are_taken_and_left_out_by_patterns(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    page = f"{site.url}/page"
    assert Ran(capsys, "pick", "-q", page, "--exclude", "*/SMALL.*", *LOCAL).lines == [
        f"{site.url}/low.webp",
        f"{site.url}/large.webp",
    ]
    ran = Ran(capsys, "pick", page, "--include", "/l", "--exclude", "low", *LOCAL)
    assert [line for line in ran.lines if line[0] != " "] == [f"{site.url}/large.webp"]
    assert ran.err == "imgfetch: 2 more images: 2 not wanted by their URLs\n"
    nothing = Ran(capsys, "pick", page, "--include", "*.png", *LOCAL)
    assert (nothing.code, "3 not wanted by their URLs" in nothing.err) == (1, True)


def test_a_pattern_leaves_other_candidates_of_an_image(capsys: pytest.CaptureFixture[str]) -> None:
    page = """<html><picture><source srcset="https://h/a.avif"><img src=https://h/a.jpg></picture>"""
    assert Ran(capsys, "pick", "-q", page, "--exclude", "*.avif").lines == ["https://h/a.jpg"]
    assert Ran(capsys, "pick", "-q", page, "--include", "*.avif").lines == ["https://h/a.avif"]


@pytest.mark.parametrize(
    ("pattern", "url", "expected"),
    [
        ("*.jpg", "https://h/a.jpg", True),
        ("*.jpg", "https://h/a.jpg?w=1", False),
        ("*.jpg*", "https://h/a.jpg?w=1", True),
        ("/ads/", "https://h/ads/a.jpg", True),
        ("https://h/*/a*.jpg", "https://h/x/y/a1.jpg", True),
        ("https://h/*/b*.jpg", "https://h/x/y/a1.jpg", False),
        ("a*a", "a", False),
        ("*", "https://h/", True),
        ("a?b[c]", "https://h/a?b[c]", True),
    ],
)
def test_a_star_is_the_only_sign_of_a_pattern(pattern: str, url: str, *, expected: bool) -> None:
    assert matches(pattern, url) is expected


def test_patterns_of_any_url_take_linear_time() -> None:
    patterns = patterns_of([], ["*" + "a*" * 50 + "b"])
    assert patterns is not None
    assert is_wanted("a" * 200_000, patterns)

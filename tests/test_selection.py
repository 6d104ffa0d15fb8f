"""Pages by every door: which of their images are fetched, and what is said of the others."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from command import LOCAL, Ran
from imgfetch import Client, Failure, Image, ImgfetchError, InputError, fetch, find_images
from imgfetch.model.result import ErrorKind
from origin import whole
from pictures import encoded

if TYPE_CHECKING:
    from origin import Origin

PAGE = b"""<link rel=icon href=/favicon.ico><meta property=og:image content=/u/hero-640x360.webp>
<header><img src=/banner.webp></header><main><img src=/u/hero.webp></main>
<img src=/pixel.gif width=1 height=1>"""


@pytest.fixture
def site(origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Origin:
    monkeypatch.chdir(tmp_path)
    origin.route("/page", whole(PAGE, content_type="text/html"))
    origin.route("/icons", whole(b"<link rel=icon href=/favicon.ico>", content_type="text/html"))
    for path, width in (("/banner.webp", 300), ("/u/hero.webp", 640), ("/u/hero-640x360.webp", 320)):
        origin.route(path, whole(encoded("webp", width, 200)))
    return origin


def test_get_takes_the_content_of_a_page_and_counts_the_rest(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "get", f"{site.url}/page", *LOCAL)
    assert (ran.code, len(ran.lines)) == (0, 2)
    left_out = "1 icon, 1 social card or preload that repeats an image, 1 tracking pixel"
    assert ran.err.splitlines()[-1] == f"imgfetch: 3 more images: {left_out}; --kinds all"
    assert "/favicon.ico" not in {request.path for request in site.requests}

    every = Ran(capsys, "get", f"{site.url}/page", "--kinds", "all", *LOCAL)
    assert (every.code, len(every.lines)) == (1, 3)
    assert f"{site.url}/favicon.ico: HTTP 404 (on {site.url}/page)" in every.err


def test_kinds_that_begin_with_a_minus_are_no_option(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "pick", "-q", f"{site.url}/page", "--kinds", "-img", *LOCAL)
    assert ran.lines == [f"{site.url}/u/hero-640x360.webp"]
    assert Ran(capsys, "pick", "--kinds", "pictures", "a.webp").code == 2


def test_kinds_may_stand_in_a_variable_and_in_the_configuration_of_a_folder(
    site: Origin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGFETCH_KINDS", "icon")
    assert Ran(capsys, "pick", "-q", f"{site.url}/page", *LOCAL).lines == [f"{site.url}/favicon.ico"]
    monkeypatch.delenv("IMGFETCH_KINDS")
    Path("imgfetch.toml").write_text('[tool.imgfetch]\nkinds = ["icon", "meta"]')
    assert len(Ran(capsys, "pick", "-q", f"{site.url}/page", *LOCAL).lines) == 2


def test_a_report_keeps_the_kinds(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    Ran(capsys, "get", f"{site.url}/page", "--kinds", "icon", "--report", "failed.jsonl", *LOCAL)
    (line,) = Path("failed.jsonl").read_text().splitlines()
    assert json.loads(line)["ask"]["kinds"] == "icon"
    assert json.loads(line)["page"] == f"{site.url}/page"
    again = Ran(capsys, "retry", "failed.jsonl", "--all", *LOCAL)
    assert f"HTTP 404 (on {site.url}/page)" in again.err
    site.route("/favicon.ico", whole(encoded("png", 16, 16)))
    assert Ran(capsys, "retry", "failed.jsonl", "--all", *LOCAL).code == 0


def test_json_and_the_library_name_the_page(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "get", "--json", f"{site.url}/page", *LOCAL)
    assert {json.loads(line)["page"] for line in ran.lines} == {f"{site.url}/page"}
    direct = Ran(capsys, "get", "--json", f"{site.url}/banner.webp", *LOCAL)
    assert json.loads(direct.out)["page"] is None

    async def go() -> list[Image | Failure]:
        async with Client(allow_hosts=["127.0.0.1"]) as client:
            found = client.get_many([f"{site.url}/page"], kinds="content+icon")
            return [outcome async for outcome in found]

    outcomes = asyncio.run(go())
    assert len(outcomes) == 3
    assert {outcome.page for outcome in outcomes} == {f"{site.url}/page"}
    assert [type(outcome) for outcome in outcomes].count(Failure) == 1


def test_fetch_gives_the_main_image_of_a_page_and_never_its_icon(site: Origin) -> None:
    local: dict[str, Any] = {"allow_hosts": ["127.0.0.1"]}
    assert fetch(f"{site.url}/page", **local).url == f"{site.url}/u/hero.webp"
    assert fetch(PAGE.decode(), base_url=f"{site.url}/page", **local).url == f"{site.url}/u/hero.webp"
    Path("page.html").write_bytes(PAGE)
    assert fetch(Path("page.html"), base_url=f"{site.url}/page", **local).url == f"{site.url}/u/hero.webp"
    with pytest.raises(ImgfetchError) as caught:
        fetch(f"{site.url}/icons", **local)
    assert caught.value.kind is ErrorKind.NO_IMAGE
    assert "1 icon" in str(caught.value)
    with pytest.raises(InputError, match="1 icon"):
        fetch("<html><link rel=icon href=/favicon.ico>", base_url=site.url, **local)


def test_a_page_of_which_nothing_is_wanted_fails_with_the_way_to_take_it(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "get", f"{site.url}/icons", *LOCAL)
    assert ran.code == 1
    assert "no image is wanted; left out: 1 icon; --kinds all takes every image" in ran.err


def test_an_option_is_named_only_where_it_would_take_an_image(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("page.html").write_text("<link rel=icon href=/i.png><img src=/a.png><img src=/b.png>")
    ran = Ran(capsys, "pick", "page.html", "--include", "/a.", "--kinds", "all", "--base", site.url)
    assert ran.err == "imgfetch: 2 more images: 2 not wanted by their URLs\n"
    ran = Ran(capsys, "pick", "page.html", "--exclude", "/b.", "--base", site.url)
    assert (
        ran.err == "imgfetch: 2 more images: 1 icon, 1 not wanted by its URL; --kinds +icon takes 1 of them\n"
    )
    ran = Ran(capsys, "pick", "page.html", "--include", "/nothing", "--kinds", "all", "--base", site.url)
    assert ran.err.splitlines()[0].endswith("no image is wanted; left out: 3 not wanted by their URLs")


@pytest.mark.parametrize(
    "markup",
    ["img src='{}'", "img data-src='{}'", "div style=\"background:url('{}')\""],
)
@pytest.mark.parametrize("empty", ["data:,", "DATA:,", "data:image/png;base64,", "data:image/svg+xml,#a"])
def test_an_empty_data_url_is_not_an_image(markup: str, empty: str) -> None:
    page = f"<{markup.format(empty)}><img src=a.jpg>"
    assert [each.candidates[0].url for each in find_images(page) if each.candidates] == ["a.jpg"]


def test_an_empty_data_url_beside_a_picture_leaves_the_picture() -> None:
    (image,) = find_images("<img src='data:,' srcset='data:image/svg+xml,#a 1x, a.jpg 2x'>")
    assert [each.url for each in image.candidates] == ["a.jpg"]


def test_the_icons_of_a_web_app_manifest_are_taken_and_those_of_a_page_are_not(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    icons = '[{"src":"u/hero.webp","sizes":"512x512"},{"src":"48.png","sizes":"48x48"}]'
    Path("m.json").write_text(f'{{"name":"A","icons":{icons}}}')
    Path("m.webmanifest").write_text(f'{{"icons":{icons}}}')
    for name in ("m.json", "m.webmanifest"):
        ran = Ran(capsys, "pick", name, "--base", f"{site.url}/")
        assert (ran.code, ran.out.splitlines()[0]) == (0, f"{site.url}/u/hero.webp")
        image = fetch(Path(name), base_url=f"{site.url}/", allow_hosts=["127.0.0.1"], cache="other")
        assert image.url == f"{site.url}/u/hero.webp"
    Path("page.html").write_text("<link rel=manifest href=m.json><link rel=icon href=48.png>")
    assert Ran(capsys, "pick", "page.html", "--base", f"{site.url}/").code == 2


def test_a_failure_of_a_file_names_the_file(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    Path("saved.html").write_text("<img src=/gone.webp>")
    ran = Ran(capsys, "get", "saved.html", "--base", site.url, *LOCAL)
    assert f"{site.url}/gone.webp: HTTP 404 (in saved.html)" in ran.err
    warned = Ran(capsys, "get", "saved.html", "--base", site.url, "--kinds", "all", *LOCAL)
    assert warned.code == 1


def test_verbose_says_what_each_document_is(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    Path("saved.html").write_bytes(PAGE)
    ran = Ran(capsys, "pick", "-v", "saved.html", f"{site.url}/page", "--base", site.url, *LOCAL)
    said = [line for line in ran.err.splitlines() if "html, by" in line]
    assert len(said) == 2
    assert said[0].startswith("imgfetch: saved.html: html, by its ")
    assert said[1].startswith(
        f"imgfetch: {site.url}/page: html, by its Content-Type text/html; 2 images, left out: 1 icon"
    )


def test_a_batch_takes_the_content_of_pages(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pages.txt").write_text(f"{site.url}/page\n")
    ran = Ran(capsys, "batch", "pages.txt", "--to", "out", "--contact", "me@h.example", *LOCAL)
    assert (ran.code, len(ran.lines)) == (0, 2)
    records = [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]
    assert {record["page"] for record in records} == {f"{site.url}/page"}
    assert "3 more images" in ran.err


def test_images_that_name_only_other_formats_are_left_out_of_a_page(
    site: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("usual.html").write_text(
        """<link rel=icon href=/favicon.ico><img src=/logo.svg><img src=/u/hero.webp><img src=/plain>
        <picture><source type=image/avif srcset=/x><img src=/y.gif></picture>"""
    )
    ran = Ran(capsys, "pick", "usual.html", "--base", site.url, "--formats", "webp,png", "-q")
    assert (ran.code, ran.lines) == (0, [f"{site.url}/u/hero.webp", f"{site.url}/plain"])
    loud = Ran(capsys, "pick", "usual.html", "--base", site.url, "--formats", "webp,png")
    assert loud.err == "imgfetch: 3 more images: 3 in other formats\n"
    given = Ran(capsys, "pick", "https://h.example/a.svg 1x", "--formats", "webp")
    assert given.code == 2


def test_pick_names_the_page_too(site: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.html").write_text("<img srcset='a.webp 0w'><img src=/u/hero.webp>")
    ran = Ran(capsys, "pick", "--json", "bad.html", "--base", f"{site.url}/page")
    assert ran.code == 1
    assert ran.err.startswith("imgfetch: bad.html: 0w is not a width")
    assert json.loads(ran.out)["page"] == f"{site.url}/page"

"""Formats that a caller wants: by the names of URLs and types before the request, by the bytes after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgfetch import Candidate, Client, Failure, Image, ImgfetchError, InputError, SourceSet, Viewport, choose
from imgfetch.model.image import Format
from imgfetch.model.markup import Choice, Source
from origin import Origin, Request, redirect, whole
from pictures import encoded

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_extras")]

JPEG, WEBP = encoded("jpeg", 96, 54), encoded("webp", 96, 54)


def picture(*sources: Source, img: str = "") -> SourceSet:
    return SourceSet((Candidate(img),) if img else (), sources=sources)


def source(*urls: str, media_type: str = "") -> Source:
    return Source(tuple(map(Candidate, urls)), type=media_type)


def tried(choice: Choice) -> list[str]:
    return [candidate.url for candidate in (choice.candidate, *choice.alternatives)]


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (("jpg", "JPG", "jpeg", "jpe", "jfif"), Format.JPEG),
        (("tif", "tiff", "TIFF"), Format.TIFF),
        (("svg", "svgz"), Format.SVG),
        (("heif", "heic"), Format.HEIC),
        (("ico", "cur"), Format.ICO),
        (("bmp", "dib"), Format.BMP),
        (("jxl",), Format.JXL),
    ],
)
def test_a_format_has_several_names(names: tuple[str, ...], form: Format) -> None:
    for name in names:
        assert Format(name) is form
        assert choose(SourceSet((Candidate(f"a.{name}"),)), formats=[name]).formats == (form,)
        with pytest.raises(InputError, match="no candidate in gif"):
            choose(SourceSet((Candidate(f"/a.b/x.{name}?q=a.gif#b.gif"),)), formats=["gif"])


def test_an_unknown_format_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(InputError, match="'psd' is not one of jpeg, png, .*heic"):
        choose(SourceSet((Candidate("a"),)), formats=["psd"])


def test_a_url_that_names_another_format_is_left_out() -> None:
    offered = SourceSet((Candidate("a.webp", 300), Candidate("a.svg", 900)))
    with pytest.raises(InputError, match=r"no candidate in jpeg, but a.webp and 1 more"):
        choose(offered, formats=["jpg"])
    for name in ("favicon.ico", "logo.svg", "scan.tif", "a.bmp", "a.jxl", "a.heic"):
        with pytest.raises(InputError):
            choose(SourceSet((Candidate(name),)), formats=["jpeg", "png", "webp", "gif", "avif"])


def test_a_source_without_a_candidate_in_the_formats_is_passed_over() -> None:
    offered = picture(source("a.webp"), source("b.png", media_type="image/png"), img="c.jpg")
    assert choose(offered, formats=["jpg"]).url == "c.jpg"
    assert choose(offered, formats="png").url == "b.png"
    assert choose(offered, formats="webp", viewport=Viewport(800, 600)).url == "a.webp"


def test_a_format_that_cannot_be_decoded_comes_after_all_others() -> None:
    widths = SourceSet((Candidate("a.jxl", 800), Candidate("a.heic", 820), Candidate("a.jpg", 400)))
    choice = choose(widths, width=800)
    assert tried(choice) == ["a.jpg", "a.jxl", "a.heic"]
    assert choice.why.endswith("none covers 800 device pixels; 2 more cannot be decoded here")
    assert tried(choose(widths, width=800, formats=["jxl", "jpeg"])) == ["a.jxl", "a.jpg"]
    assert tried(choose(SourceSet((Candidate("a.svg"), Candidate("a.png"))))) == ["a.png", "a.svg"]
    assert choose(SourceSet((Candidate("a.svg"),))).url == "a.svg"


@pytest.mark.parametrize("media_type", ["image/jxl", "image/heic", "image/heif;x=y", "image/svg+xml", ""])
def test_a_source_that_cannot_be_decoded_is_not_taken_before_a_fallback(media_type: str) -> None:
    offered = picture(source("a.jxl", media_type=media_type), img="a.jpg")
    assert choose(offered).url == "a.jpg"
    assert choose(picture(source("a.jxl", media_type=media_type))).url == "a.jxl"


def test_a_browser_takes_jpeg_xl_and_what_can_be_decoded_comes_next() -> None:
    screen = Viewport(800, 600)
    offered = picture(source("a.jxl", media_type="image/jxl"), source("a.webp"), img="a.jpg")
    assert tried(choose(offered, policy="browser", viewport=screen)) == ["a.jxl", "a.webp", "a.jpg"]
    assert choose(offered, policy="browser", viewport=screen, formats=["jpg"]).url == "a.jpg"


# The bytes decide


@pytest.fixture
async def client(cache: Path) -> AsyncIterator[Client]:
    async with Client(cache, allow_hosts=["127.0.0.1"]) as running:
        yield running


async def test_bytes_of_another_format_are_a_failure_and_the_next_candidate_is_tried(
    origin: Origin, client: Client
) -> None:
    lying = origin.route("/a.jpg", whole(WEBP, content_type="image/jpeg"))
    with pytest.raises(ImgfetchError) as caught:
        await client.get(lying, formats=["jpg"])
    assert caught.value.kind == "format_mismatch"
    assert caught.value.message == "the body is webp, and jpeg was wanted"
    assert not caught.value.retryable
    assert origin.asked("/a.jpg") == 1
    good = origin.route("/b.jpg", whole(JPEG))
    image = await client.get(f"{lying} 900w, {good} 300w", width=800, formats=["jpeg"])
    assert (image.format, image.url) == ("jpeg", good)
    assert image.warnings[0].startswith(f"passed over {lying}: the body is webp")


async def test_stored_bytes_of_another_format_do_not_answer(origin: Origin, client: Client) -> None:
    url = origin.route("/a", whole(WEBP), whole(JPEG))
    assert (await client.get(url)).format == "webp"
    assert (await client.get(url, formats=["webp"])).origin == "cached"
    image = await client.get(url, formats=["jpeg"])
    assert (image.format, image.origin) == ("jpeg", "fetched")
    assert (await client.get(url, formats=["jpeg"])).origin == "cached"


async def test_accept_names_just_the_formats(origin: Origin, client: Client) -> None:
    seen: list[str] = []

    async def negotiate(writer: asyncio.StreamWriter, request: Request) -> bool | None:
        accept = request.headers["accept"]
        seen.append(accept)
        body = WEBP if "image/webp" in accept else JPEG
        return await whole(body, vary="Accept")(writer, request)

    url = origin.route("/nego", negotiate)
    assert (await client.get(url)).format == "webp"
    assert (await client.get(url, formats=["jpg"])).format == "jpeg"
    for formats, form in (("jpg", "jpeg"), (None, "webp"), ("jpg", "jpeg")):
        again = await client.get(url, formats=formats)
        assert (again.format, again.origin) == (form, "cached")  # each has its variant
    page = origin.route("/p", whole(b'<img src="/nego"><img src="/else">', content_type="text/html"))
    origin.route("/else", redirect("/nego2"))
    origin.route("/nego2", negotiate)
    outcomes = [outcome async for outcome in client.get_many([page], formats=["jpg"])]
    assert [outcome.format for outcome in outcomes if isinstance(outcome, Image)] == ["jpeg", "jpeg"]
    assert seen[1] == "image/jpeg,text/html;q=0.9,*/*;q=0.1"  # a URL may be that of a page
    assert seen[-1] == "image/jpeg,*/*;q=0.1"


async def test_a_page_that_holds_svg_is_a_page(origin: Origin, client: Client) -> None:
    text = b"<!-- kept --><!doctype html><title>x</title><svg><path d='M0 0'/></svg><img src=/a.jpg>"
    page = origin.route("/page", whole(text, content_type="text/html"))
    origin.route("/a.jpg", whole(JPEG))
    outcome = [outcome async for outcome in client.get_many([page])]
    assert [type(each) for each in outcome] == [Image]
    lone = origin.route("/lone.jpg", whole(text, content_type="text/html"))
    (failed,) = [outcome async for outcome in client.get_many([f"{lone} 1x"])]
    assert isinstance(failed, Failure)
    assert (failed.kind, failed.message) == ("not_image", "the body is HTML")


async def test_every_image_of_a_usual_page_is_kept(origin: Origin, client: Client) -> None:
    page = origin.route(
        "/page",
        whole(
            b'<!doctype html><link rel="icon" href="/favicon.ico"><img src="/logo.svg" alt="logo">'
            b'<img src="/photo.jpg"><img src="/old.bmp"><img src="/scan.tif">',
            content_type="text/html",
        ),
    )
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="30"/>'
    origin.route("/logo.svg", whole(svg, content_type="image/svg+xml"))
    for name, form in (
        ("favicon.ico", "ico"),
        ("photo.jpg", "jpeg"),
        ("old.bmp", "bmp"),
        ("scan.tif", "tiff"),
    ):
        origin.route(f"/{name}", whole(encoded(form, 48, 48)))
    outcomes = [outcome async for outcome in client.get_many([page])]
    kept = {outcome.format: outcome.verified for outcome in outcomes if isinstance(outcome, Image)}
    assert len(kept) == len(outcomes)
    assert kept.pop(Format.SVG) == ("length", "structure")
    assert {"jpeg", "bmp", "tiff"} <= kept.keys()
    assert set(kept.values()) == {("length", "structure", "decode")}

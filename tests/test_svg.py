from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_files import check
from imgfetch import CachingTransport, Client, Image, ImgfetchError, Limits, check_image
from imgfetch.formats import walk
from imgfetch.model.result import ErrorKind
from origin import Origin, whole
from test_xml_reader import BOMBS

if TYPE_CHECKING:
    from pathlib import Path

    from imgfetch.model.image import Structure

NS = 'xmlns="http://www.w3.org/2000/svg"'
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
LOGO = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- a logo -->
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg {NS} width="30" height="20" viewBox="0 0 60 40"><title>Café</title><path d="M0 0h60v40z"/></svg>
"""


def svg(attributes: str = 'width="30" height="20"', content: str = "", before: str = "") -> bytes:
    return f"{before}<svg {NS} {attributes}>{content}</svg>".encode()


def whole_svg(data: bytes) -> Structure:
    structure = check(data)
    assert (structure.format, structure.frames) == ("svg", 1)
    return structure


def test_walks_a_document_to_its_end() -> None:
    structure = whole_svg(LOGO.encode())
    assert (structure.width, structure.height, structure.notes) == (30, 20, ())


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="30" height="20"', (30, 20)),
        ('width="30.6px" height="20.4px"', (31, 20)),
        ('width="1in" height="2.54cm"', (96, 96)),
        ('width="72pt" height="6pc"', (96, 96)),
        ('width=" 25.4mm " height="101.6Q"', (96, 96)),
        ('width="1e2" height=".5e2"', (100, 50)),
        ('viewBox="0 0 40 10"', (40, 10)),
        ('viewBox="-5,-5, 40.2 ,10"', (40, 10)),
        ('width="100%" height="100%" viewBox="0 0 40 10"', (40, 10)),
        ('width="80" viewBox="0 0 40 10"', (80, 20)),
        ('height="20" viewBox="0 0 40 10"', (80, 20)),
        ('width="80"', (80, 0)),
        ("", (0, 0)),
        ('viewBox="0 0 0 0"', (0, 0)),
        ('viewBox="0 0 x 10" width="-5" height="1em"', (0, 0)),
        (f'width="{"9" * 5000}" viewBox="{"9 " * 5000}"', (0, 0)),
    ],
)
def test_reads_the_size_where_it_is_absolute(attributes: str, size: tuple[int, int]) -> None:
    structure = whole_svg(svg(attributes))
    assert (structure.width, structure.height) == size


@pytest.mark.parametrize(
    "data",
    [
        LOGO.encode("utf-16"),
        ("\ufeff" + LOGO).encode(),
        LOGO.replace("UTF-8", "iso-8859-1").encode("latin-1"),
        b"\n \t" + svg(),
        b'<s:svg xmlns:s="http://www.w3.org/2000/svg" width="30" height="20"/>',
        svg(before='<!DOCTYPE svg [<!ENTITY a "b"><!-- ] > -->]>').replace(b" ] > ", b""),
        svg('width="&w;" height="20"', before='<!DOCTYPE svg [<!ENTITY w "30">]>'),
        svg(before=f"<!--{'-x' * 10_000}-->"),
        svg(before="<?a b?><!---->"),
        svg() + b"\n<!-- end -->\n",
    ],
)
def test_knows_a_document_by_its_root_in_any_encoding(data: bytes) -> None:
    structure = whole_svg(data)
    assert (structure.width, structure.height) == (30, 20)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (svg(content="<g>"), "not well-formed XML: mismatched tag in line 1, column"),
        (svg() + b"x", "junk after document element"),
        (svg() + b"\0\0\0", "not well-formed"),
        (svg(content="&nbsp;"), "undefined entity"),
        (
            svg(content="&nbsp;", before='<!DOCTYPE svg PUBLIC "a" "http://a.invalid/">'),
            "&nbsp; is not declared",
        ),
        (svg(content='<use xlink:href="#a"/>'), "no namespace is declared for xlink:href"),
        (svg('width="1" width="2"'), "duplicate attribute"),
        (svg(content="<title>Café</title>").decode().encode("latin-1"), "bytes that are not utf-8"),
        (svg(content="<g>" * 6_000 + "</g>" * 6_000), "more than 5,000 elements inside one another"),
    ],
)
def test_refuses_what_browsers_do_not_show(data: bytes, words: str) -> None:
    check(data, ErrorKind.CORRUPT, words)


def test_refuses_an_svg_without_its_namespace_and_says_so() -> None:
    for data in (b"<svg width='3'/>", b"<svg xmlns='http://www.w3.org/1999/xhtml'/>"):
        check(data, ErrorKind.UNSUPPORTED_FORMAT, "without the namespace", "browsers do not show")


@pytest.mark.parametrize("data", [LOGO.encode(), LOGO.encode("utf-16"), svg(content="<g>a</g>")])
def test_sees_every_truncation(data: bytes) -> None:
    end = len(data.rstrip(b"\n\0"))
    for length in range(end):
        defect = walk(data[:length]).defect
        assert defect is not None, length


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_corrupt(bomb: str) -> None:
    inner = (
        BOMBS[bomb].replace("DOCTYPE l", "DOCTYPE svg").replace("<l", f"<svg {NS}").replace("</l>", "</svg>")
    )
    data = inner.encode() if "<svg" in inner else f"<svg {NS}>{inner}</svg>".encode()
    check(data, ErrorKind.CORRUPT)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("<script>alert(1)</script>", "active_content: it has a script,"),
        ('<g onload="a()"/><g onclick="b()"/>', "active_content: it has 2 scripts or event handlers,"),
        ('<a href=" JavaScript:a()"/>', "active_content"),
        (
            '<image href="http://h.example/a.png"/>',
            "external_references: it refers to http://h.example/a.png,",
        ),
        ('<image xlink:href="a.png"/><use href="b.svg#c"/>', "it refers to a.png and 1 more"),
        ('<rect fill="url(b.svg#c)"/>', "it refers to b.svg#c"),
        ("<rect style=\"fill: url( 'b.svg#c')\"/>", "it refers to b.svg#c"),
        ("<style>@import 'x.css'; a {background: url(y.png)}</style>", "it refers to x.css and 1 more"),
        ('<foreignObject><img xmlns="http://www.w3.org/1999/xhtml" src="z.png"/></foreignObject>', "z.png"),
    ],
)
def test_reports_scripts_and_references_to_other_files(content: str, note: str) -> None:
    structure = whole_svg(svg(f"{XLINK}", content))
    assert len(structure.notes) == 1
    assert note in structure.notes[0]


def test_reports_an_external_entity_and_a_style_sheet() -> None:
    before = '<?xml-stylesheet href="a.css"?><!DOCTYPE svg [<!ENTITY e SYSTEM "/etc/passwd">]>'
    (note,) = whole_svg(svg(content="&e;", before=before)).notes
    assert "it refers to a.css and 1 more" in note


def test_references_inside_the_document_are_no_news() -> None:
    content = (
        '<a href="http://h.example/"/><use href="#b"/><image href="data:image/png;base64,AA=="/>'
        '<rect fill="url(#c)" style="fill:url(#d)"/><metadata/><g data-src="x"/>'
    )
    assert whole_svg(svg(XLINK, content)).notes == ()


@given(st.text(alphabet='<>/svg&;"= \n#!-[]x', max_size=100))
def test_never_raises(text: str) -> None:
    walk(f"<svg {text}".encode())
    walk(f"<svg {NS}>{text}".encode())


# The whole way

pytestmark = pytest.mark.anyio


async def test_keeps_an_svg_and_says_what_was_proved(origin: Origin, cache: Path) -> None:
    url = origin.route("/logo", whole(LOGO.encode(), content_type="image/svg+xml"))
    async with Client(cache, allow_hosts=["127.0.0.1"]) as client:
        image = await client.get(f"{url} 640w")
        assert (image.format, image.width, image.height) == ("svg", 30, 20)
        assert image.verified == ("length", "structure")
        assert image.path.suffix == ".svg"
        assert image.warnings == ()  # its width is a wish, and its size that of no pixel
        assert (await client.get(f"{url} 640w")).origin == "cached"
        with pytest.raises(ImgfetchError, match="an SVG is a document, which Pillow cannot open"):
            image.open()


async def test_keeps_a_compressed_svg_by_its_content_coding_alone(origin: Origin, cache: Path) -> None:
    packed = gzip.compress(LOGO.encode())
    good = origin.route("/a.svgz", whole(packed, content_encoding="gzip", content_type="image/svg+xml"))
    bad = origin.route("/b.svgz", whole(packed, content_type="image/svg+xml"))
    async with Client(cache, allow_hosts=["127.0.0.1"]) as client:
        assert (await client.get(good)).path.read_bytes() == LOGO.encode()
        with pytest.raises(ImgfetchError, match="the body is gzip data"):
            await client.get(bad)


async def test_markup_that_begins_with_svg_is_a_page_where_its_type_says_so(
    origin: Origin, cache: Path
) -> None:
    page = origin.route("/page", whole(svg() + b"<img src=/logo.svg>", content_type="text/html"))
    origin.route("/logo.svg", whole(svg(), content_type="text/html"))
    async with Client(cache, allow_hosts=["127.0.0.1"]) as client:
        (image,) = [outcome async for outcome in client.get_many([page])]
    assert isinstance(image, Image)
    assert image.url.endswith("/logo.svg")


def test_check_image_takes_an_svg_of_any_size() -> None:
    facts = check_image(svg('width="100000" height="100000"'), limits=Limits(max_pixels=10))
    assert (facts.format, facts.width, facts.verified) == ("svg", 100_000, ("structure",))


async def test_a_caching_transport_stores_whole_documents_alone(origin: Origin, cache: Path) -> None:
    good = origin.route("/a.svg", whole(svg(), cache_control="max-age=60"))
    cut = origin.route("/b.svg", whole(svg()[:-3], cache_control="max-age=60"))
    transport = CachingTransport(cache, allow_hosts=["127.0.0.1"])
    async with httpx.AsyncClient(transport=transport) as client:
        told = [(await client.get(url)).extensions["imgfetch"] for url in (good, good, cut, cut)]
    assert [each["origin"] for each in told] == ["fetched", "cached", "fetched", "fetched"]
    assert told[3]["problem"].startswith("truncated: ")

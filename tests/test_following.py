"""Documents that a document loads: style sheets, manifests, sitemaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from command import LOCAL, Ran
from imgfetch import InputError
from imgfetch.api.sources import read_source
from imgfetch.markup.css.css_imports import Import, find_imports
from imgfetch.model.document import Document
from imgfetch.readers.linked import linked_documents
from measuring import cpu_seconds
from origin import Origin, status, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PNG = encoded("png", 40, 30)
CSS = {"content_type": "text/css"}
PAGE = b"""<!doctype html><link rel=stylesheet href=main.css><link rel=manifest href=/app.webmanifest>
<link rel="alternate stylesheet" href=other.css><link rel=stylesheet href=print.css media=print>
<link rel=icon href=/icon.png><p style="background: url(/inline.png)"></p>"""


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        for name in ("inline", "main", "imported", "icon", "big", "map"):
            origin.route(f"/{name}.png", whole(PNG, content_type="image/png"))
        origin.route("/d/page.html", whole(PAGE, content_type="text/html"))
        origin.route(
            "/d/main.css", whole(b"@import 'c/imported.css'; a { background: url('../main.png') }", **CSS)
        )
        origin.route(
            "/d/c/imported.css",
            whole(
                b"@import url(../main.css); @import url(gone.css); b { background: url(/imported.png) }",
                **CSS,
            ),
        )
        origin.route("/d/c/gone.css", status(404))
        origin.route(
            "/app.webmanifest",
            whole(b'{"icons":[{"src":"big.png","sizes":"512x512"}]}', content_type="application/json"),
        )
        yield origin


def get(origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path, *arguments: str) -> Ran:
    return Ran(capsys, "get", *arguments, *LOCAL, "--cache", str(tmp_path / "cache"), "-v")


def asked(origin: Origin) -> set[str]:
    return {request.path for request in origin.requests}


def test_style_sheets_and_their_imports_are_read_once(
    origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = f"{origin.url}/d/page.html"
    ran = get(origin, capsys, tmp_path, page, origin.route("/d/again", whole(PAGE, content_type="text/html")))
    assert ran.code == 0
    assert {"/inline.png", "/main.png", "/imported.png"} < asked(origin)
    assert not {"/d/other.css", "/d/print.css", "/app.webmanifest", "/big.png"} & asked(origin)
    assert origin.asked("/d/main.css") == 1
    assert "not read, and may name more images: 2 style sheets" in ran.err


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/octet-stream"])
def test_a_style_sheet_is_read_whatever_its_origin_calls_it(
    content_type: str, origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sheet = origin.route("/d/named.css", whole(b"a { background: url(/map.png) }", content_type=content_type))
    page = whole(f"<!doctype html><link rel=stylesheet href={sheet}>".encode(), content_type="text/html")
    ran = get(origin, capsys, tmp_path, origin.route("/d/p.html", page))
    assert ran.code == 0
    assert "/map.png" in asked(origin)


def test_the_manifest_is_read_if_icons_are_wanted(
    origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ran = get(origin, capsys, tmp_path, f"{origin.url}/d/page.html", "--kinds", "icon")
    assert ran.code == 0
    assert "/big.png" in asked(origin)
    assert "/d/main.css" not in asked(origin)


def test_pick_follows_too(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "pick", f"{origin.url}/d/page.html", *LOCAL)
    assert f"{origin.url}/imported.png" in ran.out.split()


def test_nothing_is_followed_where_that_is_not_wanted(
    origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ran = get(origin, capsys, tmp_path, f"{origin.url}/d/page.html", "--no-follow")
    assert ran.code == 0
    assert asked(origin) == {"/d/page.html", "/inline.png"}
    assert "not read, and may name more images: 1 style sheet" in ran.err


def test_what_a_file_loads_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(PAGE)
    ran = Ran(capsys, "pick", str(file), "--base", "https://a.test/", "-v")
    assert "1 style sheet not read" in ran.err


def test_headers_of_the_caller_go_to_the_origin_of_the_page_alone(
    origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Origin() as other:
        sheet = other.route("/far.css", whole(b"a { background: url(far.png) }", **CSS))
        other.route("/far.png", whole(PNG, content_type="image/png"))
        body = f"<link rel=stylesheet href=/d/main.css><link rel=stylesheet href={sheet}>".encode()
        origin.route("/both.html", whole(body, content_type="text/html"))
        assert get(origin, capsys, tmp_path, f"{origin.url}/both.html", "-H", "X-Key: secret").code == 0
        near = [request for request in origin.requests if request.path == "/d/main.css"]
        assert near[0].headers["x-key"] == "secret"
        assert all("x-key" not in request.headers for request in other.requests)
        assert {"/far.css", "/far.png"} == asked(other)


def test_an_index_of_sitemaps_is_followed(
    origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name = "http://www.sitemaps.org/schemas/sitemap/0.9"
    index = f"<sitemapindex xmlns='{name}'><sitemap><loc>{origin.url}/1.xml</loc></sitemap></sitemapindex>"
    one = f"<urlset xmlns='{name}'><url><image><loc>{origin.url}/map.png</loc></image></url></urlset>"
    origin.route("/sitemap.xml", whole(index.encode(), content_type="text/xml"))
    origin.route("/1.xml", whole(one.encode(), content_type="text/xml"))
    assert get(origin, capsys, tmp_path, f"{origin.url}/sitemap.xml").code == 0
    assert "/map.png" in asked(origin)

    file = tmp_path / "index.xml"
    file.write_text(index)
    assert get(origin, capsys, tmp_path, str(file)).code == 2
    with pytest.raises(InputError, match=f"1 sitemap in it not read: give {origin.url}/1.xml, or the index"):
        read_source(file)


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        ("@import url(a.css);", [("a.css", "")]),
        ("@import url('a.css') screen;@IMPORT \"b.css\" print", [("a.css", "screen"), ("b.css", "print")]),
        ("@charset 'utf-8';/* a */@layer a, b;@import 'a.css';", [("a.css", "")]),
        ("@import 'a' layer(b) supports(display: grid) (width > 1px);", [("a", "(width > 1px)")]),
        ("@import 'a' layer screen;", [("a", "screen")]),
        ("a {} @import 'a';", []),
        ("@layer a {} @import 'a';", []),
        ("@import a; @import 'b';", []),
        (r"@import url(a\29.css);", [("a).css", "")]),
        ("<!-- @import 'a'; -->", [("a", "")]),
    ],
)
def test_imports_before_the_first_rule_count(css: str, expected: list[tuple[str, str]]) -> None:
    assert [*find_imports(css)] == [Import(*each) for each in expected]


def test_links_are_resolved_against_the_base_of_the_page() -> None:
    page = "<base href=/b/><link rel='preload stylesheet' href=a.css><style>@import 'i.css';</style>"
    found = linked_documents(Document(page, "text/html", base_url="https://a.test/c/"))
    assert [each.url for each in found] == ["https://a.test/b/a.css", "https://a.test/b/i.css"]
    svg = "<?xml-stylesheet href='a.css' type='text/css'?><svg xmlns='http://www.w3.org/2000/svg'/>"
    (only,) = linked_documents(Document(svg, "image/svg+xml", base_url="https://a.test/c/"))
    assert only.url == "https://a.test/c/a.css"


@pytest.mark.parametrize(
    "part", ["@import 'a';", "@import ", "@import url(", "@import 'a' layer(", "@layer a;"]
)
def test_hostile_imports_take_linear_time(part: str) -> None:
    text = part * (1_000_000 // len(part))
    assert cpu_seconds(lambda: [*find_imports(text)]) < 10


def test_the_icons_of_a_page_and_its_manifest_are_one_choice_by_size(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    body = b"""<link rel=manifest href=/app.webmanifest><link rel=icon sizes=any href=/icon.svg>
    <link rel=icon sizes="16x16 32x32 64x64" href=/favicon.ico>
    <link rel=apple-touch-icon sizes=152x152 href=/152.png>"""
    url = origin.route("/icons.html", whole(body, content_type="text/html"))
    for width, name in (("40", "favicon.ico"), ("100", "152.png"), ("300", "big.png")):
        ran = Ran(capsys, "pick", url, *LOCAL, "--kinds", "icon", "-w", width)
        assert ran.lines[0] == f"{origin.url}/{name}"


def test_a_manifest_as_the_source_is_about_its_icons(
    origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(
        '{"name":"App","icons":[{"src":"/a.png","sizes":"48x48"},{"src":"/b.png","sizes":"512x512"}]}'
    )
    assert Ran(capsys, "pick", str(file), "--base", "https://a.test/").lines[0] == "https://a.test/b.png"
    assert Ran(capsys, "pick", f"{origin.url}/app.webmanifest", *LOCAL).lines[0] == f"{origin.url}/big.png"

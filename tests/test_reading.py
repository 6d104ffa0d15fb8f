"""`find_images` and `choose` on whole pages, and what `pick` says of three styles of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch import Choice, InputError, Viewport, choose, current_sources, find_images
from imgfetch.api.images import explain
from imgfetch.api.sources import label, read_source
from imgfetch.cli import main
from imgfetch.markup.positions import Lines
from imgfetch.model.image import Format
from imgfetch.model.markup import Candidate, Policy, Problem, Source, SourceSet

pytestmark = pytest.mark.usefixtures("without_extras")

BASE = "https://news.example/story/"

WORDPRESS = """<!doctype html><meta charset=utf-8>
<figure class="wp-block-image"><img loading="lazy" src="/up/harbour-1024x683.jpg" alt="Harbour"
 srcset="/up/harbour-1024x683.jpg 1024w, /up/harbour-300x200.jpg 300w, /up/harbour-768x512.jpg 768w"
 sizes="(max-width: 1024px) 100vw, 1024px"></figure>"""

NEWS = """<!doctype html><base href="/media/"><picture>
<source media="(min-width: 900px)" type="image/avif" sizes="60vw"
 srcset="wide-900.avif 900w, wide-1800.avif 1800w">
<source media="(min-width: 900px)" srcset="wide-900.jpg 900w, wide-1800.jpg 1800w" sizes="60vw">
<source type="image/jxl" srcset="tall-original">
<source type="image/webp" srcset="tall-400.webp 400w, tall-800.webp 800w" sizes="calc(100vw - 2rem)">
<img src="tall-400.jpg" srcset="oops 4q, tall-400.jpg 400w" alt="Parliament"></picture>"""

NEXT = """<img data-nimg="1"
 srcset="/_next/image?url=%2Fp.jpg&amp;w=640&amp;q=75 1x, /_next/image?url=%2Fp.jpg&amp;w=1920&amp;q=75 2x"
 src="/_next/image?url=%2Fp.jpg&amp;w=1920&amp;q=75">"""

PHONE, DESK = Viewport(400, 800, 2.0), Viewport(1280, 720, 1.0)


@pytest.fixture(autouse=True)
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode no JPEG XL, whether its extra is installed or not."""
    monkeypatch.setattr("imgfetch.api.images.is_decodable", lambda form: form is not Format.JXL)


def chosen(page: str, viewport: Viewport | None = None, **asked: object) -> Choice:
    (image,) = find_images(page, base_url=BASE)
    return choose(image, viewport=viewport, **asked)  # type: ignore[arg-type]


def check(page: str, viewport: Viewport | None, url: str, **asked: object) -> str:
    choice = chosen(page, viewport, **asked)
    assert choice.url == "https://news.example" + url
    return choice.why


def test_a_viewport_asks_for_the_pixels_that_the_image_fills_there() -> None:
    check(WORDPRESS, PHONE, "/up/harbour-1024x683.jpg")
    check(WORDPRESS, Viewport(380, 800, 2.0), "/up/harbour-768x512.jpg")
    check(WORDPRESS, Viewport(300, 800), "/up/harbour-300x200.jpg")
    check(WORDPRESS, None, "/up/harbour-768x512.jpg", width=500)


def test_of_a_picture_the_source_that_holds_stands_for_the_image() -> None:
    why = check(NEWS, DESK, "/media/wide-900.avif")
    assert why == (
        "<source media='(min-width: 900px)' type='image/avif'>: "
        "900w is the smallest of 2 that covers 768 device pixels"
    )
    check(NEWS, DESK, "/media/wide-900.jpg", formats=["jpeg", "webp"])
    check(NEWS, PHONE, "/media/tall-800.webp")
    check(NEWS, PHONE, "/media/tall-400.jpg", formats=["jpeg"])


def test_without_a_viewport_no_media_condition_is_taken_to_hold() -> None:
    check(NEWS, None, "/media/tall-800.webp", width=500)


@pytest.mark.parametrize("page", [WORDPRESS, NEWS, NEXT])
@pytest.mark.parametrize("viewport", [PHONE, DESK, Viewport(901, 700, 3.0)])
def test_the_browser_policy_chooses_what_a_browser_shows(page: str, viewport: Viewport) -> None:
    (shown,) = current_sources(page, base_url=BASE, viewport=viewport)
    assert chosen(page, viewport, policy="browser").url == shown


def test_the_browser_policy_needs_a_viewport() -> None:
    with pytest.raises(InputError, match="needs a viewport"):
        chosen(WORDPRESS, policy="browser")


def test_a_choice_can_be_explained() -> None:
    told = explain(chosen(NEWS, PHONE), viewport=PHONE)
    assert [part.against for part in told.parts] == [
        "its media condition does not hold",
        "its media condition does not hold",
        "its type is image/jxl",
        "",
        "",
    ]
    assert told.source_size == 368
    assert [round(density, 3) for _, density in told.densities] == [1.087, 2.174]
    assert dict(told.policies)[Policy.SMALLEST].width == 400


def test_what_kind_of_text_it_is_is_seen_or_said() -> None:
    (seen,) = find_images("a { background: url(x.png) }")
    assert seen.candidates[0].url == "x.png"
    (styled,) = find_images("a { background: url(x.png) }", media_type="text/css", base_url=BASE)
    assert styled.candidates[0].url == BASE + "x.png"
    (listed,) = find_images("a.webp 480w, b.webp 960w", base_url=BASE)
    assert listed.candidates[1].url == BASE + "b.webp"
    (page,) = find_images("a.webp 480w <img src=c.png>")
    assert page.candidates[0].url == "c.png"


def test_urls_are_spelled_as_a_browser_spells_them() -> None:
    def check(text: str, *expected: str, base_url: str = "") -> None:
        for media_type, markup in (
            ("text/plain", f"{text} 1x, {text}#2 2x"),
            ("text/html", f'<img srcset="{text} 1x, {text}#2 2x">'),
            ("text/css", f'a {{ background: image-set("{text}", "{text}#2" 2x) }}'),
        ):
            (image,) = find_images(markup, media_type=media_type, base_url=base_url)
            assert [c.url for c in image.candidates] == [*expected, f"{expected[0]}#2"], media_type

    check("https://h.example/ü.webp", "https://h.example/%C3%BC.webp")
    check("https://ü.example/a.webp?ü", "https://xn--tda.example/a.webp?%C3%BC")
    check("https://h.example/it's?it's", "https://h.example/it's?it%27s")
    check("/it's?it's", "https://h.example/it's?it%27s", base_url="https://h.example/")
    check("/ü.webp", "https://xn--tda.example/%C3%BC.webp", base_url="https://ü.example/b/")
    check("https://h.example/ü.webp", "https://h.example/%C3%BC.webp", base_url="https://ü.example/b/")
    (kept,) = find_images("https://[ü/a.webp 1x, ü.webp 2x")
    assert [candidate.url for candidate in kept.candidates] == ["https://[ü/a.webp", "ü.webp"]


def test_a_source_set_of_the_callers_is_spelled_so_too() -> None:
    raw, asked_for = "https://h.example/ü.webp", "https://h.example/%C3%BC.webp"
    source = Source((Candidate(raw, 2),), media="print")
    (image,) = read_source(SourceSet((Candidate(raw, 1), Candidate("ü.webp")), sources=(source,))).images
    assert image.candidates == (Candidate(asked_for, 1), Candidate("ü.webp"))
    assert image.sources == (Source((Candidate(asked_for, 2),), media="print"),)


@pytest.mark.parametrize(
    ("text", "media_type", "found", "place"),
    [
        ("see\r\n\r /a.webp 480w, /b.webp 9q, /c.webp 960w", None, "/b.webp 9q", (3, 16)),
        ("a{}\nb { background: url(x y) } c { background: url(z) }", "text/css", "url(x y)", (2, 17)),
        ("a{}\nb { background: url('http://[') } c { background: url(z) }", "text/css", "http://[", (2, 17)),
    ],
)
def test_what_a_text_says_amiss_is_told_with_line_and_column(
    text: str, media_type: str | None, found: str, place: tuple[int, int]
) -> None:
    images = find_images(text, media_type=media_type, base_url=BASE)
    (problem,) = (problem for image in images for problem in image.problems)
    assert (problem.found, problem.line, problem.column) == (found, *place)


@settings(deadline=None)
@given(st.text("a\r\n\f\x85é"), st.data())
def test_line_and_column_lead_to_the_offset_they_were_made_of(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    placed = Lines(text).locate(Problem(offset, "", ""))
    assert Lines(text).offset(placed.line, placed.column) == offset
    if text[offset - 1 : offset + 1] != "\r\n":
        before = text[:offset].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert (placed.line, placed.column) == (len(before), len(before[-1]) + 1)


def test_pick_tells_what_could_not_be_read_of_an_image_that_has_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("page.html").write_text("<p>\n <img srcset='a.png 4q'>")
    assert main(["pick", "page.html", "-v"]) == 2
    assert "page.html: line 2, column 2: 'a.png 4q' could not be read: " in capsys.readouterr().err
    assert main(["pick", "page.html"]) == 2
    assert "could not be read" not in capsys.readouterr().err


def test_pick_explains_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path("page.html")
    page.write_text(NEWS, encoding="utf-8")
    assert main(["pick", str(page), "--base", BASE, "--viewport", "400x800@2", "-v"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "https://news.example/media/tall-800.webp"
    assert "  not <source type='image/jxl'>: its type is image/jxl" in out
    assert "  it is 368 CSS pixels wide there" in out
    assert "else 400w https://news.example/media/tall-400.webp (1.087x)" in out
    assert "browser  would choose https://news.example/media/tall-original" in out
    number, line = next((n, line) for n, line in enumerate(NEWS.split("\n"), 1) if "oops 4q" in line)
    column = line.index("<img") + 1
    place = f"line {number}, column {column}"
    assert f"page.html: {place}: 'oops 4q' could not be read: 4q is not a descriptor such as 480w" in err

    assert main(["pick", str(page), "--base", BASE, "--viewport", "400x800@2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["source_size"] == 368
    assert told["policies"]["largest"].endswith("tall-800.webp")
    assert told["parts"][2]["against"] == "its type is image/jxl"
    assert told["problems"][0]["found"] == "oops 4q"


def test_what_a_source_is_called_has_no_credentials() -> None:
    for text in ("https://me:secret@h.example/a.webp", "https://me:secret@h.example/a 2x, b.webp"):
        assert "me:secret" not in label(text)


CYRILLIC = (
    '<html><head><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"></head>'
    '<img src="/фото/вид 1.jpg"><img src="/i.php?имя=дом">'
)


def test_a_query_is_in_the_encoding_of_its_page_by_every_door(tmp_path: Path) -> None:
    path, query = "/%D1%84%D0%BE%D1%82%D0%BE/%D0%B2%D0%B8%D0%B4%201.jpg", "/i.php?%E8%EC%FF=%E4%EE%EC"
    expected = [f"https://news.example{path}", f"https://news.example{query}"]
    data = CYRILLIC.encode("windows-1251")
    file = tmp_path / "page.html"
    file.write_bytes(data)
    undeclared = CYRILLIC.replace("charset", "c")
    for found in (
        find_images(data, base_url=BASE),
        find_images(CYRILLIC, base_url=BASE),
        find_images(
            undeclared.encode("windows-1251"), base_url=BASE, media_type="text/html; charset=windows-1251"
        ),
        read_source(file, base_url=BASE).images,
    ):
        assert [image.candidates[0].url for image in found] == expected
    for page in (data, CYRILLIC):
        assert current_sources(page, base_url=BASE, viewport=Viewport(800, 600)) == tuple(expected)
    assert find_images(data)[1].candidates[0].url == query

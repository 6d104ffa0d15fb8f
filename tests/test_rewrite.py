# ruff: noqa: E501 (markup, as it stands in pages)
"""Other URLs for the images of a page or a style sheet, with every other byte as it was."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgfetch import find_images, rewrite
from imgfetch.markup import urls
from imgfetch.markup.page import html
from imgfetch.markup.rewriting.new_urls import printable
from imgfetch.markup.rewriting.raw_values import RawValue, quoted
from measuring import cpu_seconds

BASE = "https://x.test/a/page.html"


def local(url: str) -> str:
    """Return a file beside the page, with the name that the URL ends with."""
    return "img/" + url.rpartition("/")[2]


def check(before: str, after: str, *, base_url: str = BASE, cards: bool = False) -> None:
    assert rewrite(before, local, base_url=base_url, cards=cards).decode() == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<img src=a.png>", "<img src=img/a.png>"),
        ("<IMG\r\nSRC = 'a.png'\r\n>", "<IMG\r\nSRC = 'img/a.png'\r\n>"),
        ('<img src=" a.png " alt="a.png">', '<img src=" img/a.png " alt="a.png">'),
        ('<img src="?a=1&amp;b=a.png">', '<img src="img/page.html?a=1&amp;b=a.png">'),
        ('<img srcset="a.png 1x,\r\n\t/b,c.png 2x, d.png 3q, e.png" sizes="100vw">', '<img srcset="img/a.png 1x,\r\n\timg/b,c.png 2x, d.png 3q, img/e.png" sizes="100vw">'),
        ('<img src="s.png" srcset="a.png 480w, b.png 960w">', '<img src="img/s.png" srcset="img/a.png 480w, img/b.png 960w">'),
        ('<picture><source media="(a.png)" srcset=a.webp><img src=b.png></picture>', '<picture><source media="(a.png)" srcset=img/a.webp><img src=img/b.png></picture>'),
        ("<link rel=preload as=image href=h.png imagesrcset='h.png 1x, i.png 2x'>", "<link rel=preload as=image href=img/h.png imagesrcset='img/h.png 1x, img/i.png 2x'>"),
        ("<link rel=icon href=i.png><link rel=stylesheet href=i.css>", "<link rel=icon href=img/i.png><link rel=stylesheet href=i.css>"),
        ("<video poster=p.png src=v.mp4></video>", "<video poster=img/p.png src=v.mp4></video>"),
        ("<table background=t.png><tr><td background=u.png></table>", "<table background=img/t.png><tr><td background=img/u.png></table>"),
        ("<object data=o.png></object><embed src=e.svg><embed src=e.swf>", "<object data=img/o.png></object><embed src=img/e.svg><embed src=e.swf>"),
        ('<svg><image xlink:href="s.png"/><image href="t.png"/></svg>', '<svg><image xlink:href="img/s.png"/><image href="img/t.png"/></svg>'),
        ("<p style='background: url(a.png), url(\"b.png\")'>", "<p style='background: url(img/a.png), url(\"img/b.png\")'>"),
        ('<p style="background: url(&quot;a.png&quot;)">', '<p style="background: url(&quot;img/a.png&quot;)">'),
        ('<style>@import "a.css"; p::after{content:"a.png" url( a.png )}</style>', '<style>@import "a.css"; p::after{content:"a.png" url( img/a.png )}</style>'),
        ('<style>p{background:image-set("a.png" 1x, url(b.avif) type("image/avif") 2x)}</style>', '<style>p{background:image-set("img/a.png" 1x, url(img/b.avif) type("image/avif") 2x)}</style>'),
        ("<p style='background:u\\72l(\\61.png)'>", "<p style='background:u\\72l(img/a.png)'>"),
        ("<img data-src=l.png data-srcset='m.png 2x' data-title='/l.png'>", "<img data-src=img/l.png data-srcset='img/m.png 2x' data-title='/l.png'>"),
        ("<div data-bg='url(a.png)'></div><div data-bg='/b.png'></div>", "<div data-bg='url(img/a.png)'></div><div data-bg='img/b.png'></div>"),
        ("<div data-bgset='a.png [(max-width: 9px)] | b.png 2x'></div>", "<div data-bgset='img/a.png [(max-width: 9px)] | img/b.png 2x'></div>"),
        ("<img data-src='a.png|b.png'>", "<img data-src='img/a.png|img/b.png'>"),
        ("""<img src=a.png data-x='{"s": "https:\\/\\/x.test\\/j.png"}'>""", """<img src=img/a.png data-x='{"s": "img/j.png"}'>"""),
        ("<a href=big.png><img src=a.png></a><a href=big.png>", "<a href=img/big.png><img src=img/a.png></a><a href=big.png>"),
        ("<noscript><img src=n.png></noscript>", "<noscript><img src=img/n.png></noscript>"),
        ("<div><template shadowrootmode=open><img src=a.png></template></div>", "<div><template shadowrootmode=open><img src=img/a.png></template></div>"),
        ("<template><img src=a.png></template><!-- <img src=a.png> --><script>'/a.png'</script>", "<template><img src=a.png></template><!-- <img src=a.png> --><script>'/a.png'</script>"),
        ('<iframe srcdoc="<img src=&quot;i.png?a&amp;amp;b&quot; alt=&quot;&amp;lt;&quot;>"></iframe>', '<iframe srcdoc="<img src=&quot;img/i.png?a&amp;amp;b&quot; alt=&quot;&amp;lt;&quot;>"></iframe>'),
        ("<amp-img src=a.png></amp-img>", "<amp-img src=img/a.png></amp-img>"),
        ("<img src=a.png crossorigin integrity='x' alt>", "<img src=img/a.png alt>"),
        ("<img CrossOrigin=anonymous src=a.png crossorigin/>", "<img src=img/a.png />"),
        ("<img src='a.png'crossorigin=''alt>", "<img src='img/a.png'alt>"),
        ("<picture><source srcset=a.webp><img crossorigin></picture>", "<picture><source srcset=img/a.webp><img></picture>"),
        ("<video crossorigin poster=p.png src=v.mp4></video><script crossorigin src=a.js></script>", "<video crossorigin poster=img/p.png src=v.mp4></video><script crossorigin src=a.js></script>"),
        ("<p background=a.png><img alt=a.png><img src=#a.png><a href=a.png>", "<p background=a.png><img alt=a.png><img src=#a.png><a href=a.png>"),
    ],
    ids=range(35),
)  # fmt: skip
def test_the_urls_of_images_change_and_nothing_else(before: str, after: str) -> None:
    check(before, after)


def test_urls_that_the_mapping_does_not_have_stay() -> None:
    page = '<img crossorigin src=a.png><img crossorigin src=b.png srcset="a.png 1x, c.png 2x">'
    new = rewrite(page, {"https://x.test/a/b.png": "n.png"}, base_url=BASE)
    assert new == b'<img crossorigin src=a.png><img src=n.png srcset="a.png 1x, c.png 2x">'
    assert rewrite(page, {}, base_url=BASE) == rewrite(page, lambda url: None) == page.encode()


@pytest.mark.parametrize(
    ("base", "base_url", "written"),
    [
        ("", BASE, "img/b.png"),
        ("?q", BASE, "img/b.png"),
        ("/static/", BASE, "../a/img/b.png"),
        ("sub/", BASE, "../img/b.png"),
        ("../up/", BASE, "../a/img/b.png"),
        ("//cdn.test/x/", BASE, "https://x.test/a/img/b.png"),
        ("mailto:x", BASE, "a.png"),
        ("sub/", "", "../img/b.png"),
        ("../up/", "", "a.png"),  # the name of the folder is not known
        ("/static/", "", "a.png"),
        ("https://cdn.test/", "", "a.png"),
    ],
)
def test_what_is_written_leads_to_the_new_url_under_a_base(base: str, base_url: str, written: str) -> None:
    page = f"<base href='{base}'><img src=a.png>"
    new = rewrite(page, lambda url: "img/b.png", base_url=base_url).decode()
    assert new == f"<base href='{base}'><img src={written}>"


def test_what_stands_before_a_base_is_written_as_seen_from_the_document() -> None:
    before = "<img src=a.png><img loading=lazy src=/s/c.png><base href=/s/><img src=b.png>"
    after = "<img src=img/a.png><img loading=lazy src=../a/img/c.png><base href=/s/><img src=../a/img/b.png>"
    check(before, after)


def test_a_base_deeper_than_any_folder_is_not_climbed() -> None:
    page = f"<base href='{'a/' * 999}'><img src=a.png>"
    assert rewrite(page, lambda url: "b.png", base_url=BASE).endswith(b"<img src=https://x.test/a/b.png>")


def test_an_absolute_new_url_is_written_as_it_is_under_any_base() -> None:
    page = "<base href='https://cdn.test/'><img src=a.png>"
    assert rewrite(page, lambda url: "file:///i/b.png").endswith(b"<img src=file:///i/b.png>")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<img src=a.png>", "<img src=,n&#39;%22&#61;%C3%A9&#96;&amp;\\(1),>"),
        ("<img src='a.png'>", "<img src=',n&#39;%22=%C3%A9`&amp;\\(1),'>"),
        ('<img src="a.png">', '<img src=",n\'%22=%C3%A9`&amp;\\(1),">'),
        ('<img srcset="a.png">', '<img srcset="%2Cn\'%22=%C3%A9`&amp;\\(1)%2C">'),
        ("<style>p{background:url(a.png)}</style>", "<style>p{background:url(,n\\'%22=%C3%A9`&\\\\\\(1\\),)}</style>"),
        ("<style>p{background:url('a.png')}</style>", "<style>p{background:url(',n\\'%22=%C3%A9`&\\\\(1),')}</style>"),
        ('<p style="background:url(a.png)">', '<p style="background:url(,n\\\'%22=%C3%A9`&amp;\\\\\\(1\\),)">'),
    ],
    ids=range(7),
)  # fmt: skip
def test_a_new_url_is_escaped_for_where_it_stands(before: str, after: str) -> None:
    assert rewrite(before, lambda url: " ,n'\"=é`&\\(1),\n", base_url=BASE).decode() == after


CARDS = """<meta property="og:image" content="/o.png"><script type="application/ld+json">{"image": "https:\\/\\/x.test/j.png"}</script>"""


def test_the_metadata_changes_only_where_that_is_asked_and_to_absolute_urls() -> None:
    check(CARDS, CARDS)
    after = CARDS.replace("/o.png", "https://x.test/a/img/o.png")
    check(CARDS.replace("/o", "/?a&amp;amp;b=o"), after.replace("/o", "/?a&amp;b=o").replace("https:\\/\\/x.test/j.png", "https://x.test/a/img/j.png"), cards=True)  # fmt: skip
    check(CARDS, after.replace("https:\\/\\/x.test/j.png", "https://x.test/a/img/j.png"), cards=True)


def test_a_style_sheet_is_rewritten_too() -> None:
    css = b"@import url(a.css);\r\na{background:url( a.png )}\r\nb{cursor:url('b.cur'),auto}\r\n"
    assert rewrite(css, local, base_url=BASE) == css.replace(b"a.png", b"img/a.png").replace(b"b.cur", b"img/b.cur")  # fmt: skip


@pytest.mark.parametrize("page", ["a.png 1x, b.png 2x", "# A\n\n![a](a.png)\n", b"\x89PNG\r\n\x1a\n", b""])
def test_a_document_of_another_type_comes_back_as_it_is(page: str | bytes) -> None:
    assert rewrite(page, local) == (page if isinstance(page, bytes) else page.encode())


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        *[(encoding, "") for encoding in ("utf-8", "windows-1251", "gb2312", "shift_jis", "euc-kr", "big5")],
        *[("utf-16-le", "\ufeff"), ("utf-16-be", "\ufeff"), ("utf-8", "\ufeff"), ("iso-2022-jp", "")],
        *[("windows-1252", ""), ("gb18030", "")],
    ],
)
def test_a_page_keeps_its_encoding(encoding: str, mark: str) -> None:
    letters = {"euc-kr": "한국", "windows-1252": "é€"}.get(encoding, "Ж")
    page = f"{mark}<meta charset={encoding}>\r\n<p>{letters}<img src='{letters}.png'>{letters}<img src=b.png>\r\n{letters}"
    new = rewrite(page.encode(encoding), {"https://x.test/a/b.png": "n.png"}, base_url=BASE)
    assert new == page.replace("b.png", "n.png").encode(encoding)
    new = rewrite(page.encode(encoding), lambda url: "n.png", base_url=BASE)
    assert new.decode(encoding) == page.replace("b.png", "n.png").replace(f"{letters}.png", "n.png")


@pytest.mark.parametrize("charset", ["utf-8", "gbk", "shift_jis", "windows-1252", "euc-jp", "big5"])
@pytest.mark.parametrize("filler", [0, 4090, 9000])
def test_bytes_that_are_invalid_stay(charset: str, filler: int) -> None:
    start = (
        f"<meta charset={charset}>".encode()
        + b"x" * filler
        + b'\xff\x80 \xe9<p title="\x81\x81\x8d">\xe2\x82'
    )
    page = start + b'<img src="a.png">\xfd\xff\x81"<img src=b.png>\xe2'
    assert rewrite(page, local, base_url=BASE) == page.replace(b"a.png", b"img/a.png").replace(b"b.png", b"img/b.png")  # fmt: skip


def test_a_text_is_encoded_as_it_declares_or_in_utf_8() -> None:
    page = "<meta charset=windows-1251><p>Ж<img src=a.png>"
    assert rewrite(page, local) == page.replace("a.png", "img/a.png").encode("windows-1251")
    assert rewrite(page + "é", local) == page.replace("a.png", "img/a.png").encode() + "é".encode()
    assert rewrite("\ud800<img src=a.png>", local) == "\ufffd<img src=img/a.png>".encode()
    assert rewrite("\ufeff<img src=a.png>", local) == "\ufeff<img src=img/a.png>".encode()


# ---------------------------------------------------------------------------------------------------
# Properties

PIECES = st.lists(
    st.sampled_from([*"ab&;#=<>'\"`\\,() \n\r\té😀x0", "amp", "&not", "&#38;", "&#x1F600", "lt;", "&copy=", "\r\n", "&notit;", "&frac12;"]),
    max_size=12,
).map("".join)  # fmt: skip


@settings(deadline=None)
@given(PIECES, st.sampled_from("\"'"))
@example("&notit;&copy&copy=&copyb&#0;&#x80;\0\r\r\n", '"')
def test_a_raw_value_says_what_the_parser_reads(written: str, quote: str) -> None:
    raw = written.replace(quote, "")
    (element,) = html.parse(f"<p x={quote}{raw}{quote}>").select("p")
    value = RawValue(raw)
    assert value.text == (element.attr("x") or "")
    assert [value.offset(0), value.offset(len(value.text))][1] == len(raw)


@settings(deadline=None)
@given(st.text(max_size=12), st.sampled_from(['"', "'", ""]))
def test_what_is_quoted_is_read_back(text: str, quote: str) -> None:
    text = "a" + text.replace("\r", "").replace("\0", "").encode("utf-8", "ignore").decode()
    (element,) = html.parse(f"<p x={quote}{quoted(text, quote)}{quote}>").select("p")
    assert element.attr("x") == text


HOLDERS = [
    '<img src="a.png">', "<img src='a.png'>", "<img src=a.png >", '<img srcset="a.png 2x">', '<p style="background:url(a.png)">',
    "<p style='background:url(\"a.png\")'>", "<style>p{background:url('a.png')}</style>", '<iframe srcdoc="<img src=a.png>"></iframe>',
    "<noscript><img src=a.png></noscript>", "<img data-src='a.png'>",
]  # fmt: skip


@settings(deadline=None)
@given(PIECES, st.sampled_from(HOLDERS), st.sampled_from(["", "<base href='/s/t/'>", "<base href=../u>"]))
def test_the_new_url_is_read_back(name: str, holder: str, base: str) -> None:
    new = "n/" + name.strip(" \t\n\r").strip(",") + "z.png"
    page = base + holder
    written = rewrite(page, lambda url: new, base_url=BASE)
    (image,) = find_images(written, base_url=BASE)
    assert [each.url for each in image.candidates] == [urls.resolve(printable(new), BASE)]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*(each.encode() for each in HOLDERS), b"<base href='//", b"<img src=", b"'", b'"', b">", b"\xff", b"\x81", b"&", b"<!--", b"<svg>", b"\0", b"\r", b"<img crossorigin src=a.png", b"/"]),
        max_size=12,
    ).map(b"".join),
    st.sampled_from([b"", b"<meta charset=gbk>", b"<meta charset=iso-2022-jp>", b"\xff\xfe", b"\xef\xbb\xbf", b"<meta charset=hz-gb-2312>"]),
    st.sampled_from([BASE, "", "x/y", "mailto:x"]),
)  # fmt: skip
def test_any_bytes_are_rewritten_and_a_second_time_changes_nothing(
    body: bytes, start: bytes, base_url: str
) -> None:
    page = start + b"<p>" + body
    new = rewrite(page, lambda url: "https://n.test/n.png", base_url=base_url)
    assert rewrite(page, {}, base_url=base_url) == page
    assert rewrite(new, lambda url: "https://n.test/n.png", base_url=base_url) == new


@pytest.mark.parametrize(
    "page",
    [
        "<img src=a.png crossorigin>", "<img crossorigin ", "<img src='&amp;a.png' ", "<base href=x>", "<p style='background:url(a.png)'>",
        "<iframe srcdoc='<iframe srcdoc=\"<img src=a.png>", "<noscript><img src=a.png>", "<img src=a.png \r\n" + " " * 50, "a.png 2x,", "<img data-x='[\"/a.png\"",
        "<script type=application/ld+json>{\"image\": \"/a.png\"}</script>", "<script type=application/ld+json>\"\\", "\"\\",
    ],
)  # fmt: skip
def test_the_time_is_linear_in_the_page(page: str) -> None:
    def cost(size: int) -> float:
        text = "<!doctype html><img srcset='a.png'>" + page * (size // len(page))
        return cpu_seconds(lambda: rewrite(text.encode("utf-16"), local, base_url=BASE, cards=True))

    assert cost(400_000) < 30 * cost(40_000) + 0.5


def test_the_example_of_the_documentation_runs() -> None:
    text = (Path(__file__).parents[1] / "docs/images.md").read_text(encoding="utf-8")
    (example_of_rewriting,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(example_of_rewriting, {})


def test_escaped_markup_in_a_srcdoc_is_escaped_once_more() -> None:
    inner = f'<iframe srcdoc="{escape("<img src=a.png>")}"></iframe>'
    check(f'<iframe srcdoc="{escape(inner)}"></iframe>', f'<iframe srcdoc="{escape(inner.replace("a.png", "img/a.png"))}"></iframe>')  # fmt: skip

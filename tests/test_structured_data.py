# ruff: noqa: E501 (markup, as it stands in pages)
"""The images of JSON-LD, read as one graph."""

from __future__ import annotations

import pytest

from imgfetch.markup.page.discovery import find_page_images
from measuring import cpu_seconds
from offered import check


def in_json_ld(*values: str) -> str:
    return "".join(f"<script type='application/ld+json'>{value}</script>" for value in values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (['{"image": {"@id": "#i"}}', '{"@id": "#i", "@type": "ImageObject", "contentUrl": "a", "width": 9}'], ["a 9w"]),
        (['{"image": {"@id": "a.jpg"}}'], []),
        (['{"image": "#i", "logo": "_:b"}'], []),
        (['{"image": "http://x.test/post/#primaryimage"}'], []),
        (['{"image": "a.jpg#crop"}'], ["a.jpg"]),
        (['{"image": "#i", "x": {"@id": "#i", "url": "a"}}'], ["a"]),
        (['{"image": [{"@id": "#i"}, {"@id": "#i"}], "thumbnailUrl": "a", "x": {"@id": "#i", "@type": "ImageObject", "url": "a"}}'], ["a"]),
        (['{"@type": "ImageObject", "url": "page.html", "contentUrl": "a.jpg", "thumbnail": {"contentUrl": "b.jpg"}}'], ["a.jpg, b.jpg"]),
        (['{"image": {"@type": "WebPage", "url": "p", "image": "a"}}'], ["a"]),
        (['{"@type": "VideoObject", "contentUrl": "v.mp4", "thumbnailUrl": ["a", "b"]}'], ["a", "b"]),
        (['{"schema:image": "a", "http://schema.org/logo": {"@value": "b"}}'], ["a", "b"]),
        (['{"@context": {"image": {"@id": "schema:image", "@type": "@id"}}}'], []),
        (['{"image": {"@id": "#a"}, "@id": "#a"}'], []),
        (['{"@id": "#a", "image": {"@id": "#b"}}', '{"@id": "#b", "image": {"@id": "#a"}}'], []),
        (['{"image": "{{ post.image }}", "logo": "a picture of a harbour"}'], []),
        (['{"image": {"url": "a", "width": {"@type": "QuantitativeValue", "value": 1200}}}'], ["a 1200w"]),
        (['[{"http://schema.org/image": [{"http://schema.org/contentUrl": [{"@id": "a.jpg"}]}]}]'], ["a.jpg"]),
        (['{"image": {"url": {"@id": "/#logo"}}}'], []),
    ],
    ids=range(18),
)  # fmt: skip
def test_json_ld_is_one_graph_of_all_scripts(values: list[str], expected: list[str]) -> None:
    check(in_json_ld(*values), *(f"json-ld: {each}" for each in expected))


@pytest.mark.parametrize(
    "value",
    [
        '//<![CDATA[\n{"image": "a"}\n//]]>', '<![CDATA[ {"image": "a"} ]]>', '/*<![CDATA[*/{"image": "a"}/*]]>*/', '<!-- {"image": "a"} -->',
        '{"image": "a",}', '{"image": ["a", ], /* , */ }', '/* c */{"image": "a" /* d */} // e', '\ufeff{"image": "a"}', '{"image": "a"};',
        '{&quot;image&quot;: &quot;a&quot;}', '{"x": "/* \\" // ,} <!--", "image": "a",}', '{"x": "two\nlines", "image": "a"}',
    ],
)  # fmt: skip
def test_json_ld_is_read_as_pages_write_it(value: str) -> None:
    check(in_json_ld(value), "json-ld: a")


def test_a_script_may_have_several_values() -> None:
    check(in_json_ld('{"image": "a"}\n{"image": "b"}'), "json-ld: a", "json-ld: b")


@pytest.mark.parametrize(
    "media_type",
    ["application/ld+json; charset=utf-8", " APPLICATION/LD+JSON", "application/ld+json;profile=x"],
)
def test_the_type_of_a_script_may_have_parameters(media_type: str) -> None:
    check(f"""<script type="{media_type}">{{"image": "a"}}</script>""", "json-ld: a")


def test_a_script_that_is_not_json_is_named_and_what_stands_before_the_fault_is_kept() -> None:
    image, broken = find_page_images(in_json_ld('{"image": "a"}\n{"image": b}') + "<img src=c>")
    (problem,) = broken.problems
    assert [each.candidates[0].url for each in (image, broken)] == ["a", "c"]
    assert (
        problem.reason
        == "the script of type application/ld+json is not JSON: Expecting value, line 2 column 11 of it"
    )
    assert (problem.line, problem.column, problem.found) == (1, 1, '{"image": b}')


def test_escaped_ampersands_of_metadata_are_undone() -> None:
    check(in_json_ld('{"image": "a.jpg?x=1&amp;y=2"}'), "json-ld: a.jpg?x=1&y=2")
    check("<meta property=og:image content='a.jpg?x=1&amp;amp;y=2'>", "meta: a.jpg?x=1&y=2")


@pytest.mark.parametrize(
    "content",
    ["https://h.test/", "https://h.test", "/", "@harbour", "none", "%%image%%", "tel:12", "data:text/html,x"],
)
def test_what_is_no_image_is_none_in_metadata(content: str) -> None:
    check(f"<meta property=og:image content='{content}'>" + in_json_ld(f'{{"image": "{content}"}}'))


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<span itemprop=image itemscope itemtype=https://schema.org/ImageObject><meta itemprop=url content=/a></span>", ["a"]),
        ("<div itemprop=image itemscope itemtype=http://schema.org/ImageObject><p><link itemprop=contentUrl href=/a></div>", ["a"]),
        ("<div itemscope itemtype=http://schema.org/ImageObject><a itemprop=url href=/page></a><a itemprop=contentUrl href=/a.jpg>", ["a.jpg"]),
        ("<div itemscope itemtype=https://schema.org/VideoObject><meta itemprop=contentUrl content=/v.mp4><meta itemprop=thumbnailUrl content=/a>", ["a"]),
        ("<div itemscope itemtype=https://schema.org/Person><meta itemprop=url content=/page><link itemprop=image href=/a>", ["a"]),
        ("<meta itemprop=image property=og:image content=/a>", ["a"]),
    ],
)  # fmt: skip
def test_microdata_states_the_images_of_items(markup: str, expected: list[str]) -> None:
    check(markup, *(f"meta: https://x.test/{each}" for each in expected))


@pytest.mark.parametrize("piece", ['"\\\\', "{}", "[", "/*", "//", ", ", "<!--", '"a"', "{,", ";", "// <"])
def test_hostile_json_ld_takes_linear_time(piece: str) -> None:
    markup = in_json_ld(piece * (300_000 // len(piece)))
    assert cpu_seconds(lambda: list(find_page_images(markup))) < 5


def test_an_image_of_json_ld_is_given_once() -> None:
    check(
        in_json_ld(
            """{"@graph": [{"@type": "Article", "image": {"@id": "/#primaryimage"}, "thumbnailUrl": "/u/hero.jpg"},
            {"@type": "WebPage", "@id": "/", "primaryImageOfPage": {"@id": "/#primaryimage"}},
            {"@type": "ImageObject", "@id": "/#primaryimage", "url": "/u/hero.jpg", "contentUrl": "/u/hero.jpg", "width": 1600},
            {"@type": "Organization", "logo": {"@type": "ImageObject", "@id": "/#logo", "url": "/logo.png", "width": 512},
             "image": {"@id": "/#logo"}}]}"""
        ),
        *("json-ld: https://x.test/u/hero.jpg 1600w", "json-ld: https://x.test/logo.png 512w"),
    )

# ruff: noqa: E501 (markup, as it stands in pages)
"""The images of JSON-LD, read as one graph."""

from __future__ import annotations

import pytest

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

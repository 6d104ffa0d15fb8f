# ruff: noqa: E501 (markup, as it stands in pages)
"""What a page offers beside `src` and `srcset`: lazy images, originals, objects, frames, scripts, and where."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.markup.page import html
from imgfetch.markup.page.discovery import find_page_images
from measuring import cpu_seconds
from offered import BASE, PIXEL, check


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("src=none.gif file=a/1.jpg.thumb.jpg zoomfile=a/1.jpg", "lazy: a/1.jpg.thumb.jpg, none.gif, a/1.jpg* ~ none.gif"),
        ("src=default.gif real_src=//s.test/001.jpg", "lazy: https://s.test/001.jpg, default.gif ~ default.gif"),
        ("src=s.gif data-ks-lazyload=b/1.jpg_q90.jpg", "lazy: b/1.jpg_q90.jpg, s.gif ~ s.gif"),
        (f"src='{PIXEL}' data-actualsrc=//z.test/v2_b.jpg data-original=//z.test/v2_r.jpg", "lazy: https://z.test/v2_r.jpg, https://z.test/v2_b.jpg ~ data:imag"),
        ("data-src='https://w.test/mmbiz_png/x/640?wx_fmt=png'", "lazy: https://w.test/mmbiz_png/x/640?wx_fmt=png"),
        ("src=l.svg data-lazyload-src=4.jpg", "lazy: 4.jpg, l.svg ~ l.svg"),
        ("src=t.gif data-url=5.jpg", "lazy: 5.jpg, t.gif ~ t.gif"),
        (f"src='{PIXEL}' data-anything=/6.jpg", "lazy: https://x.test/6.jpg ~ data:imag"),
        ("src=blank.gif data-anything=/6.jpg", "lazy: https://x.test/6.jpg, blank.gif ~ blank.gif"),
        ("src=a.jpg data-hover=/b.jpg", "img: a.jpg, https://x.test/b.jpg ~ a.jpg"),
        ("src=a.jpg data-set='/b.jpg 1x, /c.jpg 2x'", "img: a.jpg, https://x.test/b.jpg 1x, https://x.test/c.jpg 2x ~ a.jpg"),
        (r"""src=a.jpg data-renditions='{"s": "/b.jpg", "l": "https:\/\/h.test\/c.jpg"}'""", "img: a.jpg, https://x.test/b.jpg, https://h.test/c.jpg ~ a.jpg"),
        ("src=a.jpg data-interchange='[/b.jpg, small], [/c.jpg, large]'", "img: a.jpg, https://x.test/b.jpg, https://x.test/c.jpg ~ a.jpg"),
        ("""data-src='{"mobile": "/b.jpg"}'""", "lazy: https://x.test/b.jpg"),
        ("src=a.jpg data-orig-file=/o.jpg data-orig-size=2048,1365 data-large-file=/l.jpg", "img: a.jpg, https://x.test/o.jpg 2048w*, https://x.test/l.jpg*"),
        ("src=/w/thumb/a/ab/X.jpg/220px-X.jpg data-file-width=4000", "img: https://x.test/w/thumb/a/ab/X.jpg/220px-X.jpg, https://x.test/w/a/ab/X.jpg 4000w*"),
        ("src=p-600.jpg data-src=p.jpg data-large_image=p.jpg data-large_image_width=1600 srcset='p-600.jpg 600w, p-300.jpg 300w'", "lazy: p.jpg 1600w, p-600.jpg 600w, p-300.jpg 300w"),
        (f"""src='{PIXEL}' data-a-dynamic-image='{{"https://h.test/a.jpg":[500,331],"https://h.test/b.jpg":[1000,662]}}'""", "lazy: https://h.test/a.jpg 500w, https://h.test/b.jpg 1000w ~ data:imag"),
        ("src=x data-src='/b.jpg|/c.jpg'", "lazy: https://x.test/b.jpg, https://x.test/c.jpg 2x, x ~ x"),
        ("src=p.gif data-img-url=/b.jpg", "lazy: https://x.test/b.jpg, p.gif ~ p.gif"),
        ("src=/default.jpg data-x=/b.jpg", "img: https://x.test/default.jpg, https://x.test/b.jpg ~ https://x.test/default.jpg"),
        ("src=/ajax-loader.gif data-x=/b.jpg", "lazy: https://x.test/b.jpg, https://x.test/ajax-loader.gif ~ https://x.test/ajax-loader.gif"),
        ("src=/noimage.jpg data-x=/b.jpg", "lazy: https://x.test/b.jpg, https://x.test/noimage.jpg ~ https://x.test/noimage.jpg"),
        ("src=x data-src='my photo.jpg'", "lazy: my%20photo.jpg, x ~ x"),
    ],
    ids=range(24),
)  # fmt: skip
def test_any_attribute_of_an_img_that_names_an_image_gives_candidates(attributes: str, expected: str) -> None:
    check(f"<img {attributes}>", expected)


@pytest.mark.parametrize(
    "attribute",
    [
        "data-url=/share/this", "data-url='#top'", "data-src='#'", "data-src=true", "data-lazy=1", "data-src='{{ image }}'",
        "data-src='x-{height}.jpg'", """data-src='{"a": 1}'""", "data-src=javascript:void(0)", "data-title=/a.jpg",
        "data-image-title=/a.jpg", "data-caption='see /b.jpg 2x'", "data-permalink=/a.jpg", "data-filename=u/b.jpg",
        "data-page=https://h.test/wiki/File:Harbour.jpg", "data-x=https://h.test/o/r/blob/main/b.png", "data-x=photo.jpg",
        "data-x=products/b.jpg", "data-x=/b.jpg.html", "data-x=/gallery.html?page=2", "longdesc=/b.jpg", "usemap='#b.jpg'",
        ":src=item.image", "data-video-src=/b.jpg", """onclick="open('/b.jpg')" """, "data-x='/b.jpg and /c.jpg'", "alt=/b.jpg",
        "data-x=https://h.test/sharer/sharer.php?u=/b.jpg", "data-src=/", "data-src=tel:123",
        "data-srcset='{width}.jpg 2x'",
    ],
)  # fmt: skip
def test_an_attribute_that_names_no_image_gives_no_candidate(attribute: str) -> None:
    (image,) = find_page_images(f"<img src=a.jpg {attribute}>", base_url=BASE)
    assert [each.url for each in image.candidates] == [f"{BASE}a.jpg"]


@pytest.mark.parametrize(
    "src",
    [
        "#",
        "tel:123",
        "data:text/html,x",
        "{% static 1 %}",
        "data:image/png;base64,",
        "javascript:alert(1)",
        "{{ image }}",
        "${src}",
        "about:blank",
        "data-{width}.jpg",
        "<%= x %>",
    ],
)
def test_a_src_that_is_not_an_address_is_not_an_image(src: str) -> None:
    check(f"<img src='{src}'>")
    check(f"<img src='{src}' data-src=a>", "lazy: a")


@pytest.mark.parametrize(
    "src", ["a{b}.jpg", "{x}.jpg", "t.jpg?u={u}", "%7B%7Bz%7D%7D.jpg", "%7Bk%7D.png", "$1.jpg"]
)
def test_a_src_that_a_browser_requests_and_that_may_exist_is_an_image(src: str) -> None:
    for markup in (
        "<img src='{}'>",
        "<img srcset='{} 9w'>",
        "<video poster='{}'></video>",
        "<svg><image href='{}' /></svg>",
    ):
        (image,) = find_page_images(markup.format(src))
        assert image.candidates[0].url == src
    check(
        f"<img src=a data-src='/{src}'>",
        "img: a" if "{" in src or "%7B" in src else "lazy: https://x.test/$1.jpg, a ~ a",
    )


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<a href=full.jpg><img src=a></a>", "img: a, full.jpg*"),
        ("<a href=full.jpg?x=1><span><picture><source srcset=s><img src=a></picture></span></a>", "picture: a, full.jpg?x=1* [ s]"),
        ("<a href=page data-full=/full.jpg data-pswp-width=1600><img src=a></a>", "img: a, https://x.test/full.jpg*"),
        ("<a href=full.jpg data-pswp-width=1600><img src=a></a>", "img: a, full.jpg 1600w*"),
        ("<a href=full.jpg><img src=full.jpg></a>", "img: full.jpg"),
        ("<a href=/wiki/File:A.jpg><img src=a></a>", "img: a"),
        ("<a href=page.html?image=b.jpg><img src=a></a>", "img: a"),
        ("<a href=https://g.test/blob/main/b.png><img src=a></a>", "img: a"),
        ("<a href=full.jpg>text</a><img src=a>", "img: a"),
        ("<a href=/share data-url=/photo.jpg><img src=a></a>", "img: a"),
        ("<a href=/photo.jpg-and-more><img src=a></a>", "img: a"),
        ("<a href=/photo.jpg-large><img src=a></a>", "img: a, https://x.test/photo.jpg-large*"),
    ],
)  # fmt: skip
def test_a_link_to_an_image_around_an_image_names_its_original(markup: str, expected: str) -> None:
    check(markup, expected)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<div data-src=a.jpg><section data-image-src=/b.jpg><i data-bg-url='url(c.jpg)'>", ["lazy: a.jpg", "lazy: https://x.test/b.jpg", "lazy: c.jpg"]),
        ("<iframe data-src=/page><script data-src=/a.js></script><video data-src=/a.mp4></video><p data-original=yes>", []),
        ("<img src=a data-bg=b.jpg>", ["img: a", "lazy: b.jpg"]),
    ],
)  # fmt: skip
def test_a_background_that_a_script_will_show_is_found(markup: str, expected: list[str]) -> None:
    check(markup, *expected)


def test_a_link_names_the_original_of_one_image() -> None:
    check("<a href=full.jpg><img src=a><img src=b></a>", "img: a, full.jpg*", "img: b")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("srcset='s 1x' data-srcset='t 1x, u 2x'", "t 1x, u 2x, s 1x"),
        (f"srcset='{PIXEL}' data-srcset='t 1x'", "t 1x"),
        ("data-src=t", "t"),
    ],
)
def test_a_source_has_its_own_candidates_and_those_of_scripts(source: str, expected: str) -> None:
    check(f"<picture><source {source}><img src=i></picture>", f"picture: i [ {expected}]")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<b><picture><source srcset=s></b><img src=i></picture><p>", ["img: i", "picture:  [ s]"]),
        ("<svg><picture><source srcset=s><img src=i></picture></svg>", ["img: i", "picture:  [ s]"]),
        ("<picture><source></picture>", []),
        ("<img srcset='#, #a 2x, {{ x }} 3x, b 4x' src='#'>", ["img: b 4x"]),
    ],
)
def test_what_a_browser_requests_of_broken_markup_is_found(markup: str, expected: list[str]) -> None:
    check(markup, *expected)


def test_a_declarative_shadow_root_is_a_part_of_the_page() -> None:
    check(
        "<x-card><template shadowrootmode=open><style>:host{background:url(bg)}</style><img src=a><slot></slot>"
        "<x-b><template ShadowRootMode=closed><img src=b></template></x-b><template><img src=no></template></template>"
        "<img src=c></x-card><template shadowrootmode=other><img src=no></template><img src=d>",
        *("css: bg", "img: a", "img: b", "img: c", "img: d"),
    )


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<object type=image/png data=a></object><object data=b.svg></object><embed src=c.gif><embed type=image/x src=d>", ["object: a", "object: b.svg", "object: c.gif", "object: d"]),
        ("<object type=text/html data=a.png></object><object data=page></object><embed src=v.mp4><object type=video/mp4 data=v.png></object>", []),
        ("<iframe srcdoc='&lt;img src=a&gt;&lt;iframe srcdoc=&quot;<img src=b>&quot;>'></iframe>", ["img: a", "img: b"]),
        ("<link rel=apple-touch-startup-image href=a media='(m)'><meta name=msapplication-TileImage content=b><meta name=msapplication-square150x150logo content=c>", ["icon: a", "icon: b", "icon: c"]),
        ("<a itemprop=image href=a.jpg></a><span itemprop='x thumbnailUrl' content=b.jpg></span><link itemprop=logo href=c><meta itemprop=image content=d><a itemprop=url href=e.jpg>", ["meta: a.jpg", "meta: b.jpg", "meta: c", "meta: d"]),
        ("<meta name=sailthru.image.full content=/a.jpg><meta property=vk:image content=b.jpg><meta name=twitter:card content=summary_large_image><meta property=og:image:alt content='a b.jpg'>", ["meta: https://x.test/a.jpg", "meta: b.jpg"]),
        ("<meta property=og:image content='{{ image }}'><link rel=icon href='#'><video poster=javascript:x>", []),
        ("<link rel=prefetch href=a.jpg><link rel=prefetch href=b.html>", ["preload: a.jpg"]),
    ],
    ids=range(8),
)  # fmt: skip
def test_images_are_found_in_objects_frames_and_metadata(markup: str, expected: list[str]) -> None:
    check(markup, *expected)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('id=__NEXT_DATA__ type="application/json">{"a": {"url": "/i/1.jpg", "w": 1600}, "b": "/i/1.jpg", "p": "/page"}', ["https://x.test/i/1.jpg"]),
        (r'>window.__NUXT__={img:"https:\u002F\u002Fh.test\u002Fb.webp?w=1\u0026h=2"}', ["https://h.test/b.webp?w=1&h=2"]),
        (r'>self.__next_f.push([1,"{\"src\":\"https://h.test/c.png\"}"])', ["https://h.test/c.png"]),
        (r'>{"html": "<img src=\"https:\/\/h.test\/d.jpg\">"}', ["https://h.test/d.jpg"]),
        (r'>{"srcSet": "/s/a.jpg 750w,\n/s/b.jpg 1080w\n"}', ["https://x.test/s/a.jpg", "https://x.test/s/b.jpg"]),
        (">x = '//h.test/e.jpg 480w, //h.test/f.jpg 960w'", ["https://h.test/e.jpg", "https://h.test/f.jpg"]),
        (">x = `/a/${name}.jpg`; y = 'b.jpg'; z = '{{ url }}.jpg'", []),
        (">x = 'https://h.test/seen.jpg'", []),
        ("type=text/template>'/t.jpg'", []),
        ("type=importmap>{'a': '/t.jpg'}", []),
        (">x = ['/i/*.png', 'https://h.test/%s.png', '/%1$s.png', 'https://h.test/$1.png', '/i/:id.jpg', '/i/[id].jpg']", []),
        (">x = ['https://www.facebook.com/sharer.php?u=https://h.test/a.jpg', '//pinterest.com/pin/create/button/?media=/a.jpg']", []),
        (">x = ['/a%20shop.jpg', '/%D0%B0.jpg', '/_next/image?url=%2Fshare%2Fa.jpg&w=9']", ["https://x.test/a%20shop.jpg", "https://x.test/%D0%B0.jpg", "https://x.test/_next/image?url=%2Fshare%2Fa.jpg&w=9"]),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_only_scripts_name_comes_last(script: str, expected: list[str]) -> None:
    check(
        f"<script {script}</script><img src=https://h.test/seen.jpg>",
        *("img: https://h.test/seen.jpg", *(f"script: {url}" for url in expected)),
    )


def test_what_scripts_name_is_found_in_linear_time() -> None:
    def cost(count: int) -> float:
        script = '"https://h.test/' + r"a/\\/" * count + '"' + "'/x.jpg" * count + "\\" * count
        return cpu_seconds(lambda: [*find_page_images(f"<script>{script}</script>")])

    assert cost(80_000) < 30 * cost(8_000) + 0.5


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_places_of_an_image_are_where_its_values_are_written(line_end: str) -> None:
    page = (
        "<!doctype html>\n<p>é😀</p>\n<picture>\n<source data-srcset='s.jpg 2x' srcset = t>\n"
        "<img alt=x SRC=a&amp;b\n srcset=\"c 1x\" data-src='d'></picture>\n<noscript>\n\n<img src='e'></noscript>"
        '<p style="background:url(f)"><link rel=icon href=g>'
    ).replace("\n", line_end)
    found = [*find_page_images(page)]
    written = [[page[each.position :][: each.length] for each in image.places] for image in found]
    assert written == [["t", "s.jpg 2x", "a&amp;b", "c 1x", "d"], ["e"], ["background:url(f)"], ["g"]]
    starts = [page[image.position :].split()[0].partition(">")[0] for image in found]
    assert starts == ["<img", "<img", "<p", "<link"]
    tags = [[page[each.start_tag :].split()[0].partition(">")[0] for each in image.places] for image in found]
    assert tags == [["<source", "<source", "<img", "<img", "<img"], ["<img"], ["<p"], ["<link"]]


@settings(deadline=None)
@given(
    st.sampled_from(["src", "srcset", "data-src", "data-srcset", "data-x", "data-zoom", "data-widths", "href", "data-bg"]),
    st.lists(st.sampled_from([*"[]{}\"'\\/,: #|?=&;%<$", "a.jpg", "/b.png", "https:", "2x", "90w", "{width}", "File:"]), max_size=9),
    st.sampled_from(["img", "source", "a", "div", "amp-img", "link rel=icon", "object", "video", "script", "style"]),
)  # fmt: skip
def test_any_value_of_any_attribute_is_read(name: str, pieces: list[str], tag: str) -> None:
    value = "".join(pieces).replace("'", "&#39;")
    page = f"<picture><{tag} {name}='{value}'><img data-x='{value}' src='{value}'></picture><script>{value}</script>"
    for image in find_page_images(page, base_url=BASE):
        for each in image.candidates:
            assert not each.url.startswith(("javascript:", "#"))


VALUES = st.text(alphabet="ab =>/'\"&;\n\té", min_size=1, max_size=8)
NAMES = st.sampled_from(["src", "srcset", "data-src", "SRC", "alt"])


@settings(deadline=None)
@given(
    st.lists(st.tuples(NAMES, VALUES, st.sampled_from("'\""), st.sampled_from(["=", " = ", "=\n"])), max_size=5),
    st.sampled_from(["<img ", "x\r\n<img/", "é\n<img b=c src=v "]),
)  # fmt: skip
def test_the_place_of_a_value_is_where_the_parser_read_it(
    attributes: list[tuple[str, str, str, str]], before: str
) -> None:
    tag = " ".join(
        f"{name}{equals}{quote}{value.replace(quote, '')}{quote}" for name, value, quote, equals in attributes
    )
    page = f"{before}{tag}>"
    (written,) = html.parse(page).select("img")
    for image in find_page_images(page):
        for place in image.places:
            raw = page[place.position :][: place.length].replace('"', "&quot;")
            (read_again,) = html.parse(f'<img x="{raw}">').select("img")
            assert written.attr(place.attribute) == read_again.attr("x")

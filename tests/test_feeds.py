# ruff: noqa: E501 (markup, as it stands in feeds)
"""The images of feeds, sitemaps and other XML."""

from __future__ import annotations

from base64 import encodebytes
from typing import TYPE_CHECKING

import pytest

from imgfetch import find_images
from imgfetch.markup import data_urls
from imgfetch.model.document import Document
from imgfetch.readers.documents import each_image
from measuring import cpu_seconds
from pictures import encoded

if TYPE_CHECKING:
    from imgfetch.model.markup import SourceSet

MEDIA = 'xmlns:media="http://search.yahoo.com/mrss/"'
ITUNES = 'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
CONTENT = 'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
ATOM = '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://a.test/f/">'
BASE = "https://feed.test/d/feed.xml"


def written(image: SourceSet) -> str:
    text = ", ".join(f"{c.url} {c.width}w" if c.width else c.url for c in image.candidates)
    return f"{image.kind}: {text}"


def check(
    text: str | bytes, *expected: str, base_url: str = BASE, media_type: str = "application/rss+xml"
) -> None:
    found = find_images(text, base_url=base_url, media_type=media_type)
    assert [written(image) for image in found if image.candidates] == [*expected]


def item(inside: str, *, channel: str = "") -> str:
    return f'<?xml version="1.0"?><rss version="2.0" {MEDIA} {ITUNES} {CONTENT}><channel>{channel}<item>{inside}</item></channel></rss>'


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ('<enclosure url="/a.jpg" type="image/jpeg" length="1"/>', ["feed: https://feed.test/a.jpg"]),
        ('<enclosure url="a?id=1" type="image/png"/>', ["feed: https://feed.test/d/a?id=1"]),
        ('<enclosure url="a.jpg"/>', ["feed: https://feed.test/d/a.jpg"]),
        ('<enclosure url="a.mp3" type="audio/mpeg"/>', []),
        ('<enclosure url="a.mp4"/>', []),
        ('<media:content url="/a.jpg" medium="image" width="1200"/>', ["feed: https://feed.test/a.jpg 1200w"]),
        ('<media:content url="/a?b" type="image/webp"/>', ["feed: https://feed.test/a?b"]),
        ('<media:content url="/a.mp4" medium="video"/>', []),
        (
            '<media:content url="/v.mp4" medium="video"><media:thumbnail url="/v.jpg"/></media:content>',
            ["feed: https://feed.test/v.jpg"],
        ),
        (
            '<media:content url="/a.jpg" medium="image" width="1200"/><media:thumbnail url="/s.jpg" width="150"/>',
            ["feed: https://feed.test/a.jpg 1200w, https://feed.test/s.jpg 150w"],
        ),
        (
            '<media:content url="/a.jpg" medium="image"/><media:thumbnail url="/s.jpg" width="150"/>',
            ["feed: https://feed.test/a.jpg, https://feed.test/s.jpg"],
        ),
        (
            '<media:group><media:content url="/a.jpg" medium="image" width="300"/><media:content url="/b.jpg" medium="image" width="900"/></media:group><media:group><media:content url="/c.jpg" type="image/jpeg"/></media:group>',
            ["feed: https://feed.test/a.jpg 300w, https://feed.test/b.jpg 900w", "feed: https://feed.test/c.jpg"],
        ),
        (
            '<media:content url="/a.jpg" medium="image" width="300"/><media:content url="/b.jpg" medium="image" width="900"/>',
            ["feed: https://feed.test/a.jpg 300w", "feed: https://feed.test/b.jpg 900w"],
        ),
        (
            '<media:content url="/i/5.jpg?width=140&amp;s=x" type="image/jpeg" width="140"/><media:content url="/i/5.jpg?width=460&amp;s=y" type="image/jpeg" width="460"/>',
            ["feed: https://feed.test/i/5.jpg?width=140&s=x 140w, https://feed.test/i/5.jpg?width=460&s=y 460w"],
        ),
        (
            '<media:thumbnail width="66" url="/66/a.jpg"/><media:thumbnail width="144" url="/144/a.jpg"/>',
            ["feed: https://feed.test/66/a.jpg 66w, https://feed.test/144/a.jpg 144w"],
        ),
        (
            '<enclosure url="/a.jpg" type="image/jpeg"/><media:content url="/a.jpg" medium="image"/>',
            ["feed: https://feed.test/a.jpg"],
        ),
        ('<itunes:image href="/cover.png"/>', ["feed: https://feed.test/cover.png"]),
        ("<g:image_link xmlns:g='a'>https://a.test/p?1</g:image_link>", ["feed: https://a.test/p?1"]),
        ("<image>https://a.test/p.png</image>", ["feed: https://a.test/p.png"]),
        ("<image><url>https://a.test/p</url></image>", ["feed: https://a.test/p"]),
        ("<link>https://a.test/p.png</link><guid>https://a.test/p.png</guid>", []),
        ("<description>&lt;img src=a.png&gt;</description>", ["img: https://feed.test/d/a.png"]),
        ("<description>&amp;lt;img src=a.png&amp;gt;</description>", ["img: https://feed.test/d/a.png"]),
        ("<description><![CDATA[<img src=a.png srcset='b.png 300w, c.png 900w'>]]></description>", ["img: https://feed.test/d/b.png 300w, https://feed.test/d/c.png 900w"]),
        ("<content:encoded><![CDATA[<p style='background:url(a.png)'>]]></content:encoded>", ["css: https://feed.test/d/a.png"]),
        (
            "<description>&lt;img src=/a.png></description><content:encoded>&lt;img src=/a.png>&lt;img src=/b.png></content:encoded><enclosure url='/a.png'/>",
            ["img: https://feed.test/a.png", "img: https://feed.test/b.png"],
        ),
        ("<description>5 &lt; 6 and a.png</description>", []),
        ('<description>a</description><xhtml:body xmlns:xhtml="http://www.w3.org/1999/xhtml"><xhtml:p/><xhtml:img src="x.png"/></xhtml:body>', ["img: https://feed.test/d/x.png"]),
    ],
)  # fmt: skip
def test_an_item_of_rss_has_the_images_that_it_names(inside: str, expected: list[str]) -> None:
    check(item(inside), *expected)


def test_the_images_of_a_channel_are_icons_and_covers() -> None:
    channel = (
        '<image><url>/logo.png</url><link>https://a.test/</link></image><itunes:image href="/cover.jpg"/>'
    )
    check(item("", channel=channel), "icon: https://feed.test/logo.png", "feed: https://feed.test/cover.jpg")


def test_atom_has_content_of_every_type_and_a_base() -> None:
    check(
        f"""{ATOM}<icon>i.png</icon><logo>/l.png</logo>
        <entry><content type="html" xml:base="g/">&lt;img src="a.png"></content></entry>
        <entry><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><img src="b.png" alt=""/></div></content></entry>
        <entry><link rel="enclosure" type="image/png" href="c"/><link rel="enclosure" type="audio/mpeg" href="d"/></entry>
        <entry><content type="image/png" src="e"/><summary>&lt;img src="f.png"></summary></entry></feed>""",
        "icon: https://a.test/f/i.png",
        "icon: https://a.test/l.png",
        "img: https://a.test/f/g/a.png",
        "img: https://a.test/f/b.png",
        "feed: https://a.test/f/c",
        "feed: https://a.test/f/e",
        "img: https://a.test/f/f.png",
        media_type="application/atom+xml",
    )


def test_rss_1_is_rdf() -> None:
    text = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:enc="http://purl.oclc.org/net/rss_2.0/enc#">
    <channel rdf:about="a"><image rdf:resource="https://a.test/l.png"/></channel><image rdf:about="a"><url>https://a.test/l.png</url></image>
    <item rdf:about="b"><description>&lt;img src="/a.png"></description><enc:enclosure rdf:resource="b.png" enc:type="image/png"/></item></rdf:RDF>"""
    check(
        text,
        "icon: https://a.test/l.png",
        "img: https://feed.test/a.png",
        "feed: https://feed.test/d/b.png",
        media_type="",
    )


def test_without_a_base_the_address_of_the_item_or_the_site_is_one() -> None:
    inside = "<link>https://a.test/p/1</link><description>&lt;img src=a.png></description>"
    check(item(inside), "img: https://a.test/p/a.png", base_url="")
    channel = "<link>https://b.test/</link>"
    check(item("<enclosure url='a.png'/>", channel=channel), "feed: https://b.test/a.png", base_url="")


@pytest.mark.parametrize("base_url", ["", "https://feedburner.test/d/feed.xml"])
@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<link>https://b.test/p/</link>{}", "https://b.test/p/a.png"),
        ("{}<link>https://b.test/p/</link>", "https://b.test/p/a.png"),
        ("<link>https://c.test/1</link>{}<f:origLink xmlns:f='f'>https://b.test/p/1</f:origLink>", "https://b.test/p/a.png"),
        ("<link>https://b.test/p/</link><x xml:base='https://c.test/x/'>{}</x>", "https://c.test/x/a.png"),
        ("{}", "https://b.test/a.png"),
    ],
)  # fmt: skip
def test_relative_urls_in_content_are_those_of_the_page_of_the_item(
    inside: str, expected: str, base_url: str
) -> None:
    content = '<description>&lt;img src="a.png"></description>'
    text = item(inside.replace("{}", content), channel="<link>https://b.test/</link>")
    check(text, f"img: {expected}", base_url=base_url)


def test_the_address_of_an_item_may_be_relative() -> None:
    content = '<link>/p/1</link><description>&lt;img src="a.png"></description>'
    check(item(content), "img: https://feed.test/p/a.png")


def test_a_text_that_is_said_to_be_plain_has_no_html() -> None:
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><entry><summary type="{}">&lt;img src="a.png"></summary></entry></feed>'
    check(atom.format("text"))
    check(atom.format("html"), "img: https://feed.test/d/a.png")
    check(item('<media:description type="plain">&lt;img src="a.png"></media:description>'))


@pytest.mark.parametrize(
    ("inside", "problems"),
    [
        ('<description><p>raw <img src="a.png"> <br> x</p></description>', 1),
        ("<content:encoded><![CDATA[x]]></content:encoded><description>a & <img src=a.png></description>", 1),
        ('<description><p>raw <img src="a.png"/></p></description>', 0),
        ('<img srcset="a.png 1x"/>', 0),
    ],
)
def test_html_in_an_item_need_not_be_escaped(inside: str, problems: int) -> None:
    found = find_images(item(inside), media_type="application/rss+xml", base_url="https://a.test/")
    assert [each.url for image in found for each in image.candidates] == ["https://a.test/a.png"]
    assert sum(len(image.problems) for image in found) == problems


def test_an_address_that_is_escaped_twice_is_not_escaped() -> None:
    check(item('<enclosure url="/a.png?b=1&amp;amp;c=2"/>'), "feed: https://feed.test/a.png?b=1&c=2")


def test_a_prefix_may_be_unbound_and_entities_of_html_are_known() -> None:
    check(
        '<rss><item><title>&eacute;&nbsp;</title><media:content url="https://a.test/a.png"/></item></rss>',
        "feed: https://a.test/a.png",
    )


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("<title>A & B</title>", "read with that mended"),
        ("<title>A \x01 B</title>", "read with that mended"),
        ("<title>A</b>", "what stands before it was read"),
        ("<![CDATA[", "it ends too early"),
    ],
)
def test_a_damaged_feed_loses_nothing_before_the_damage(broken: str, said: str) -> None:
    text = item(
        f'<enclosure url="https://a.test/a.png"/></item>\n<item>{broken}<enclosure url="https://a.test/b.png"/>'
    )
    found = find_images(text, media_type="application/rss+xml")
    (problem,) = [problem for image in found for problem in image.problems]
    assert said in problem.reason
    assert problem.line == 2
    urls = [candidate.url for image in found for candidate in image.candidates]
    assert urls == ["https://a.test/a.png", "https://a.test/b.png"][: 2 if "mended" in said else 1]


@pytest.mark.parametrize(
    ("before", "problems"),
    [
        ("\n", 0),
        ("\ufeff \r\n\t\ufeff", 1),
        ("<br />\n<b>Warning</b>: Cannot modify header in <b>/a.php</b> on line 3<br />\n", 1),
    ],
)
def test_what_a_program_wrote_before_the_declaration_loses_nothing(before: str, problems: int) -> None:
    text = before + item('<enclosure url="https://a.test/a.png"/>').replace("?>", ' encoding="koi8-r"?>', 1)
    for document in (text, text.replace("\ufeff", "").encode()):
        check(document, "feed: https://a.test/a.png")
        found = find_images(document, media_type="application/rss+xml")
        assert sum(len(image.problems) for image in found) <= problems


def test_a_problem_in_an_item_has_the_line_of_its_element() -> None:
    text = item("<title/>\n\n  <description>&lt;img srcset='a.png 4q, b.png 2x'></description>")
    (image,) = find_images(text, media_type="application/rss+xml")
    assert (image.problems[0].line, image.problems[0].column) == (3, 3)


def test_a_sitemap_has_images_with_their_captions() -> None:
    text = b"""<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" xmlns:video="http://www.google.com/schemas/sitemap-video/1.1">
    <url><loc>https://a.test/1</loc><image:image><image:loc> https://a.test/a.jpg?w=8&amp;h=6 </image:loc><image:caption>One</image:caption></image:image>
    <image:image><image:loc>https://a.test/b.jpg</image:loc></image:image></url>
    <url><loc>https://a.test/2.jpg</loc><video:video><video:thumbnail_loc>https://a.test/t.jpg</video:thumbnail_loc></video:video></url></urlset>"""
    check(
        text,
        "feed: https://a.test/a.jpg?w=8&h=6",
        "feed: https://a.test/b.jpg",
        "poster: https://a.test/t.jpg",
        media_type="text/xml",
    )
    assert find_images(text)[0].alt == "One"


def test_other_xml_names_images_in_texts_and_attributes() -> None:
    text = """<?xml version="1.0"?><catalog><product id="1" page="https://a.test/1.html"><picture>https://a.test/p?1</picture><price>5</price>
    <desc>&lt;p>&lt;img src="d.png">&lt;/p></desc><file href="https://a.test/e.png"/><item href="i/c.png" media-type="image/png"/>
    <photo src="https://a.test/p?1"/></product></catalog>"""
    check(
        text,
        "data: https://a.test/p?1",
        "img: https://feed.test/d/d.png",
        "data: https://a.test/e.png",
        "data: https://feed.test/d/i/c.png",
        media_type="application/xml",
    )


@pytest.mark.parametrize("separator", [",", ", ", " | "])
def test_a_list_of_further_images_of_a_product_is_images_of_their_own(separator: str) -> None:
    urls = "https://a.test/b.jpg", "https://a.test/c_1,2.jpg"
    inside = f"<g:image_link>https://a.test/a.jpg</g:image_link><g:additional_image_link>{separator.join(urls)}</g:additional_image_link>"
    check(item(inside), "feed: https://a.test/a.jpg", *(f"feed: {url}" for url in urls))
    other = f"<shop><offer><picture>{separator.join(urls)}</picture></offer></shop>"
    check(other, *(f"data: {url}" for url in urls), media_type="application/xml")


def test_images_that_xml_holds_in_base64_are_images_and_a_fragment_is_none() -> None:
    picture = encoded("png", 9, 9)
    written = encodebytes(picture).decode()
    book = f"""<FictionBook xmlns:l="http://www.w3.org/1999/xlink"><body><image l:href="#c.png"/></body>
    <binary id="c.png" content-type="image/png">{written}</binary></FictionBook>"""
    note = f"<en-export><resource><data encoding='base64'>{written}</data><mime>image/png</mime></resource></en-export>"
    for text in (book, note):
        (found,) = find_images(text, base_url=BASE, media_type="application/xml")
        assert data_urls.read(found.candidates[0].url) == ("image/png", picture)


HEAD = b'<?xml version="1.0"?><rss><channel>'


@pytest.mark.parametrize(
    "text",
    [
        HEAD + b'<item><enclosure url="http://a.b/1.jpg" type="image/jpeg"/></item>' * 150_000,
        HEAD + b"<item/>" * 1_000_000,
        HEAD + b"<item>" + b'<thumbnail url="a"/>' * 200_000,
        HEAD + b"<item>" * 1_000_000,
        HEAD + b"<item>&amp;&" * 1_000_000,
        HEAD + b"<item><description>" + b"&lt;img src=a.png>" * 100_000,
    ],
)
def test_a_hostile_feed_takes_linear_time(text: bytes) -> None:
    def read() -> None:
        for _ in each_image(Document(text, "application/rss+xml")):
            pass

    assert cpu_seconds(read) < 20


def test_a_bomb_of_entities_is_one_problem() -> None:
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 20))
    (only,) = find_images(f"<!DOCTYPE rss [{entities}]><rss><item>&a19;</item></rss>", media_type="text/xml")
    assert "its entities expand to more than 1,000,000 characters" in only.problems[0].reason

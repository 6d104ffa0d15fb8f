"""What must hold of any input whatever: for each reader of hostile input a function of bytes.

    bytes ─▶ TARGETS[name] ─▶ nothing, or an AssertionError with what does not hold

None of them may raise anything else, either. `test_fuzz.py` throws damaged seeds at them in every run of
the suite; `guided.py` lets atheris look for input that goes where none went before, for as long as one likes.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import zlib
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from against_h11 import check_response
from containers import containers
from imgfetch.api.selection.current_src import current_sources
from imgfetch.decode.extras import EXTRAS
from imgfetch.decode.pillow import PillowDecoder
from imgfetch.errors import InputError
from imgfetch.formats import walk
from imgfetch.formats.samples import SMALLEST
from imgfetch.markup import urls as web_urls
from imgfetch.markup.css.css_images import find_css_images
from imgfetch.markup.encoding import decode, find_encoding
from imgfetch.markup.media import matches
from imgfetch.markup.page.discovery import find_page_images
from imgfetch.markup.page.html import read_page
from imgfetch.markup.page.links import parse_link_header
from imgfetch.markup.plain_text import find_source_sets
from imgfetch.markup.sizes import source_size
from imgfetch.markup.srcset import read_srcset
from imgfetch.model.document import Document
from imgfetch.model.image import Defect, Entry, Facts, Format
from imgfetch.model.markup import Viewport
from imgfetch.model.request import Fetch, Head, Limits, Partial, Request, Settings
from imgfetch.model.values import Digest, Key, StagingId
from imgfetch.readers import input_rows
from imgfetch.readers.documents import each_image
from imgfetch.rules.crawl import host_limits
from imgfetch.rules.http import dates, digests, freshness, resume, stored_headers, urls, vary
from imgfetch.rules.http.cache_control import request_control
from imgfetch.rules.http.content_coding import Decoder
from imgfetch.rules.image import name_template, safe_names
from imgfetch.rules.policy import fetch_policy, response_policy
from imgfetch.rules.policy.explain import explain
from pictures import samples
from srcset_standard import check_urls_and_descriptors, parse_by_the_letter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgfetch.model.markup import SourceSet

NOW = 1_700_000_000.0
BASE = "https://h.example/a/b.html?c"
SCREEN = Viewport(1280, 720, 2)
LIMITS = Limits(max_pixels=100_000, max_frames=50)


def structure(data: bytes) -> None:
    """A walk: one line of what is wrong, the same each time, and no beginning of a whole file is whole."""
    seen = walk(data)
    assert seen == walk(bytearray(data))
    assert seen.format or seen.defect
    assert seen.defect is None or (seen.defect.message.isprintable() and len(seen.defect.message) < 200)
    assert 0 <= seen.tail <= len(data)
    if seen.defect is None and seen.tail < len(data):
        end = len(data) - seen.tail
        assert seen.format is Format.SVG or seen.width > 0 < seen.height
        assert seen.frames > 0
        cut = walk(data[: zlib.crc32(data) % end])
        assert cut.defect is not None or seen.format not in _WHOLE_BY_THEIR_END, zlib.crc32(data) % end


_WHOLE_BY_THEIR_END = (Format.WEBP, Format.JPEG, Format.PNG, Format.GIF)
"""The formats with an end of their own; of others, what no picture needs may be missing at the end."""


def pixels(data: bytes) -> None:
    """A decoder: an image within the limits or one line, and more is never let pass by looking closer."""
    seen = walk(data)
    if seen.format is None or seen.format is Format.SVG or seen.format in EXTRAS:
        return
    if seen.width * seen.height > LIMITS.max_pixels or seen.frames > LIMITS.max_frames:
        return
    found = [PillowDecoder().decode(data, seen.format, LIMITS, thorough=far) for far in (False, True)]
    for defect in found:
        assert defect is None or (defect.message.isprintable() and len(defect.message) < 300)
    assert found[0] is None or found[1] is not None


def srcset(data: bytes) -> None:
    """The candidates that the standard's own algorithm, letter by letter, gives; and each problem's place."""
    text = _text(data)
    candidates, problems = read_srcset(text)
    assert candidates == parse_by_the_letter(text)
    check_urls_and_descriptors(text)
    assert all(text[problem.position :].startswith(problem.found[:8]) for problem in problems)
    assert [problem.position for problem in problems] == sorted(problem.position for problem in problems)


def prose(data: bytes) -> None:
    """Source sets in a text: in order, each with a URL that stands in it."""
    text = _text(data)
    found = [*find_source_sets(text)]
    assert found == [*find_source_sets(text)]
    assert [one.position for one in found] == sorted(one.position for one in found)
    for one in find_source_sets(text, base_url=BASE):
        assert all(candidate.url for candidate in one.candidates)


def sizes(data: bytes) -> None:
    """A length that is a number, and not negative, for each browser and each layout."""
    text = _text(data)
    for browser in ("chromium", "firefox", "standard"):
        for width in (None, 300.0):
            found = source_size(text, SCREEN, auto_width=width, browser=browser)
            assert math.isfinite(found) and found >= 0, found  # noqa: PT018


def media(data: bytes) -> None:
    """A query holds or does not, of whatever screen; and what is asked twice is answered alike."""
    text = _text(data)
    for screen in (SCREEN, Viewport(0, 0), Viewport(1e9, 1, 0.001)):
        assert matches(text, screen) is matches(f" {text} " if "\\" not in text else text, screen)


def css(data: bytes) -> None:
    """The images of a style sheet, with URLs that can be asked for where there is a base."""
    text = _text(data)
    assert [*find_css_images(text)] == [*find_css_images(text)]
    _plausible(find_css_images(text, base_url=BASE))


def page(data: bytes) -> None:
    """A page in any encoding: every image of it, and what a browser shows, with and without scripts."""
    text = decode(data, None)
    codec = find_encoding(data)
    assert decode(data, f"text/html; charset={codec}") == decode(data, f"text/html; charset={codec}")
    for scripting in (True, False):
        shown = current_sources(text, base_url=BASE, viewport=SCREEN, scripting=scripting)
        assert len(shown) == len(read_page(text, scripting=scripting).images)
    _plausible(find_page_images(text, base_url=BASE))


def links(data: bytes) -> None:
    """A Link field, and URLs: resolved once they stay as they are."""
    text = _text(data)
    assert all((link.href or "") in text for link in parse_link_header(text))
    found = web_urls.resolve(text, BASE)
    assert found is None or web_urls.resolve(found, "") == found
    there = urls.read(text)
    if isinstance(there, Defect):
        assert there.message.isprintable()
    else:
        again = urls.read(there.url)
        assert not isinstance(again, Defect)
        assert (again.key(), again.origin) == (there.key(), there.origin)
    assert urls.redact(text).isprintable()
    urls.read(urls.resolve_location(data.decode("latin-1"), BASE))  # as a header brings it


def head(data: bytes) -> None:
    """Fields of a response: whatever they say, each decision is one of those there are."""
    fields = _fields(data)
    answer = Head("https://h.example/a", 200, fields)
    facts = Facts(Format.PNG, 1, 1, 1, 100, Digest("ab" * 32), ("decode",))
    fetch = Fetch(Key("https://h.example/a"), Request("https://h.example/a", (("accept", "*/*"),)))
    entry = Entry(fetch.key, facts, answer, NOW - 5, NOW - 4, vary.selecting(answer, fetch.request.headers))
    for now in (NOW, NOW - 1e6, NOW + 1e9):
        standing = freshness.standing(entry, now=now)
        assert standing.age >= 0 <= standing.lifetime
        freshness.may_reuse(entry, standing, request_control(fields))
        freshness.may_stand_in(entry, standing, answered=500)
        assert explain(entry.head.url, entry, Settings(), now=now).why.isprintable()
        wait = host_limits.retry_after(answer, now=now)
        assert wait is None or wait >= 0
    for claim in digests.claims(answer):
        assert len(claim.digest) in (16, 32, 64)
    length = stored_headers.content_length(answer)
    assert length is None or 0 <= length < 10**19
    assert vary.matches(entry, fetch.request.headers)
    assert freshness.confirms(answer, answer)
    freshness.may_keep(answer)
    freshness.may_be_confirmed(answer)
    for status in (200, 206, 302, 304, 416, 429, 503, 599):
        given = Head(fetch.request.url, status, fields)
        for asked in (fetch, _partial(fetch), Fetch(fetch.key, fetch.request, entry)):
            heard = response_policy.after_response(asked, given, Settings(), now=NOW)
            if isinstance(heard, fetch_policy.Reject):
                assert heard.failed.message.isprintable()
    kept = stored_headers.storable(answer, fetch.request.url)
    assert stored_headers.storable(kept, fetch.request.url) == kept
    for value in dict(fields).values():
        date = dates.read(value)
        assert date is None or -1e12 < date < 1e12


def answer(data: bytes) -> None:
    """The bytes of an answer: read as h11 alone reads them, whether in one piece or in two."""
    if data:
        check_response(data)


def coding(data: bytes) -> None:
    """A coded body: never more than the limit, and the same however it is cut into pieces."""
    name = ("gzip", "deflate")[len(data) % 2]

    def undone(step: int) -> bytes | str:
        undo, out = Decoder(name, limit=50_000), b""
        for at in range(0, len(data), step):
            piece = undo.feed(data[at : at + step])
            if isinstance(piece, Defect):
                return piece.kind
            out += piece
        ended = undo.end()
        return out if ended is None else ended.kind

    whole = undone(1 << 20)
    assert len(whole) <= 50_000
    assert whole == undone(7)


def _partial(fetch: Fetch) -> Fetch:
    begun = Head(fetch.request.url, 200, (("etag", '"1"'), ("content-length", "100")))
    asked = Fetch(fetch.key, fetch.request, partial=Partial(StagingId("1"), 50, begun))
    assert resume.requested_part(asked)
    return asked


def _fields(data: bytes) -> tuple[tuple[str, str], ...]:
    """A field a line: its first byte chooses the name, for a fuzzer would be long in spelling one."""
    lines = data.decode("latin-1").split("\n")
    return tuple((FIELDS[ord(line[0]) % len(FIELDS)], line[1:].strip()) for line in lines if line)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _plausible(found: Iterable[SourceSet]) -> None:
    for one in found:
        for candidate in chain(one.candidates, *(source.candidates for source in one.sources)):
            assert candidate.url
            # what is no URL is left as it was written, and fails when it is asked for
            assert web_urls.resolve(candidate.url, "") in (candidate.url, None)
            assert candidate.width is None or candidate.width > 0
            assert candidate.density is None or candidate.density >= 0


def table(data: bytes) -> None:
    """A table in any form: rows with images, with an error or with neither, or one line for all."""
    try:
        found = [*input_rows.rows(io.BytesIO(data))]
    except InputError:
        return
    except (OSError, EOFError, zlib.error):
        assert data.startswith(b"\x1f\x8b")  # of gzip, for the caller to translate
        return
    for row in found:
        assert not row.images or row.error is None
        assert all(image == image.strip() and image for image in row.images)
        json.dumps(row.columns, allow_nan=False)


def name(data: bytes) -> None:
    """A name of a copy, from a URL or a template: safe, or a template that is refused in one line."""
    text = data.decode("utf-8", "replace")
    bases = [safe_names.stem_of(f"https://h.example/{text}"), safe_names.place_name(text)]
    with suppress(ValueError):
        template = name_template.parse(text)
        bases.append(
            template.fill(
                {**dict.fromkeys((*name_template.FIELDS, *template.columns), text), "sha256": "0f" * 32}
            )
        )
    for base in bases:
        safe = safe_names.safe_name(base, "jpg", number=2)
        assert not safe_names.REFUSED & set(safe)
        assert safe.isprintable()
        assert len(safe.encode()) <= 255
        assert safe[0] not in ".- "


def container(data: bytes) -> None:
    """A mail, a book or an archive: images with URLs, and bodies within the bound or a defect."""
    for media_type in ("message/rfc822", "application/epub+zip", "application/warc", "application/har+json"):
        for image in each_image(Document(data, media_type)):
            assert image.problems or all(candidate.url for candidate in image.candidates)
            for body in image.embedded:
                found = body.read(100)
                assert isinstance(found, bytes | Defect)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        structure,
        pixels,
        srcset,
        prose,
        sizes,
        media,
        css,
        page,
        links,
        head,
        answer,
        coding,
        table,
        name,
        container,
    )
}

FIELDS = (
    "cache-control", "content-range", "retry-after", "content-length", "etag", "location", "vary", "age",
    "date", "expires", "last-modified", "content-encoding", "repr-digest", "content-digest", "content-md5",
    "x-goog-hash", "x-amz-checksum-sha256", "accept-ranges", "link", "pragma", "connection",
    "transfer-encoding", "content-type", "set-cookie",
)  # fmt: skip


_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="3in" viewBox="0 0 3 4" onload="a()">
<style>a {fill: url(b.svg)}</style><image href="#a"/><script/>&#x41;</svg>"""


def seeds(name: str) -> list[bytes]:
    """Sound input to begin with."""
    if name in ("structure", "pixels"):
        small = [sample.data for sample in samples(((24, 16),)) if len(sample.data) < 5_000]
        texts = (_SVG, _SVG.replace("<svg", '<!DOCTYPE svg [<!ENTITY a "b">]><svg'))
        return [
            *small,
            *SMALLEST.values(),
            *(extra.sample for extra in EXTRAS.values()),
            *map(str.encode, texts),
        ]
    if name == "container":
        return containers()
    if name == "coding":
        return [gzip.compress(b"a picture" * 20, mtime=0), zlib.compress(b"a picture" * 20), b""]
    return [text.encode() for text in _SEEDS[name]]


_SEEDS: dict[str, tuple[str, ...]] = {
    "table": (
        'id;Images;width\n1;"https://h.example/a.jpg, https://h.example/b.png";800\n',
        '[{"image": ["a.jpg", {"src": "b.jpg"}]}, "https://h.example/c.webp 1x, d.webp 2x"]',
        '{"url": "a.jpg|b.jpg"}\n{"srcset": "a.jpg 480w, b.jpg 800w", "referer": "https://h.example/"}\n',
        "https://h.example/a.jpg # mine\nhttps://h.example/a b.jpg\n",
    ),
    "name": ("{page}-{index:03}-{stem}.{format}", "fetch/w_1/https%3A%2F%2Fb.example%2Fa%25.jpg?url=/b.png"),
    "srcset": ("a.webp 480w, b.webp 1170w 600h", "a 1x,b 1.5e0x, c(d, e) 2x ,, f", "data:,a ( , b) , c .5x"),
    "prose": (
        "see https://h.example/a.webp 480w, https://h.example/b.webp 960w for more",
        "<img srcset='a.webp 1x, b.webp 2x' sizes=100vw>\n![](c.png)",
    ),
    "sizes": (
        "(min-width: 600px) calc(100vw - 2rem), 50vw",
        "auto, (width < 10em) and (not (hover)) min(10px, 3vmax), clamp(1px, sqrt(4) * 1em, 9cm)",
    ),
    "media": ("screen and (min-width: 30em), not all and (orientation)", "(400px <= width < 2e3px) or (a)"),
    "css": (
        "a { background: image-set(url(a.webp) 1x, 'b.avif' 2x type('image/avif')) } @import 'c.css';",
        "b { --x: url( \"\\61.png\" ); mask: -webkit-image-set(url(a) 1x) } /* url(c) */",
    ),
    "page": (
        "<!doctype html><meta charset=utf-8><base href=/x/><picture><source srcset='a.avif 1x'>",
        "<img src=a.jpg data-srcset='b 480w' sizes=auto></picture><noscript><img src=c></noscript>",
        '<script type=application/ld+json>{"image": ["a.png"]}</script><svg><image href=b.png></svg>',
        "<link rel=preload as=image imagesrcset='a 1x'><video poster=c.jpg><div style='background:url(d)'>",
    ),
    "links": (
        '</a.webp>; rel=preload; as=image; imagesrcset="b.webp 1x, c.webp 2x", <d>;rel="x y"',
        "https://user:pw@h.example:8080/a/../b%2f?token=1#c", "http://[::1]/", "//b\u00fccher.example\\a",
    ),
    "head": (
        '\x00max-age=60, stale-while-revalidate="5"\n\x01bytes 50-99/100\n\x03100\n\x04"1"\n\x06Accept, *',
        "\x02Sun, 06 Nov 1994 08:49:37 GMT\n\x08Sunday, 06-Nov-94 08:49:37 GMT\n\x09Sun Nov  6 08:49:37 1994",
        "\x0csha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\n\x0fmd5=1B2M2Y8AsgTpgAmY7PhCfg==\n\x0bgzip",
        "\x05//h.example/b\n\x07100\n\x10x-y-2\n\x14close, etag",
    ),
    "answer": (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nimage",
        "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nVary: Accept\r\n\r\n",
        "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nimage\r\n0\r\n\r\n",
        "HTTP/1.0 206 x\nConnection: close\r\nX: a\r\n b\r\nContent-Length: 5, 5\r\n\r\nimage",
    ),
}  # fmt: skip

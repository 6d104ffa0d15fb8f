"""What a document is: by its Content-Type, its name, its bytes."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from imgfetch.model.document import Document, DocumentType
from imgfetch.readers.document_type import recognise
from measuring import cpu_seconds
from pictures import encoded

XML = '<?xml version="1.0"?>\n'
SVG = 'xmlns="http://www.w3.org/2000/svg"'
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
MAIL = "Received: from a\r\n\tby b\r\nFrom: a@a.test\r\nSubject: Hello\r\n\r\n<img src=a.png>"
SAVED = (
    "From: <Saved by Blink>\r\nSnapshot-Content-Location: https://a.test/\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/related;\r\n\tboundary="b"\r\n\r\n--b'
)
COMMENT_AND_SVG = "<!-- hello -->\n<!DOCTYPE html>\n<html><body><svg><path d='M0 0'/></svg><img src=a.png>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>Text <img src=a.png>", "html"),
        ("text, then <img src=a.png>", "html"),
        (COMMENT_AND_SVG, "html"),
        (f"<!DOCTYPE html><html {XHTML}><p>", "html"),
        (f"{XML}<!DOCTYPE html [<!ENTITY a '>'>]><html {XHTML}><title/>", "xhtml"),
        (f"{XML}<!-- <rss> --><html {XHTML}><title/>", "xhtml"),
        ('<rss version="0.92"><channel/></rss>', "feed"),
        (f'{XML}<feed xmlns="http://www.w3.org/2005/Atom"/>', "feed"),
        (f'<rdf:RDF {RDF} xmlns="http://purl.org/rss/1.0/"/>', "feed"),
        (f'{XML}<rdf:RDF {RDF} xmlns="http://xmlns.com/foaf/0.1/"/>', "xml"),
        ('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"/>', "sitemap"),
        (f"{XML}<s:sitemapindex xmlns:s='http://www.sitemaps.org/schemas/sitemap/0.9'/>", "sitemap"),
        (f"{XML}<svg {SVG}/>", "svg"),
        (f"<svg:svg xmlns:svg='{SVG[7:-1]}'/>", "svg"),
        (f"{XML}<catalog><img>a.png</img></catalog>", "xml"),
        ('{"version": "https://jsonfeed.org/version/1.1", "items": []}', "json-feed"),
        ('{"version":"https:\\/\\/jsonfeed.org\\/version\\/1"}', "json-feed"),
        ('{"log": {"version": "1.2", "entries": []}}', "har"),
        ('{"name": "A", "icons": [{"sizes": "any", "src": "a.svg"}]}', "web-manifest"),
        ('[{"content": {"rendered": "<img src=a.png>"}}]', "json"),
        ('{"a": 1}\n{"a": 2}\n', "json"),
        ('["a.png"]', "json"),
        ("[1]: https://a.test/a.png", "text"),
        ("A note\n\n![alt](a.png)\n\n<img src=b.png>", "markdown"),
        ("[![alt](a.png)](b.html)", "markdown"),
        (MAIL, "mail"),
        ("From a@a.test Mon Jan  1\nFrom: a@a.test\nTo: b@b.test\n\n", "mail"),
        (SAVED, "mhtml"),
        ("WARC/1.0\r\nWARC-Type: warcinfo\r\n\r\n", "warc"),
        ("@import url(a.css);", "css"),
        ("/* a */ .a > b { background: url(a.png) }", "css"),
        ("https://a.test/a.webp 480w, https://a.test/b.webp 960w", "text"),
        ("Note: see https://a.test/a.webp 480w", "text"),
        ("", "text"),
    ],
)
def test_a_text_tells_what_it_is(text: str, expected: str) -> None:
    for data in (text, text.encode(), b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
        for content_type in ("", "text/plain; charset=utf-8", "application/octet-stream"):
            assert recognise(Document(data, content_type)) == (DocumentType(expected), "by its content")


def archive(**parts: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, text in parts.items():
            made.writestr(name.replace("__", "/"), text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (archive(mimetype="application/epub+zip", a="b"), "epub"),
        (gzip.compress(b"WARC/1.0\r\nWARC-Type: warcinfo\r\n"), "warc"),
        (gzip.compress(b"<urlset/>"), "gzip"),
        (archive(a="b"), "a ZIP archive"),
        (archive(a="b", xl__workbook="c"), "an Excel workbook"),
        (archive(a="b", word__document="c"), "a Word document"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"PAR1\x15\x04\x15", "a Parquet table"),
        (b"\0\1\2\3" * 9, "binary data"),
        (encoded("png", 9, 9), "a PNG image"),
        (encoded("webp", 9, 9), "a WEBP image"),
        (b"MM\0*\0\0\0\x08", "a TIFF image"),
    ],
)
def test_data_that_is_not_text_has_its_name(data: bytes, expected: str) -> None:
    found = recognise(Document(data, "application/octet-stream", "data.html"))
    assert expected in (found.type, found.why)


@pytest.mark.parametrize(
    ("content_type", "name", "text", "expected"),
    [
        ("text/html; charset=utf-8", "a.rss", "<?xml?><p>", "html"),
        ("application/rss+xml", "a.html", "<html>", "feed"),
        ("application/xhtml+xml", "", "", "xhtml"),
        ("application/xml", "", "<html xmlns='http://www.w3.org/1999/xhtml'>", "xhtml"),
        ("text/xml", "https://a.test/feed", "<rss>", "feed"),
        ("text/xml", "", "broken", "xml"),
        ("application/json", "", '{"items":[]}', "json"),
        ("application/ld+json", "", "broken", "json"),
        ("application/json", "app.webmanifest", "{}", "web-manifest"),
        ("", "https://a.test/a.MD?raw=1#b", "text", "markdown"),
        ("text/plain", "/home/a/a.eml", "text", "mail"),
        ("", "sitemap.xml.gz", "<urlset xmlns='a'/>", "sitemap"),
        ("", "a.json", '{"a":1}', "json"),
        ("text/csv", "a.csv", "a,b", "text"),
    ],
)
def test_what_is_said_of_a_document_comes_before_its_text(
    content_type: str, name: str, text: str, expected: str
) -> None:
    assert recognise(Document(text, content_type, name)).type == expected
    assert recognise(Document(text.encode(), content_type, name)).type == expected


def test_media_is_no_document() -> None:
    assert recognise(Document(b"text", "video/mp4")) == (None, "data of type video/mp4")


@pytest.mark.parametrize(
    "part", ["<!--", "<!DOCTYPE a [", '{"icons":[{', "From: ", "![", "<a b='", "/*", '[{"', "[", "a {", "\n"]
)
def test_a_hostile_text_is_recognised_in_linear_time(part: str) -> None:
    document = Document(part * (10_000_000 // len(part)))
    seconds = cpu_seconds(lambda: recognise(document))
    assert seconds < 5, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<rss version="2.0"><channel/></rss>', "feed"),
        (f'\n{XML}<!-- a --><feed xmlns="http://www.w3.org/2005/Atom"/>', "feed"),
        (f'<rdf:RDF {RDF} xmlns="http://purl.org/rss/1.0/"/>', "feed"),
        ('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"/>', "sitemap"),
        ('{"version": "https://jsonfeed.org/version/1.1", "items": []}', "json-feed"),
        ('[{"image": "https://a.test/a.png"}]', "json"),
        (f"{XML}<html {XHTML}><img src='a.png'/></html>", "html"),
        (f"<svg {SVG}><path/></svg><img src=a.png>", "html"),
        ("<!-- <rss> --><p>A <feed> and <img src=a.png>", "html"),
        ("[1] <img src=a.png> [2]", "html"),
        ("{{ template }} <img src=a.png> {}", "html"),
        ("![a](b.png)", "html"),
    ],
)
def test_a_feed_or_json_that_is_labelled_as_html_is_what_it_is(text: str, expected: str) -> None:
    for document in (Document(text, "text/html; charset=utf-8"), Document(text.encode(), name="index.html")):
        assert recognise(document).type == expected

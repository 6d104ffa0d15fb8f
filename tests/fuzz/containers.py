"""Small documents that hold others, each whole: a mail, a book, an archive of each kind."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

MAIL = """From: a@h.example
Content-Type: multipart/related; boundary=b
Content-Base: https://h.example/

--b
Content-Type: multipart/alternative; boundary=c

--c
Content-Type: text/plain; format=flowed

a.jpg 1x,\x20
 b.jpg 2x
--c
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<img src=3D"cid:1@h"><img src=3Da.jpg>
--c--
--b
Content-Type: image/gif; name*=utf-8''a%20b.gif
Content-Transfer-Encoding: base64
Content-ID: <1@h>

R0lGODlhAQABAAAAACw=
--b
Content-Type: message/rfc822

Content-Type: text/html

<img src=b.jpg>
--b--
"""
PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><img src="b.gif"/></html>'
RESPONSE = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n\r\n{}"
HEAD = "WARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: https://h.example/{}\r\n"
LENGTH = "Content-Length: {}\r\n\r\n"


def containers() -> list[bytes]:
    """Return one of each kind, and some in another spelling."""
    mail = MAIL.encode()
    archive = _warc(("", "text/html", "<img src=b.gif>"), ("b.gif", "image/gif", "GIF89a"))
    return [
        mail,
        mail.replace(b"\n", b"\r\n"),
        b"From a\n" + mail + b"\n\nFrom b\n" + mail,
        _epub(zipfile.ZIP_STORED),
        _epub(zipfile.ZIP_DEFLATED),
        json.dumps(_har()).encode(),
        archive,
        gzip.compress(archive, mtime=0),
    ]


def _epub(compression: int) -> bytes:
    target = io.BytesIO()
    opf = (
        '<package><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="b.gif" media-type="image/gif"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    with zipfile.ZipFile(target, "w", compression) as book:
        for name, text in (("mimetype", "application/epub+zip"), ("c.opf", opf), ("a.xhtml", PAGE)):
            book.writestr(zipfile.ZipInfo(name), text)
        book.writestr(zipfile.ZipInfo("b.gif"), b"GIF89a")
    return target.getvalue()


def _har() -> object:
    content = {"mimeType": "image/gif", "text": "R0lGODlhAQABAAAAACw=", "encoding": "base64"}
    page = {"mimeType": "text/html", "text": "<img src=b.gif>"}
    entries = [
        {"request": {"url": url}, "response": {"status": 200, "headers": [], "content": body}}
        for url, body in (("https://h.example/", page), ("https://h.example/b.gif", content))
    ]
    return {"log": {"entries": entries}}


def _warc(*responses: tuple[str, str, str]) -> bytes:
    blocks = [(name, RESPONSE.format(media_type, body)) for name, media_type, body in responses]
    return "".join(
        HEAD.format(name) + LENGTH.format(len(block)) + block + "\r\n\r\n" for name, block in blocks
    ).encode()

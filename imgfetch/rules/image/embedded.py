"""Embedded bodies: which candidate has one, under which key it is stored, and the head of its entry.

    candidate, source set ─▶ body_of ─▶ EmbeddedBody │ None: it takes a request
    digest ─▶ key             EmbeddedBody ─▶ head

A mail, a book or an archive may come from a stranger. So a body in it is not stored as the response to its
URL: no later request for that URL is answered by it. Its key is its digest.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING

from imgfetch.markup import data_urls
from imgfetch.model.image import Defect
from imgfetch.model.markup import EmbeddedBody
from imgfetch.model.request import Head
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Key
from imgfetch.rules.http import stored_headers, urls

if TYPE_CHECKING:
    from imgfetch.model.markup import SourceSet
    from imgfetch.model.values import Digest


def body_of(url: str, image: SourceSet) -> EmbeddedBody | None:
    """Return the body of the candidate at `url` that the source itself holds; None if it has to be requested.

    A `data:` URL is its own body.
    """
    if data_urls.is_data_url(url):
        return EmbeddedBody(url, lambda _: _data_of(url), data_urls.media_type_of(url))
    return next((body for body in image.embedded if body.url == url), None)


def key(sha256: Digest) -> Key:
    """Return the key of an embedded body: the `ni` URI of its digest (RFC 6920 §3)."""
    encoded = b2a_base64(bytes.fromhex(sha256), newline=False).decode("ascii")
    return Key("ni:///sha-256;" + encoded.rstrip("=").translate(_URL_SAFE))


def head(body: EmbeddedBody, key: Key) -> Head:
    """Return the head of its entry: as an archive recorded it, with the URL that it has on the network."""
    address = urls.read(body.url)
    resource = address.resource() if isinstance(address, urls.Address) else key
    fields = body.headers or ((("content-type", body.content_type),) if body.content_type else ())
    return stored_headers.storable(Head(resource, 200, fields), resource)


def _data_of(url: str) -> bytes | Defect:
    read = data_urls.read(url)
    return read.data if read is not None else Defect(ErrorKind.CORRUPT, "the data: URL is not valid base64")


_URL_SAFE = str.maketrans("+/", "-_")
"""The alphabet of base64url (RFC 4648 §5)."""

"""Digests in header fields: compare them with the bytes of the body.

    Head ─▶ claims ─▶ check: the fields that agree, or a Defect

A malformed field is ignored. An ETag is not a digest, but some object stores use the MD5 of the object. Such
an ETag can confirm the bytes, but not refute them: for a multipart or encrypted object it is another value.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http.content_coding import coding_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from imgfetch.model.request import Head
    from imgfetch.model.values import Buffer, Digest


class Claim(NamedTuple):
    """A digest of the whole body, as a field states it."""

    field: str
    algorithm: str
    """Name of the algorithm in `hashlib`."""
    digest: bytes
    binding: bool = True
    """Whether another digest is an error; if not, the field is ignored then."""


def claims(head: Head) -> tuple[Claim, ...]:
    """Return the digests that a response head states for its whole body.

    There are none for a body with a content coding: they would be those of the coded bytes (RFC 9530 §2),
    which are not stored.
    """
    names = [name for name, _ in head.headers]
    etag = _MD5_ETAG.fullmatch(head.fields.get("etag") or "")
    if etag is None and _DIGESTS.isdisjoint(names):
        return ()
    if coding_of(head.fields.get("content-encoding")) != "":
        return ()
    stated = [*_of_rfc_9530(head), *_of_object_stores(head)]
    if etag is not None:
        stated.append(Claim("etag", "md5", bytes.fromhex(etag[1]), binding=False))
    return tuple(claim for claim in stated if len(claim.digest) == _LENGTHS[claim.algorithm])


def check(claims: Collection[Claim], data: Buffer, sha256: Digest) -> tuple[str, ...] | Defect:
    """Return the names of the fields that agree with the bytes, each once; a Defect if one disagrees.

    SHA-256 costs nothing, because `sha256` is known. Other algorithms read `data` once each.
    """
    if not claims:
        return ()
    known = {"sha256": bytes.fromhex(sha256)}
    agreeing: dict[str, None] = {}
    for claim in claims:
        if claim.algorithm not in known:
            known[claim.algorithm] = hashlib.new(claim.algorithm, data, usedforsecurity=False).digest()
        found = known[claim.algorithm]
        if found == claim.digest:
            agreeing[claim.field] = None
        elif claim.binding:
            return Defect(
                ErrorKind.INTEGRITY,
                f"{claim.algorithm} is {_short(found)}, but {claim.field} promised {_short(claim.digest)}",
            )
    return tuple(agreeing)


def _of_rfc_9530(head: Head) -> Iterator[Claim]:
    """Read Repr-Digest and Content-Digest: dictionaries of bytes (RFC 9530 §2, §3; RFC 8941 §3.2)."""
    for field in ("repr-digest", "content-digest"):
        for member in (head.fields.get(field) or "").split(","):
            match = _MEMBER.fullmatch(member)
            if match is not None:
                yield Claim(field, match[1].replace("-", ""), _base64(match[2]))


def _of_object_stores(head: Head) -> Iterator[Claim]:
    yield Claim("content-md5", "md5", _base64(head.fields.get("content-md5")))
    # Cloud Storage hashes the stored bytes; it may have decoded them for this response.
    if head.fields.get("x-goog-stored-content-encoding") in (None, "identity"):
        for member in (head.fields.get("x-goog-hash") or "").split(","):
            name, _, value = member.strip().partition("=")
            if name == "md5":
                yield Claim("x-goog-hash", "md5", _base64(value))
    # For an object that was uploaded in parts it is a digest of digests, and ends with `-` and their number.
    if (head.fields.get("x-amz-checksum-type") or "").upper() != "COMPOSITE":
        yield Claim("x-amz-checksum-sha256", "sha256", _base64(head.fields.get("x-amz-checksum-sha256")))


_DIGESTS = frozenset({"repr-digest", "content-digest", "content-md5", "x-goog-hash", "x-amz-checksum-sha256"})
_LENGTHS = {"md5": 16, "sha256": 32, "sha512": 64}
_MEMBER = re.compile(r"[ \t]*(sha-256|sha-512)=:([A-Za-z0-9+/=]*):[ \t]*")
_MD5_ETAG = re.compile(r'"([0-9a-f]{32})"')


def _base64(text: str | None) -> bytes:
    """Decode the value of a field; return empty bytes if it is malformed."""
    try:
        return binascii.a2b_base64((text or "").strip().encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""


def _short(digest: bytes) -> str:
    return f"{digest.hex()[:12]}…"

"""Digests that an origin offers with an image: what they say of the bytes, where they can be read.

    Head ─▶ claims ─▶ weigh: the fields that are right, or a Defect

A field that cannot be read is as good as none. An ETag is no digest, though some object stores make it of
one: it can bear out what came, and cannot speak against it (of a multipart or encrypted object it is
something else).
"""

from __future__ import annotations

import binascii
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from imgfetch.model.request import Head
    from imgfetch.model.values import Buffer, Digest


class Claim(NamedTuple):
    """What a field says the digest of the whole body is."""

    field: str
    algorithm: str
    """As `hashlib` calls it."""
    digest: bytes
    binding: bool = True
    """Whether another digest is an error; else it only says nothing."""


def claims(head: Head) -> tuple[Claim, ...]:
    """The digests that a response's head offers of its body, whole and without a content coding.

    Of a body that was coded there are none: they are of the coded bytes (RFC 9530 §2), which are not kept.
    """
    names = [name for name, _ in head.headers]
    etag = _MD5_ETAG.fullmatch(head.get("etag") or "")
    if etag is None and _DIGESTS.isdisjoint(names):
        return ()
    if (head.get("content-encoding") or "identity").strip().lower() != "identity":
        return ()
    offered = [*_of_rfc_9530(head), *_of_object_stores(head)]
    if etag is not None:
        offered.append(Claim("etag", "md5", bytes.fromhex(etag[1]), binding=False))
    return tuple(claim for claim in offered if len(claim.digest) == _LENGTHS[claim.algorithm])


def check(claims: Collection[Claim], data: Buffer, sha256: Digest) -> tuple[str, ...] | Defect:
    """The fields that the bytes bear out, each once; a Defect where they contradict one.

    What is claimed in SHA-256 costs nothing; the others read `data` once for each algorithm.
    """
    if not claims:
        return ()
    known = {"sha256": bytes.fromhex(sha256)}
    right: dict[str, None] = {}
    for claim in claims:
        if claim.algorithm not in known:
            known[claim.algorithm] = hashlib.new(claim.algorithm, data, usedforsecurity=False).digest()
        found = known[claim.algorithm]
        if found == claim.digest:
            right[claim.field] = None
        elif claim.binding:
            return Defect(
                ErrorKind.INTEGRITY,
                f"{claim.algorithm} is {_short(found)}, where {claim.field} promised {_short(claim.digest)}",
            )
    return tuple(right)


def _of_rfc_9530(head: Head) -> Iterator[Claim]:
    """Repr-Digest and Content-Digest: dictionaries of byte sequences (RFC 9530 §2, §3; RFC 8941 §3.2)."""
    for field in ("repr-digest", "content-digest"):
        for member in (head.get(field) or "").split(","):
            match = _MEMBER.fullmatch(member)
            if match is not None:
                yield Claim(field, match[1].replace("-", ""), _base64(match[2]))


def _of_object_stores(head: Head) -> Iterator[Claim]:
    yield Claim("content-md5", "md5", _base64(head.get("content-md5")))
    # Cloud Storage hashes what it stores; it may have undone a coding on the way out.
    if head.get("x-goog-stored-content-encoding") in (None, "identity"):
        for member in (head.get("x-goog-hash") or "").split(","):
            name, _, value = member.strip().partition("=")
            if name == "md5":
                yield Claim("x-goog-hash", "md5", _base64(value))
    # Of an object that was uploaded in parts it is a digest of digests, and ends in `-` and their number.
    if (head.get("x-amz-checksum-type") or "").upper() != "COMPOSITE":
        yield Claim("x-amz-checksum-sha256", "sha256", _base64(head.get("x-amz-checksum-sha256")))


_DIGESTS = frozenset({"repr-digest", "content-digest", "content-md5", "x-goog-hash", "x-amz-checksum-sha256"})
_LENGTHS = {"md5": 16, "sha256": 32, "sha512": 64}
_MEMBER = re.compile(r"[ \t]*(sha-256|sha-512)=:([A-Za-z0-9+/=]*):[ \t]*")
_MD5_ETAG = re.compile(r'"([0-9a-f]{32})"')


def _base64(text: str | None) -> bytes:
    """The bytes that a field's value stands for; none where it cannot be read."""
    try:
        return binascii.a2b_base64((text or "").strip().encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""


def _short(digest: bytes) -> str:
    return f"{digest.hex()[:12]}…"

"""What an origin says of its bytes, and what is made of it."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.model.image import Defect
from imgfetch.model.request import Head
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Digest
from imgfetch.rules.http.digests import check, claims

BODY = b"a cat"
SHA256 = Digest(hashlib.sha256(BODY).hexdigest())
FIELDS = (
    "repr-digest", "content-digest", "content-md5", "x-goog-hash", "x-amz-checksum-sha256", "etag",
    "content-encoding", "x-amz-checksum-type", "x-goog-stored-content-encoding",
)  # fmt: skip


def base64(algorithm: str, body: bytes = BODY) -> str:
    return b64encode(hashlib.new(algorithm, body).digest()).decode()


def weighed(*headers: tuple[str, str], body: bytes = BODY) -> tuple[str, ...] | Defect:
    return check(claims(Head("", 200, headers)), body, Digest(hashlib.sha256(body).hexdigest()))


EVERY = (
    ("repr-digest", f"sha-256=:{base64('sha256')}:"),
    ("content-digest", f"unixsum=:AA==:, sha-512=:{base64('sha512')}:"),
    ("content-md5", base64("md5")),
    ("x-goog-hash", "crc32c=AAAAAA=="),
    ("x-goog-hash", f"md5={base64('md5')}"),
    ("x-amz-checksum-sha256", base64("sha256")),
    ("etag", f'"{hashlib.md5(BODY).hexdigest()}"'),
)


def test_names_every_field_that_agrees() -> None:
    names = (
        "repr-digest",
        "content-digest",
        "content-md5",
        "x-goog-hash",
        "x-amz-checksum-sha256",
        "etag",
    )
    assert weighed(*EVERY) == names
    assert weighed() == ()


@pytest.mark.parametrize("field", EVERY, ids=lambda field: str(field[0]))
def test_another_body_disagrees_with_all_fields_but_an_etag(field: tuple[str, str]) -> None:
    found = weighed(field, body=b"a dog")
    if field[0] == "etag" or "crc32c" in field[1]:
        assert found == ()
    else:
        assert isinstance(found, Defect)
        assert found.kind is ErrorKind.INTEGRITY
        assert f"{field[0]} promised" in found.message


def test_ignores_digests_of_a_coded_body() -> None:
    assert claims(Head("", 200, (*EVERY, ("content-encoding", "gzip")))) == ()
    assert len(claims(Head("", 200, (*EVERY, ("content-encoding", "identity"))))) == 6


@given(st.dictionaries(st.sampled_from(FIELDS), st.text()))
def test_ignores_a_malformed_field(fields: dict[str, str]) -> None:
    assert weighed(*fields.items()) == ()


@given(st.sampled_from(["sha-256", "sha-512"]), st.binary(max_size=70))
def test_ignores_a_digest_of_the_wrong_length(algorithm: str, digest: bytes) -> None:
    field = f"{algorithm}=:{b64encode(digest).decode()}:"
    found = weighed(("repr-digest", field))
    right_length = len(digest) == {"sha-256": 32, "sha-512": 64}[algorithm]
    assert isinstance(found, Defect) if right_length else found == ()

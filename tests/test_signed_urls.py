"""Which parameters of a URL are no part of its key, and what that means for what is held."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_world import PIXEL, H, World, choice_of, reply
from imgfetch import Cache, CachingTransport, Client
from imgfetch.cli import main
from imgfetch.model.request import Head
from imgfetch.model.result import CacheStatus, Served
from imgfetch.model.values import Key
from imgfetch.rules.http import stored_headers, urls
from imgfetch.rules.http.signed_urls import unsigned
from origin import Origin as Loopback
from origin import ranged, whole
from pictures import encoded

if TYPE_CHECKING:
    from pathlib import Path

HEX64, HEX32 = "0123456789abcdef" * 4, "0123456789abcdef" * 2
HMAC = "vjbyPxybdZaNmGa%2ByT272YEAiv4%3D"
TEXT22, TEXT43 = "m0EMEkV3pNAKFB33gZuv_Q", "nitfHRCrtziwO2HwPfWw-yYDhUF5EwRunQA-j19DzZr"
S3 = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"
    f"&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature={HEX64}"
)
GCS = S3.replace("X-Amz", "X-Goog").replace("AWS4-HMAC-SHA256", "GOOG4-RSA-SHA256")
OSS = (
    "x-oss-credential=LTAI%2F20260101%2Fcn-hangzhou%2Foss%2Faliyun_v4_request&x-oss-date=20260101T000000Z"
    f"&x-oss-expires=86400&x-oss-signature={HEX64}&x-oss-signature-version=OSS4-HMAC-SHA256"
)
COS = (
    "q-sign-algorithm=sha1&q-ak=AKID&q-sign-time=1767225600;1767229200&q-key-time=1767225600;1767229200"
    f"&q-header-list=host&q-url-param-list=&q-signature={HEX32}01234567"
)
SAS = f"sv=2024-11-04&se=2026-01-01T00%3A00%3A00Z&sr=b&sp=r&sig={quote('a+b/c' + 'x' * 38 + '=')}"
SIGNATURES = {
    "S3": S3,
    "S3 with a session": f"{S3}&X-Amz-Security-Token=FwoG",
    "S3, version 2": "AWSAccessKeyId=AKIA&Expires=1767225600&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D",
    "CloudFront, canned policy": "Expires=1767225600&Signature=nitf~HRC-_&Key-Pair-Id=K2JCJMDEHXQW5F",
    "CloudFront, custom policy": "Policy=eyJTdG0_&Signature=nitf~HRC-_&Key-Pair-Id=K2JCJMDEHXQW5F",
    "S3 behind CloudFront": f"{S3}&Expires=1767225600&Signature=nitf~HRC-_&Key-Pair-Id=K2JCJMDEHXQW5F",
    "GCS": GCS,
    "GCS, version 2": f"GoogleAccessId=a%40b.iam.gserviceaccount.com&Expires=1767225600&Signature={HMAC}",
    "Cloud CDN": "Expires=1767225600&KeyName=mine&Signature=8NBSdQGzvDftrOIa3WHpp646Iis=",
    "Azure, service": SAS,
    "Azure, stored policy": f"sv=2024-11-04&sr=c&si=readers&sig={HMAC}",
    "Azure, account": f"{SAS.replace('&sr=b', '')}&ss=b&srt=o&st=2025-01-01&spr=https",
    "Azure, user delegation": f"{SAS}&skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&sdd=2",
    "OSS": OSS,
    "OSS, version 1": f"OSSAccessKeyId=LTAI&Expires=1767225600&Signature={HMAC}&security-token=CAIS",
    "Alibaba CDN": f"auth_key=1767225600-0-0-{HEX32}",
    "COS": COS,
    "OBS": f"AccessKeyId=OBS&Expires=1767225600&Signature={HMAC}",
    "Qiniu": f"e=1767225600&token={'M' * 40}:{'y' * 27}=",
    "Discord": f"ex=65d903de&is=65c68ede&hm={HEX64}&",
    "Akamai": f"hdnts=st=1767225600~exp=1767229200~acl=/*~hmac={HEX64}",
    "Akamai, escaped": f"__token__=exp%3D1767229200%7Eacl%3D%2F%2A%7Ehmac%3D{HEX64}",
}
SIGNING = {"signature", "sig", "auth_key", "token", "hm", "hdnts", "__token__"}
GUESSES = {
    "a token and a time": f"token={TEXT22}&expires=1767225600",
    "a longer token and a time": f"token=HS256-{TEXT43}&token_path=%2Fa%2F&expires=1767225600",
    "an MD5 and a time": f"md5={TEXT22}&expires=1767225600",
    "a time and a digest": f"exp=1767225600&sig={HEX64}",
    "S3, without its credential": S3.replace("X-Amz-Credential", "X-Amz-Other"),
    "S3, with another algorithm": S3.replace("AWS4-HMAC-SHA256", "MINE"),
    "S3, with a short signature": S3[:-30],
    "GCS, without its date": GCS.replace("X-Goog-Date", "X-Goog-Day"),
    "Azure, without what it is of": SAS.replace("&sr=b", ""),
    "Azure, without an end": SAS.replace("&se=", "&sx="),
    "Azure, with a version that is none": SAS.replace("2024-11-04", "1"),
    "CloudFront, with half a policy": "Signature=nitf~HRC-_&Key-Pair-Id=K2JCJMDEHXQW5F",
    "COS, with another algorithm": COS.replace("sha1", "md5"),
}
"""What may sign a URL, and may as well say which image it is: of no signer that documents it."""
OF_THE_IMAGE = (
    "w=800",
    "format=webp",
    "x-oss-process=image%2Fresize,w_800",
    "versionId=3",
    "s=abc",
    "Expires2",
)


def key(query: str, *ignoring: str) -> str:
    address = urls.read(f"https://h.example/a.webp?{query}")
    assert isinstance(address, urls.Address)
    assert address.url == f"https://h.example/a.webp?{query}"  # what is sent
    return address.key(ignoring).removeprefix("https://h.example/a.webp")


# The rules


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_a_signature_is_no_part_of_the_key_wherever_it_stands(signature: str) -> None:
    assert key(signature) == ""
    for of_the_image in OF_THE_IMAGE:
        shown = f"?{of_the_image}"
        assert key(f"{of_the_image}&{signature}").rstrip("&") == shown
        assert key(f"{signature.rstrip('&')}&{of_the_image}") == shown
    first, *rest = signature.rstrip("&").split("&")
    assert key("&".join((*rest, "w=1", first))) == "?w=1"


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_parameters_without_their_signature_stay_and_so_does_what_comes_twice(signature: str) -> None:
    parts = signature.rstrip("&").split("&")
    signing = {part for part in parts if part.partition("=")[0].rpartition("-")[2].lower() in SIGNING}
    without = "&".join(part for part in parts if part not in signing)
    assert key(without) == (f"?{without}" if len(parts) > 1 else "?")
    twice = "&".join(parts * 2)
    assert key(twice) == ("" if "hmac" in twice else f"?{twice}")


@pytest.mark.parametrize("query", GUESSES.values(), ids=GUESSES)
def test_what_no_signer_documents_is_not_cut_on_a_guess(query: str) -> None:
    assert key(query) == f"?{query}"
    assert key(query, *(part.partition("=")[0] for part in query.split("&"))) == ""


@pytest.mark.parametrize(
    "query",
    [
        "Expires=1767225600",
        "Expires=1767225600&Signature=abc",
        "Expires=soon&Signature=abc&Key-Pair-Id=K2JCJMDEHXQW5F",
        "sig=abc&w=1",
        "exp=1767225600&sig=abc",
        "token=abc&expires=1767225600",
        f"token={TEXT43}",
        "ex=1&is=2&hm=3",
        "e=1&token=2",
        "auth_key=1",
        "oh=00_AfD&oe=66A1B2C3&stp=dst-jpg_s640x640",
        "signature=abc&expires=1767225600&key-pair-id=K",
        f"hdnts=exp=1767229200~data=w800~hmac={HEX64}",
        f"hdnts=acl=/*~hmac={HEX64}",
        f"{S3.replace('Signature', 'signature')}",
        "&",
        "a&&b",
        "=",
        "",
    ],
)
def test_what_only_looks_like_a_signature_stays(query: str) -> None:
    assert key(query) == f"?{query}"


def test_a_caller_may_name_more() -> None:
    query = "utm_source=x&w=800&UTM_a=1&sid=9&s%69d2=1&flag"
    assert key(query, "utm_*", "sid?", "flag") == "?w=800&UTM_a=1&sid=9"
    assert key("sid=1", "sid") == ""
    assert key("sid=1&sid=2", "sid") == ""
    assert key("a=[x]&b=1", "[a]") == "?b=1"


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*"&".join(SIGNATURES.values()).split("&"), *OF_THE_IMAGE, "", "=", "a%26=b", "w=%20"]
        )
    ),
    st.sampled_from([(), ("a*",), ("*",)]),
)
def test_what_is_left_is_what_was_written_and_leaves_nothing_more_to_leave_out(
    parts: list[str], ignoring: tuple[str, ...]
) -> None:
    query = "&".join(parts)
    left = unsigned(query, ignoring)
    rest = iter(parts)
    assert all(part in rest for part in left.split("&") if left)  # in the same order
    assert unsigned(left, ignoring) == left
    if not ignoring:
        kept = left.split("&")
        assert all(part in kept for part in parts if part in OF_THE_IMAGE)


@settings(deadline=None)
@given(st.text(alphabet="abSig=&%3D~-_;?/ \u00e9"), st.text(alphabet="a[*?]!-\\", max_size=4))
def test_any_query_and_any_pattern_will_do(query: str, pattern: str) -> None:
    assert len(unsigned(query, (pattern,))) <= len(query)


# What it means for what is held


def signed(number: int) -> str:
    return f"/a?w=12&ex=65d903{number:02x}&is=65c68ede&hm={HEX64}"


pytestmark = pytest.mark.anyio


async def test_a_new_signature_is_a_hit_and_the_request_bears_the_whole_url() -> None:
    world = World()
    for number in (1, 2):
        world.transport.answer(H + signed(number), reply(cache_control="max-age=60"))
    assert (await world.served(signed(1))).origin is CacheStatus.FETCHED
    again = await world.served(signed(2))
    assert (again.origin, again.candidate.url, again.entry.key) == (
        CacheStatus.CACHED,
        H + signed(2),
        H + "/a?w=12",
    )
    assert world.urls() == [signed(1)]


async def test_a_stale_image_is_asked_about_under_its_new_signature() -> None:
    world = World()
    world.transport.answer(H + signed(1), reply(cache_control="max-age=60", etag='"1"'))
    world.transport.answer(H + signed(2), reply(b"", 304, cache_control="max-age=60"))
    await world.served(signed(1))
    world.clock.time += 61
    assert (await world.served(signed(2))).origin is CacheStatus.REVALIDATED
    assert world.urls() == [signed(1), signed(2)]
    assert dict(world.transport.requests[1].headers)["if-none-match"] == '"1"'
    assert (await world.served(signed(3))).origin is CacheStatus.CACHED


async def test_an_image_behind_a_redirect_to_a_signed_url_is_asked_about_there() -> None:
    world = World()
    moved = [reply(b"", 302, location=signed(n), cache_control="max-age=60") for n in (1, 2)]
    world.transport.answer(H + "/a", *moved)
    world.transport.answer(H + signed(1), reply(etag='"1"'))
    world.transport.answer(H + signed(2), reply(b"", 304))
    await world.served("/a")
    world.clock.time += 61
    assert (await world.served("/a")).origin is CacheStatus.REVALIDATED


async def test_no_signature_is_noted_in_the_index() -> None:
    world = World()
    world.transport.answer(H + signed(1), reply())
    served = await world.served(signed(1))
    assert HEX64 not in repr(served.entry)


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_no_signature_is_kept_in_the_head_of_a_response(signature: str) -> None:
    signature = signature.removesuffix("&")

    def kept(name: str, value: str) -> str | None:
        head = stored_headers.storable(
            Head("https://h.example/a", 200, ((name, value),)), "https://h.example/a"
        )
        assert stored_headers.storable(head, head.url) == head
        return head.get(name)

    assert kept("content-location", f"/a.webp?{signature}#x") == "/a.webp#x"
    assert kept("content-location", f"//u:p@h/a.webp?w=1&{signature}") == "//h/a.webp?w=1"
    links = '<https://{}h.example/a?{}>; rel="canonical"; title="<a?b>", </b?w=9{}>;rel=preload'
    said = links.format("u:p@", signature, f"&{signature}")
    assert kept("link", said) == links.format("", "", "").replace("a?>", "a>")
    assert kept("location", f"/a?{signature}") == f"/a?{signature}"
    for plain in ("/a?", "/a?w=1#x", "", "?", "a b"):
        assert kept("content-location", plain) == plain


async def test_what_a_caller_names_is_left_out_by_each_of_the_doors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(key_ignore=("sid",))
    world.transport.answer(H + "/a?sid=1", reply())
    await world.served("/a?sid=1")
    assert isinstance(await world.engine.fetch(choice_of("/a?sid=2")), Served)
    assert world.urls() == ["/a?sid=1"]
    assert [entry.key for entry in world.store.entries.values()] == [Key(H + "/a")]

    cache = tmp_path / "cache"
    with Loopback() as origin:
        for number in (1, 2):
            origin.route(f"/a?w=1&sid={number}", whole(PIXEL, cache_control="max-age=60"))
        url = f"{origin.url}/a?w=1&sid="
        transport = CachingTransport(cache, key_ignore=["sid"], allow_hosts=["127.0.0.1"])
        async with httpx.AsyncClient(transport=transport) as client:
            assert [(await client.get(f"{url}{n}")).content for n in (1, 2)] == [PIXEL, PIXEL]
        assert origin.asked() == 1
        options = ["--cache", str(cache), "--key-ignore", "sid"]
        assert main(["explain", f"{url}3", "--json", *options]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["held"], told["key"], told["action"]) == (True, f"{origin.url}/a?w=1", "serve")
        assert main(["get", f"{url}3", *options]) == 0
        assert main(["explain", f"{url}3", *options]) == 0
        assert f"  key: {origin.url}/a?w=1\n" in capsys.readouterr().out


@pytest.mark.parametrize("verify", ["none", "full"])
async def test_a_caching_transport_answers_no_signature_with_what_another_fetched(
    verify: str, tmp_path: Path
) -> None:
    bodies = {number: PIXEL if verify == "full" else b'{"account": %d}' % number for number in (1, 2)}
    with Loopback() as origin:
        for number, body in bodies.items():
            origin.route(
                signed(number), whole(body, cache_control="max-age=60", content_location=signed(number))
            )
            origin.route(f"/?token={number}&expires=1767225600", whole(body, cache_control="max-age=60"))
        for path in (signed, lambda number: f"/?token={number}&expires=1767225600"):
            before = origin.asked()
            transport = CachingTransport(tmp_path, verify=verify, allow_hosts=["127.0.0.1"])
            async with httpx.AsyncClient(transport=transport) as client:
                for number, body in (*bodies.items(), *bodies.items()):
                    response = await client.get(origin.url + path(number))
                    assert response.content == body
                    if path is signed:  # what is kept is given as it came
                        assert response.headers["content-location"] == signed(number)
            assert origin.asked() - before == 2


async def test_a_caching_transport_that_is_asked_to_ignores_signatures(tmp_path: Path) -> None:
    with Loopback() as origin:
        origin.route(signed(1), whole(PIXEL, cache_control="max-age=60"))
        transport = CachingTransport(tmp_path, ignore_signatures=True, allow_hosts=["127.0.0.1"])
        async with httpx.AsyncClient(transport=transport) as client:
            for number in (1, 2):
                assert (await client.get(origin.url + signed(number))).content == PIXEL
            assert origin.asked() == 1
            origin.route(signed(3), whole(b""))
            await client.delete(origin.url + signed(3))
            assert (await client.get(origin.url + signed(1))).extensions["imgfetch"]["origin"] == "fetched"


async def test_what_a_caching_transport_keeps_of_a_signed_url_is_forgotten_under_both_keys(
    tmp_path: Path,
) -> None:
    with Loopback() as origin:
        url = origin.route(signed(1), whole(PIXEL, cache_control="max-age=60"))
        async with Client(tmp_path, allow_hosts=["127.0.0.1"]) as client:
            await client.get(url)
        transport = CachingTransport(tmp_path, allow_hosts=["127.0.0.1"])
        async with httpx.AsyncClient(transport=transport) as caller:
            await caller.get(url)
            assert len([*Cache(tmp_path).entries()]) == 2
            origin.route(signed(1), whole(b""))
            await caller.delete(url)
            assert [*Cache(tmp_path).entries()] == []


def test_a_broken_download_goes_on_under_a_new_signature(tmp_path: Path) -> None:
    body = encoded("png", 200, 200)
    with Loopback() as origin:
        origin.route(signed(1), ranged(body, at=len(body) // 2))
        origin.route(signed(2), ranged(body))
        options = ["--allow-host", "127.0.0.1", "--cache", str(tmp_path / "cache"), "--retries", "0"]
        assert main(["get", origin.url + signed(1), *options]) == 1
        assert main(["get", origin.url + signed(2), *options]) == 0
        assert origin.requests[1].headers["range"] == f"bytes={len(body) // 2}-"

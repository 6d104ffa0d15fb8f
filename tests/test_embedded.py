"""Bodies that a source holds: kept like downloads, without a request, and not as an origin's answer."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from engine_world import LIMITS, PIXEL, H, World
from imgfetch.errors import NetworkError
from imgfetch.model.image import Defect
from imgfetch.model.markup import Candidate, Choice, EmbeddedBody, SourceSet
from imgfetch.model.result import ErrorKind, Failure, Served
from imgfetch.model.sizes import AtLeast
from imgfetch.model.values import Digest
from imgfetch.rules.image import embedded
from imgfetch.rules.image.choose import choose
from pictures import encoded

pytestmark = pytest.mark.anyio

OTHER = encoded("webp", 12, 9)


def body(url: str, data: bytes = PIXEL, **fields: object) -> EmbeddedBody:
    return EmbeddedBody(url, lambda most: data[: most + 1], "image/webp", **fields)  # type: ignore[arg-type]


def choice_of(*candidates: str, bodies: tuple[EmbeddedBody, ...] = ()) -> Choice:
    return choose(SourceSet(tuple(Candidate(url, 12) for url in candidates), embedded=bodies), width=12)


async def served(world: World, choice: Choice) -> Served:
    outcome = await world.engine.fetch(choice)
    assert isinstance(outcome, Served), outcome
    return outcome


async def test_a_body_is_verified_and_stored_without_a_request() -> None:
    world = World()
    choice = choice_of("cid:a@b", bodies=(body("cid:x@b", OTHER), body("cid:a@b")))
    image = await served(world, choice)
    assert (image.origin, image.attempts, image.url) == ("embedded", 0, "cid:a@b")
    assert image.verified == ("structure", "decode")
    assert world.store.objects == {image.sha256: PIXEL}
    assert not world.store.staging.bodies
    assert not world.transport.requests


async def test_stored_bytes_are_found_by_their_digest_and_not_decoded_again() -> None:
    world = World()
    first = await served(world, choice_of("cid:a@b", bodies=(body("cid:a@b"),)))
    again = await served(world, choice_of("cid:other@c", bodies=(body("cid:other@c"),)))
    assert (again.content, again.origin, len(world.decoder.decoded)) == (first.content, "embedded", 1)


async def test_a_record_of_an_archive_never_answers_a_later_request_for_its_url() -> None:
    world = World()
    fields = (("cache-control", "max-age=31536000"), ("etag", '"1"'), ("set-cookie", "a=1"))
    record = body(H + "/a", OTHER, date=world.clock.now() - 5, headers=fields)
    image = await served(world, choice_of(H + "/a", bodies=(record,)))
    assert image.entry.head.url == H + "/a"
    assert image.entry.response_time == world.clock.now() - 5
    assert dict(image.headers) == {"cache-control": "max-age=31536000", "etag": '"1"'}

    world.transport.answer(H + "/a", (200, PIXEL))
    other = await served(world, choice_of(H + "/a"))
    assert (other.origin, world.store.objects[other.sha256]) == ("fetched", PIXEL)
    assert "if-none-match" not in dict(world.transport.requests[0].headers)


async def test_a_stored_response_does_not_answer_for_the_record_that_was_asked_for() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, OTHER))
    await served(world, choice_of(H + "/a"))
    image = await served(world, choice_of(H + "/a", bodies=(body(H + "/a"),)))
    assert world.store.objects[image.sha256] == PIXEL


async def test_a_damaged_body_is_passed_over_for_the_next_candidate() -> None:
    world = World()
    world.transport.answer(H + "/b", (200, PIXEL))
    image = await served(world, choice_of(H + "/a", H + "/b", bodies=(body(H + "/a", b"<html>"),)))
    assert (image.url, image.origin, world.urls()) == (H + "/b", "fetched", ["/b"])
    assert len(image.tried) == 1


async def test_a_body_is_taken_also_where_the_host_of_the_chosen_candidate_is_out_of_reach() -> None:
    world = World(limits=LIMITS._replace(retries=0))
    world.transport.answer(H + "/b", NetworkError(ErrorKind.DNS, "no such host"))
    image = await served(world, choice_of(H + "/b", H + "/a", bodies=(body(H + "/a"),)))
    assert (image.url, image.origin) == (H + "/a", "embedded")


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (lambda _: b"", ErrorKind.EMPTY),
        (lambda _: b"<html>", ErrorKind.NOT_IMAGE),
        (lambda _: PIXEL[:-4], ErrorKind.TRUNCATED),
        (lambda most: bytes(most + 1), ErrorKind.TOO_LARGE),
        (lambda _: Defect(ErrorKind.CORRUPT, "its base64 is damaged"), ErrorKind.CORRUPT),
    ],
)
async def test_a_body_that_is_not_an_image_is_a_failure_that_no_retry_helps(
    read: object, kind: ErrorKind
) -> None:
    world = World()
    broken = EmbeddedBody("cid:a", read)  # type: ignore[arg-type]
    outcome = await world.engine.fetch(choice_of("cid:a", bodies=(broken,)))
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.retryable, outcome.attempts) == (kind, False, 0)
    assert not world.store.staging.bodies


async def test_an_opt_out_in_a_record_holds() -> None:
    world = World(robots="imgfetch")
    record = body(H + "/a", headers=(("x-robots-tag", "noai"),))
    outcome = await world.engine.fetch(choice_of(H + "/a", bodies=(record,)))
    assert isinstance(outcome, Failure)
    assert outcome.kind is ErrorKind.OPTED_OUT


async def test_offline_and_refresh_make_no_difference() -> None:
    for settings in ({"offline": True}, {"refresh": True}):
        world = World(**settings)
        image = await served(world, choice_of("cid:a", bodies=(body("cid:a"),)))
        assert image.origin == "embedded"


def test_the_key_is_the_ni_uri_of_the_digest() -> None:  # the example of RFC 6920 §8.1
    digest = Digest(hashlib.sha256(b"Hello World!").hexdigest())
    assert embedded.key(digest) == "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({"formats": ("jpeg",)}, ErrorKind.FORMAT_MISMATCH),
        ({"at_least": AtLeast(width=100)}, ErrorKind.TOO_SMALL),
    ],
)
async def test_what_is_wanted_of_a_download_is_wanted_of_it_too(
    wanted: dict[str, Any], kind: ErrorKind
) -> None:
    world = World()
    choice = choice_of("cid:a", bodies=(body("cid:a"),))._replace(**wanted)
    outcome = await world.engine.fetch(choice)
    assert isinstance(outcome, Failure)
    assert (outcome.kind, world.store.objects) == (kind, {})

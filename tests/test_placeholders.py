"""`rules.image.placeholders`: the signs of placeholders, and what the client does with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damage import FORMS, picture
from imgfetch import Client, Failure, Image, ImgfetchError, check_image
from imgfetch.api.cache import Cache
from imgfetch.cli import main
from imgfetch.model.image import Facts, Format, Placeholder
from imgfetch.model.markup import Candidate, SourceSet
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Digest, Key
from imgfetch.rules.image import placeholders
from origin import Origin, redirect, whole
from pictures import encoded, flat, samples, save

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

URL = Key("https://h.example/a.webp")
FACTS = Facts(Format.WEBP, 480, 270, 1, 9_000, Digest("ab" * 32), ("structure", "decode"))
PIXEL = save(flat(1, 1), "gif")
NOTICE = encoded("png", 160, 80)


def check(
    *expected: Placeholder,
    facts: Facts = FACTS,
    promised: int | None = None,
    found: str = URL,
    sharing: Iterable[str] = (),
    **changes: Any,  # noqa: ANN401 (what Facts has)
) -> None:
    facts = facts._replace(**changes)
    seen = placeholders.detect(
        facts, promised, requested=URL, final_url=found, sharing=[Key(url) for url in sharing]
    )
    assert tuple(seen) == expected, seen
    assert all(why.isprintable() for why in seen.values())


def words(text: str) -> list[str]:
    return text.split()


def test_a_picture_of_two_pixels_is_a_tracking_pixel() -> None:
    check(Placeholder.TRACKING_PIXEL, width=1, height=1)
    check(Placeholder.TRACKING_PIXEL, width=2, height=2, promised=480)
    check(width=1, height=600)  # the strip of a background
    check(width=3, height=3)


def test_a_picture_much_narrower_than_promised_is_a_blur_placeholder() -> None:
    check(Placeholder.BLUR_PLACEHOLDER, width=32, height=18, promised=480)
    check(Placeholder.BLUR_PLACEHOLDER, width=20, height=11, promised=80)
    check(width=32, height=18)
    check(width=32, height=18, promised=64)
    check(width=240, height=135, promised=1920)  # wrong, and a picture: `width_mismatch` says so


@pytest.mark.parametrize(
    "name",
    words(
        "removed.png image-removed.jpg photo_unavailable.gif not-found.webp no_image.png noimage.jpg 404.gif "
        "placeholder.png placeholder-480x270.png image-not-found.png NoPhoto.jpg missing_s.png deleted "
        "picture_is_removed.png"
    ),
)
def test_recognises_a_redirect_to_a_notice_by_its_file_name(name: str) -> None:
    check(Placeholder.REMOVED, found=f"https://i.h.example/x/{name}?1")


@pytest.mark.parametrize(
    "name",
    words(
        "a.webp missing-persons.jpg removed-from-office.jpg placeholder-for-a-dream.png 404-error-art.png "
        "notfound-band-live.jpg img.png photo.jpg image-480.webp unremoved.png"
    ),
)
def test_a_redirect_to_another_picture_is_not_a_sign(name: str) -> None:
    check(found=f"https://i.h.example/x/{name}")


def test_a_notice_that_was_requested_by_name_is_not_a_sign() -> None:
    asked = Key("https://h.example/removed.png")
    assert (
        placeholders.detect(FACTS, None, requested=asked, final_url="https://h.example/removed.png#x") == {}
    )


def test_the_same_bytes_under_five_names_of_one_host_are_a_sign() -> None:
    others = [f"https://h.example/{number}.webp" for number in range(4)]
    check(Placeholder.REPEATED, sharing=others)
    check(Placeholder.REPEATED, sharing=[URL, *others])
    check(sharing=others[:3])
    check(sharing=others, bytes=100_000)
    check(sharing=[f"https://h{number}.example/{number}.webp" for number in range(9)])


def test_one_picture_in_many_sizes_and_under_many_paths_is_not_a_sign() -> None:
    check(sharing=[f"https://h.example/{width}/a.webp?w={width}" for width in range(100)])


@given(
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.none() | st.integers(1, 5000),
    st.text(max_size=60),
    st.lists(st.text(max_size=40)),
)
@settings(deadline=None)
def test_signs_do_not_depend_on_the_order_of_keys(
    width: int, height: int, promised: int | None, found: str, sharing: list[str]
) -> None:
    facts = FACTS._replace(width=width, height=height)
    keys = tuple(map(Key, sharing))
    seen = placeholders.detect(facts, promised, requested=URL, final_url=found, sharing=keys)
    assert seen == placeholders.detect(facts, promised, requested=URL, final_url=found, sharing=keys[::-1])
    assert not {Placeholder.TRACKING_PIXEL, Placeholder.BLUR_PLACEHOLDER} <= seen.keys()
    if promised in (None, width):
        assert Placeholder.BLUR_PLACEHOLDER not in seen
    if width > 64:
        assert not {Placeholder.TRACKING_PIXEL, Placeholder.BLUR_PLACEHOLDER} & seen.keys()


def test_no_sign_in_ordinary_pictures() -> None:
    pictures = [sample.data for sample in samples(((64, 48), (130, 97)))]
    pictures += [picture(form, seed) for form in FORMS for seed in range(3)]
    for data in pictures:
        facts = check_image(data)
        assert not placeholders.detect(facts, facts.width, requested=URL, final_url=URL)


# ---------------------------------------------------------------------------------------------------
# What becomes of them


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        running.route("/a.gif", whole(PIXEL))
        running.route("/b.webp", whole(encoded("webp", 96, 54)))
        running.route("/blur.webp", whole(encoded("webp", 20, 11)))
        running.route("/gone.jpg", redirect("/removed.png"))
        running.route("/removed.png", whole(NOTICE))
        for number in range(6):
            running.route(f"/dead-{number}.png", whole(NOTICE))
        yield running


def client(cache: Path, **options: bool) -> Client:
    return Client(cache, allow_hosts=["127.0.0.1"], **options)  # type: ignore[arg-type]


def found(image: Image) -> tuple[Placeholder, ...]:
    """By what it is known; the warnings begin with the same words."""
    slugs = [warning.partition(":")[0] for warning in image.warnings]
    assert [slug for slug in slugs if slug in tuple(Placeholder)] == [*image.fakes]
    return image.fakes


async def test_stores_a_placeholder_and_reports_it_every_time(origin: Origin, tmp_path: Path) -> None:
    blurred = SourceSet((Candidate(f"{origin.url}/blur.webp", 480),))
    for _ in range(2):
        async with client(tmp_path) as running:
            assert found(await running.get(f"{origin.url}/a.gif")) == (Placeholder.TRACKING_PIXEL,)
            assert found(await running.get(blurred)) == (Placeholder.BLUR_PLACEHOLDER,)
            assert found(await running.get(f"{origin.url}/gone.jpg")) == (Placeholder.REMOVED,)
            assert found(await running.get(f"{origin.url}/removed.png")) == ()
            assert found(await running.get(f"{origin.url}/b.webp")) == ()
    assert origin.asked() == 6


async def test_reports_a_repeated_notice_once_there_are_enough_names(origin: Origin, tmp_path: Path) -> None:
    async with client(tmp_path) as running:
        reported = [found(await running.get(f"{origin.url}/dead-{number}.png")) for number in range(6)]
        assert reported == [(), (), (), (), (Placeholder.REPEATED,), (Placeholder.REPEATED,)]
        assert found(await running.get(f"{origin.url}/dead-0.png")) == (Placeholder.REPEATED,)


async def test_fetches_the_next_candidate_if_placeholders_are_rejected(
    origin: Origin, tmp_path: Path
) -> None:
    both = f"{origin.url}/blur.webp 480w, {origin.url}/b.webp 960w"
    async with client(tmp_path, reject_fakes=True) as running:
        image = await running.get(both, width=400)
        assert image.url == f"{origin.url}/b.webp"
        assert [failed.kind for failed in image.tried] == [ErrorKind.PLACEHOLDER]
        assert image.fakes == ()
        outcomes = [
            outcome async for outcome in running.get_many([f"{origin.url}/a.gif", f"{origin.url}/gone.jpg"])
        ]
    assert {outcome.kind for outcome in outcomes if isinstance(outcome, Failure)} == {ErrorKind.PLACEHOLDER}
    assert len(outcomes) == 2
    assert origin.asked("/a.gif") == 1  # it is what the origin has
    assert [entry.key for entry in Cache(tmp_path).entries()] == [f"{origin.url}/b.webp"]


async def test_does_not_serve_a_stored_placeholder_if_placeholders_are_rejected(
    origin: Origin, tmp_path: Path
) -> None:
    async with client(tmp_path) as running:
        await running.get(f"{origin.url}/a.gif")
    async with client(tmp_path, reject_fakes=True) as running:
        with pytest.raises(ImgfetchError) as caught:
            await running.get(f"{origin.url}/a.gif")
    assert (caught.value.kind, caught.value.message) == ("placeholder", "tracking_pixel: 1 x 1 pixels")
    async with client(tmp_path, offline=True) as running:
        assert found(await running.get(f"{origin.url}/a.gif")) == (Placeholder.TRACKING_PIXEL,)


def test_the_command_line_reports_placeholders_in_words_and_in_json(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["get", f"{origin.url}/a.gif", "--cache", str(tmp_path), "--allow-host", "127.0.0.1", "--json"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["fakes"] == ["tracking_pixel"]
    assert "tracking_pixel: 1 x 1 pixels" in said.err
    assert main([*words, "--reject-fakes"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "placeholder"

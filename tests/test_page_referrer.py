"""What a page says about the referrer of its images is obeyed, unless the caller says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from command import LOCAL, Ran
from imgfetch import find_images
from imgfetch.markup import referrer_policy
from imgfetch.model.markup import ReferrerPolicy
from origin import status, whole
from pictures import encoded

if TYPE_CHECKING:
    from pathlib import Path

    from origin import Answer, Origin

PIXEL = encoded("png", 9, 9)
NONE, ORIGIN, FULL = None, "{origin}/", "{origin}/dir/page.html?q"


def stated(markup: str, **options: str) -> list[str | None]:
    """Return the policy of each image of a page."""
    return [image.referrer_policy for image in find_images(markup, media_type="text/html", **options)]


def referer(
    origin: Origin,
    capsys: pytest.CaptureFixture[str],
    page: str,
    *options: str,
    moved: str = "",
    field: str = "",
) -> str | None:
    """Return the Referer that is sent for `/a.png` of another origin, which the page shows."""
    foreign = origin.door()
    answers: list[Answer] = [whole(PIXEL)]
    if moved:
        answers.insert(0, whole(b"", 302, location="/a.png", referrer_policy=moved))
    origin.route("/a.png", *answers)
    text = page.replace("{image}", f"{foreign}/a.png").encode()
    url = origin.route("/dir/page.html?q", whole(text, content_type="text/html", referrer_policy=field))
    assert Ran(capsys, "get", url, "--kinds", "all", *LOCAL, *options).images == [PIXEL]
    told = origin.requests[-1].headers.get("referer")
    return told and told.replace(origin.url, "{origin}")


@pytest.mark.parametrize(
    ("page", "field", "told"),
    [
        ("<img src={image}>", "", ORIGIN),
        ("<img src={image} referrerpolicy=no-referrer>", "", NONE),
        ("<img src={image} referrerpolicy=NO-Referrer>", "", NONE),
        ("<img src={image} referrerpolicy=unsafe-url>", "", FULL),
        ("<img src={image} referrerpolicy=same-origin>", "", NONE),
        ("<img src={image} referrerpolicy=nonsense>", "", ORIGIN),
        ("<meta name=referrer content=no-referrer><img src={image}>", "", NONE),
        ("<meta name=Referrer content=' never '><img src={image}>", "", NONE),
        ("<meta name=referrer content=always><img src={image}>", "", FULL),
        ("<meta name=referrer content=unsafe-url><img src={image} referrerpolicy=origin>", "", ORIGIN),
        ("<meta name=referrer content=unsafe-url><img src={image} referrerpolicy>", "", FULL),
        ("<img src={image}>", "no-referrer", NONE),
        ("<img src={image}>", "no-referrer, unsafe-url, future", FULL),
        ("<meta name=referrer content=origin><img src={image}>", "no-referrer", ORIGIN),
        ("<link rel=icon href={image} referrerpolicy=no-referrer>", "", NONE),
        ("<link rel=preload as=image href={image} referrerpolicy=no-referrer>", "", NONE),
        ("<p style='background: url({image})'>", "no-referrer", NONE),
        ("<picture><source srcset={image}><img referrerpolicy=no-referrer></picture>", "", NONE),
        ("<img data-src={image} referrerpolicy=no-referrer>", "", NONE),
        ("<noscript><img src={image} referrerpolicy=no-referrer></noscript>", "", NONE),
    ],
)
def test_the_policy_of_a_page_is_obeyed(
    page: str,
    field: str,
    told: str | None,
    home: Path,
    origin: Origin,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert referer(origin, capsys, page, field=field) == told


@pytest.mark.parametrize(("policy", "told"), [("unsafe-url", FULL), ("strict-origin", ORIGIN)])
def test_the_policy_of_the_caller_wins(
    policy: str, told: str, home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "<meta name=referrer content=no-referrer><img src={image} referrerpolicy=no-referrer>"
    given = ("--referrer-policy", policy)
    assert referer(origin, capsys, page, *given, field="no-referrer") == told


def test_a_policy_of_the_page_holds_for_the_referrer_of_the_caller_too(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "<img src={image} referrerpolicy=no-referrer>"
    assert referer(origin, capsys, page, "--referer", "https://h.example/") is None


def test_a_redirect_may_state_another_policy(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "<img src={image} referrerpolicy=unsafe-url>"
    assert referer(origin, capsys, page, moved="no-referrer") is None
    assert [r.headers.get("referer") for r in origin.requests[-2:]] == [origin.url + "/dir/page.html?q", None]


def test_a_host_that_refuses_referrers_is_asked_without_one_in_a_retry_too(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", status(503), whole(PIXEL))
    (home / "page.html").write_text(f"<img src={url} referrerpolicy=unsafe-url>")
    base = ("--base", f"{origin.url}/page")
    Ran(capsys, "get", "page.html", *base, "--report", "report.jsonl", *LOCAL, "--retries", "0")
    assert Ran(capsys, "retry", "report.jsonl", *LOCAL).images == [PIXEL]
    assert [r.headers.get("referer") for r in origin.requests] == [f"{origin.url}/page"] * 2


def test_a_retry_names_the_page_that_an_image_was_found_on(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", status(503), whole(PIXEL))
    page = origin.route("/page", whole(f"<img src={url}>".encode(), content_type="text/html"))
    Ran(capsys, "get", page, "--report", "report.jsonl", *LOCAL, "--retries", "0")
    assert Ran(capsys, "retry", "report.jsonl", *LOCAL).images == [PIXEL]
    assert [r.headers.get("referer") for r in origin.requests] == [None, *[origin.url + "/"] * 2]


def test_find_images_tells_the_policy_of_each_image() -> None:
    page = (
        "<img src=/a><img src=/b referrerpolicy=origin><meta name=referrer content=no-referrer>"
        "<link rel=icon href=/c referrerpolicy=unsafe-url>"
    )
    assert stated(page) == ["no-referrer", "origin", "unsafe-url"]
    assert stated("<img src=/a>") == [None]


def test_a_link_field_may_state_a_policy() -> None:
    from imgfetch.markup.page.discovery import find_page_images

    field = "</a.png>; rel=preload; as=image; referrerpolicy=no-referrer"
    (image,) = find_page_images("", base_url="https://h.example/", link_headers=[field])
    assert image.referrer_policy is ReferrerPolicy.NO_REFERRER


@pytest.mark.parametrize(
    ("metas", "policy"),
    [
        ([], None),
        ([("referrer", "")], None),
        ([("referrer", "nonsense")], None),
        ([("referrer", "origin, no-referrer")], None),
        ([("referrer", "default")], ReferrerPolicy.STRICT_ORIGIN_WHEN_CROSS_ORIGIN),
        ([("referrer", "origin-when-crossorigin")], ReferrerPolicy.ORIGIN_WHEN_CROSS_ORIGIN),
        ([("referrer", "origin"), ("referrer", "never"), ("referrer", "x")], ReferrerPolicy.NO_REFERRER),
        ([("referrers", "origin"), ("robots", "never")], None),
    ],
)
def test_the_last_meta_that_states_a_policy_holds(
    metas: list[tuple[str, str]], policy: ReferrerPolicy | None
) -> None:
    assert referrer_policy.of_metas(metas) is policy

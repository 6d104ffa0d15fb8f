from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch import Candidate, InputError, SourceSet, Viewport, choose, parse_srcset
from imgfetch.model.markup import Layout, Original, Policy, Source, SourceKind
from imgfetch.rules.image import choose as rule

WEB = "480.webp 480w, 768.webp 768w, 1280.webp 1280w, 1920.webp 1920w"


def check(srcset: str, *order: str, **asked: object) -> str:
    """The order in which candidates are tried, by the beginnings of their URLs; gives the reason."""
    choice = choose(SourceSet(parse_srcset(srcset)), **asked)  # type: ignore[arg-type]
    tried = [candidate.url.partition(".")[0] for candidate in (choice.candidate, *choice.alternatives)]
    assert tried == list(order)
    return choice.why


def test_cover_takes_the_smallest_that_is_wide_enough_then_larger_ones_then_smaller() -> None:
    why = check(WEB, "1280", "1920", "768", "480", width=800)
    assert why == "1280w is the smallest of 4 that covers 800 device pixels"


def test_cover_takes_the_very_width_that_was_asked() -> None:
    check(WEB, "768", "1280", "1920", "480", width=768)
    check(WEB, "1280", "1920", "768", "480", width=769)


def test_cover_takes_the_largest_where_none_is_wide_enough() -> None:
    why = check(WEB, "1920", "1280", "768", "480", width=4000)
    assert why == "1920w is the largest of 4; none covers 4000 device pixels"


def test_cover_without_a_width_takes_the_largest() -> None:
    why = check(WEB, "1920", "1280", "768", "480")
    assert why == "1920w is the largest of 4; no size was given to compare it with"


def test_nearest_goes_by_distance_and_prefers_the_larger_of_two() -> None:
    why = check(WEB, "768", "480", "1280", "1920", width=800, policy="nearest")
    assert why == "768w is the nearest of 4 to 800 device pixels"
    check("a.png 100w, b.png 300w", "b", "a", width=200, policy="nearest")


def test_largest_and_smallest_ask_for_no_width() -> None:
    assert check(WEB, "1920", "1280", "768", "480", width=1, policy="largest") == "1920w is the largest of 4"
    assert (
        check(WEB, "480", "768", "1280", "1920", width=9999, policy="smallest") == "480w is the smallest of 4"
    )


def test_densities_are_held_against_the_device_pixel_ratio() -> None:
    why = check("a.png, b.png 1.5x, c.png 3x", "b", "c", "a", viewport=Viewport(800, 600, 1.25))
    assert why == "1.5x is the smallest of 3 that covers 1.25 device pixels per CSS pixel"


def test_densities_without_a_viewport_give_the_densest_since_no_width_can_be_held_against_them() -> None:
    check("a.png, b.png 1.5x, c.png 3x", "c", "b", "a", width=800)
    check("a.png, b.png 1.5x, c.png 3x", "a", "b", "c", width=800, policy="smallest")


def test_a_viewport_asks_for_as_many_device_pixels_as_it_has() -> None:
    check(WEB, "1280", "1920", "768", "480", viewport=Viewport(400, 800, 3))


def test_in_a_mixed_set_the_candidates_that_state_their_width_come_first() -> None:
    check("x.png 2x, w.png 500w, v.png 900w", "w", "v", "x", width=400)


def test_the_first_written_of_equal_candidates_comes_first_and_no_url_is_tried_twice() -> None:
    check("a.png 500w, b.png 500w, a.png 900w", "a", "b", width=100)


def test_formats_leave_out_urls_that_name_another_one() -> None:
    srcset = "a.avif 900w, b.webp 800w, c 700w, d.JPG?x=.avif 600w"
    check(srcset, "d", "c", width=100, formats=["jpeg"])
    with pytest.raises(InputError, match=r"no candidate in gif, png, but /a\.avif and 1 more"):
        check("/a.avif?s=secret 900w, b.webp", formats=["png", "gif"])


def test_an_empty_source_set_is_an_error_that_says_so() -> None:
    with pytest.raises(InputError, match="no candidate"):
        choose(SourceSet(()))


def test_a_lone_candidate_needs_no_rule() -> None:
    assert check("a.png", "a", width=800) == "it is the only candidate"


candidates = st.lists(
    st.builds(Candidate, st.sampled_from("abcdefgh"), st.integers(1, 4000)), min_size=1, max_size=8
).map(tuple)
widths = st.integers(1, 5000)


@given(candidates, widths)
def test_whenever_any_candidate_is_wide_enough_the_chosen_one_is_and_is_the_least_of_them(
    offered: tuple[Candidate, ...], width: int
) -> None:
    chosen = choose(SourceSet(offered), width=width).candidate.width or 0
    firsts = {c.url: c.width or 0 for c in reversed(offered)}
    enough = [w for w in firsts.values() if w >= width]
    assert chosen == (min(enough) if enough else max(firsts.values()))


@given(candidates, widths, st.sampled_from(Policy))
def test_every_url_is_tried_exactly_once_whatever_the_policy(
    offered: tuple[Candidate, ...], width: int, policy: Policy
) -> None:
    choice = choose(SourceSet(offered), width=width, policy=policy, viewport=Viewport(800, 600))
    tried = [c.url for c in (choice.candidate, *choice.alternatives)]
    assert sorted(tried) == sorted({c.url for c in offered})


@given(candidates, widths)
def test_no_candidate_is_nearer_than_the_nearest(offered: tuple[Candidate, ...], width: int) -> None:
    choice = choose(SourceSet(offered), width=width, policy="nearest")
    distances = [abs((c.width or 0) - width) for c in (choice.candidate, *choice.alternatives)]
    assert distances == sorted(distances)


ORIGINAL = Original("o.jpg")


def offer(srcset: str, *others: Candidate, shown_at: int | None = None) -> SourceSet:
    return SourceSet((*parse_srcset(srcset), *others), layout=Layout(shown_at))


@pytest.mark.parametrize(
    ("image", "asked", "expected"),
    [
        (offer("a.jpg", ORIGINAL), {}, "a.jpg"),
        (offer("a.jpg", ORIGINAL), {"policy": "largest"}, "o.jpg"),
        (offer("a.jpg", ORIGINAL), {"width": 300}, "o.jpg"),
        (offer("a.jpg", ORIGINAL, shown_at=300), {"width": 300}, "a.jpg"),
        (offer("a.jpg 1x, b.jpg 2x", ORIGINAL, shown_at=300), {"width": 600}, "b.jpg"),
        (offer("a.jpg 300w, b.jpg 600w", ORIGINAL), {"width": 600}, "b.jpg"),
        (offer("a.jpg 300w, b.jpg 600w", ORIGINAL), {"width": 601}, "o.jpg"),
        (offer("a.jpg 300w, b.jpg 600w", ORIGINAL), {}, "b.jpg"),
        (offer("a.jpg 300w, b.jpg 600w", ORIGINAL), {"width": 601, "policy": "nearest"}, "b.jpg"),
        (offer("a.jpg 300w, b.jpg 600w", ORIGINAL), {"policy": "smallest"}, "a.jpg"),
        (offer("a.jpg 300w, b.jpg 600w", ORIGINAL), {"viewport": Viewport(2000, 900)}, "b.jpg"),
        (offer("a.jpg", ORIGINAL), {"viewport": Viewport(2000, 900), "policy": "browser"}, "a.jpg"),
        (offer("", ORIGINAL), {}, "o.jpg"),
        (offer("a.jpg", ORIGINAL, Original("p.jpg", 9000)), {"policy": "largest"}, "p.jpg"),
    ],
    ids=range(14),
)  # fmt: skip
def test_an_original_is_for_the_largest_and_for_widths_that_nothing_else_reaches(
    image: SourceSet, asked: dict[str, object], expected: str
) -> None:
    assert choose(image, **asked).url == expected  # type: ignore[arg-type]


def test_an_original_is_tried_where_nothing_else_can_be_had() -> None:
    choice = choose(offer("a.jpg 300w, b.jpg 600w", ORIGINAL))
    assert [each.url for each in choice.alternatives] == ["a.jpg", "o.jpg"]
    picture = SourceSet((Candidate("i.jpg"), ORIGINAL), sources=(Source(parse_srcset("s.jpg 300w")),))
    assert choose(picture, width=900).url == "o.jpg"
    assert choose(picture, width=200).url == "s.jpg"


def test_what_a_lazy_image_shows_meanwhile_comes_last() -> None:
    image = SourceSet(
        (Candidate("a.jpg", density=2), Candidate("src.gif")), SourceKind.LAZY, placeholder="src.gif"
    )
    for asked in ({}, {"policy": "smallest"}, {"viewport": Viewport(800, 600), "policy": "browser"}):
        choice = choose(image, **asked)
        assert [choice.url, *(each.url for each in choice.alternatives)] == ["a.jpg", "src.gif"]


def test_a_placeholder_comes_after_originals_and_a_choice_without_sizes_says_so() -> None:
    image = SourceSet(
        (Candidate("a.jpg"), Candidate("src.gif"), Candidate("b.jpg"), ORIGINAL),
        SourceKind.LAZY,
        placeholder="src.gif",
    )
    choice = choose(image)
    assert [each.url for each in choice.alternatives] == ["b.jpg", "o.jpg", "src.gif"]
    assert choice.why == "it is the first of 2; none states its size"
    assert choose(image, width=300).why == "it is the original; no other is known to cover 300 device pixels"
    assert choose(offer("a.jpg", ORIGINAL)).why == "it is the only candidate in its place"
    undecodable = offer("a.jpg", Original("o.heic"))
    assert rule.choose(undecodable, policy="largest").url == "a.jpg"

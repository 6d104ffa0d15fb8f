"""How we stand with an origin, whatever it does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.crawl import host_limits
from imgfetch.rules.crawl.host_limits import Delay, FailFast, HostState, Proceed, Queue

LIMITS = Limits(per_host=6, total_timeout=120)

ENDS = st.one_of(
    st.none(),
    st.builds(
        Failure,
        st.sampled_from(ErrorKind),
        st.just("it broke"),
        st.just("http://h.example"),
        retry_after=st.none() | st.floats(0, 1e6),
    ),
)
HISTORIES = st.lists(st.tuples(ENDS, st.booleans(), st.floats(0, 60)), max_size=60)


def lived(history: list[tuple[Failure | None, bool, float]]) -> tuple[HostState, float]:
    """How we stand after requests, one after the other, that took so long and ended so; and when that is."""
    standing, now = host_limits.initial_state(LIMITS), 0.0
    for failed, reached, seconds in history:
        began, now = now, now + seconds
        standing = host_limits.after(standing, failed, reached=reached, began=began, now=now, limits=LIMITS)
    return standing, now


@settings(deadline=None)
@given(HISTORIES)
def test_there_is_room_for_one_at_least_and_for_no_more_than_the_limit(
    history: list[tuple[Failure | None, bool, float]],
) -> None:
    standing, _ = lived(history)
    assert 1 <= standing.width <= 6


@settings(deadline=None)
@given(HISTORIES)
def test_nobody_is_left_alone_for_longer_than_half_a_minute_or_than_was_asked(
    history: list[tuple[Failure | None, bool, float]],
) -> None:
    standing, now = lived(history)
    later = max(now + 30.001, standing.held_until)
    assert isinstance(host_limits.admit(standing, under_way=0, now=later, left=1), Proceed)


@settings(deadline=None)
@given(HISTORIES)
def test_all_is_forgotten_after_enough_good_answers(
    history: list[tuple[Failure | None, bool, float]],
) -> None:
    standing, now = lived(history)
    now = max(now, standing.held_until)
    for _ in range(40):
        standing = host_limits.after(standing, None, reached=True, began=now, now=now, limits=LIMITS)
    assert host_limits.is_forgettable(standing, now=now, limits=LIMITS)


@settings(deadline=None)
@given(HISTORIES, st.integers(0, 9), st.floats(0, 200))
def test_a_wait_is_shorter_than_the_time_there_is(
    history: list[tuple[Failure | None, bool, float]], under_way: int, left: float
) -> None:
    standing, now = lived(history)
    match host_limits.admit(standing, under_way=under_way, now=now, left=left):
        case Delay(seconds):
            assert 0 < seconds < left
        case Queue():
            assert under_way >= 1
        case Proceed():
            assert under_way < 6
        case FailFast(failed):
            assert failed.message == "not asked, after it broke"


def test_a_burst_that_fails_counts_once() -> None:
    standing = host_limits.initial_state(LIMITS)
    busy = Failure(ErrorKind.RATE_LIMITED, "HTTP 503", "")
    gone = Failure(ErrorKind.CONNECT, "cannot connect", "")
    for end in range(1, 6):
        standing = host_limits.after(standing, busy, reached=True, began=0, now=end, limits=LIMITS)
    assert standing.width == 3
    for end in range(11, 16):
        standing = host_limits.after(standing, gone, reached=False, began=10, now=end, limits=LIMITS)
    assert standing.missed == 1


def test_what_is_said_of_a_file_is_not_held_against_its_host() -> None:
    standing = host_limits.initial_state(LIMITS)
    for reason in (
        ErrorKind.HTTP_STATUS,
        ErrorKind.CORRUPT,
        ErrorKind.TOO_LARGE,
        ErrorKind.BAD_REDIRECT,
        ErrorKind.PROTOCOL,
    ):
        failed = Failure(reason, "it broke", "")
        assert host_limits.after(standing, failed, reached=True, began=0, now=1, limits=LIMITS) == standing

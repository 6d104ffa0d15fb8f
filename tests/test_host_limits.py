"""`rules.crawl.host_limits`: the state of a host after any history of requests."""

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


def state_after(history: list[tuple[Failure | None, bool, float]]) -> tuple[HostState, float]:
    """Return the state and the time after requests in a row: how each ended, if it connected, its seconds."""
    state, now = host_limits.initial_state(LIMITS), 0.0
    for failed, reached, seconds in history:
        began, now = now, now + seconds
        state = host_limits.after(state, failed, reached=reached, began=began, now=now, limits=LIMITS)
    return state, now


@settings(deadline=None)
@given(HISTORIES)
def test_allows_at_least_one_request_and_at_most_the_limit(
    history: list[tuple[Failure | None, bool, float]],
) -> None:
    state, _ = state_after(history)
    assert 1 <= state.concurrency <= 6


@settings(deadline=None)
@given(HISTORIES)
def test_sends_a_request_after_half_a_minute_or_the_hosts_own_delay(
    history: list[tuple[Failure | None, bool, float]],
) -> None:
    state, now = state_after(history)
    later = max(now + 30.001, state.delayed_until)
    assert isinstance(host_limits.admit(state, under_way=0, now=later, left=1), Proceed)


@settings(deadline=None)
@given(HISTORIES)
def test_forgets_a_host_after_enough_successes(
    history: list[tuple[Failure | None, bool, float]],
) -> None:
    state, now = state_after(history)
    now = max(now, state.delayed_until)
    for _ in range(40):
        state = host_limits.after(state, None, reached=True, began=now, now=now, limits=LIMITS)
    assert host_limits.is_forgettable(state, now=now, limits=LIMITS)


@settings(deadline=None)
@given(HISTORIES, st.integers(0, 9), st.floats(0, 200))
def test_delays_only_within_the_time_budget(
    history: list[tuple[Failure | None, bool, float]], under_way: int, left: float
) -> None:
    state, now = state_after(history)
    match host_limits.admit(state, under_way=under_way, now=now, left=left):
        case Delay(seconds):
            assert 0 < seconds < left
        case Queue():
            assert under_way >= 1
        case Proceed():
            assert under_way < 6
        case FailFast(failed):
            assert failed.message == "not requested, after it broke"


def test_counts_the_failures_of_one_burst_once() -> None:
    state = host_limits.initial_state(LIMITS)
    busy = Failure(ErrorKind.RATE_LIMITED, "HTTP 503", "")
    gone = Failure(ErrorKind.CONNECT, "cannot connect", "")
    for end in range(1, 6):
        state = host_limits.after(state, busy, reached=True, began=0, now=end, limits=LIMITS)
    assert state.concurrency == 3
    for end in range(11, 16):
        state = host_limits.after(state, gone, reached=False, began=10, now=end, limits=LIMITS)
    assert state.unreached == 1


def test_a_failure_of_a_file_does_not_count_against_its_host() -> None:
    state = host_limits.initial_state(LIMITS)
    for kind in (
        ErrorKind.HTTP_STATUS,
        ErrorKind.CORRUPT,
        ErrorKind.TOO_LARGE,
        ErrorKind.BAD_REDIRECT,
        ErrorKind.PROTOCOL,
    ):
        failed = Failure(kind, "it broke", "")
        assert host_limits.after(state, failed, reached=True, began=0, now=1, limits=LIMITS) == state

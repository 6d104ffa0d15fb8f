"""What goes when a cache is too large or too old, and by which time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.model.image import Format
from imgfetch.rules.store.eviction import (
    GRACE,
    GRANULARITY,
    LONGEST_RUN,
    IndexTime,
    StoredObject,
    advance_clock,
    is_persisted,
    protected_since,
    select_victims,
)
from keeping import digest

DAY = 86_400.0
YEAR = 365 * DAY
NOW = 1_700_000_000


def held(number: int, size: int, age: int, *, pinned: bool = False) -> StoredObject:
    return StoredObject(digest(b"%d" % number), Format.WEBP, size, 0, NOW - age, pinned)


_HELD = st.lists(
    st.builds(held, st.integers(0, 9999), st.integers(1, 100), st.integers(0, 1000), pinned=st.booleans()),
    max_size=30,
).map(lambda found: sorted(found, key=lambda each: each.used_at))


def sizes(found: list[StoredObject]) -> int:
    return sum(each.bytes for each in found)


@settings(deadline=None)
@given(
    _HELD,
    st.one_of(st.none(), st.integers(0, 1500)),
    st.one_of(st.none(), st.integers(0, 1000)),
    st.integers(0, 1000),
)
def test_evicts_the_least_recently_used_and_no_more_than_needed(
    found: list[StoredObject], target: int | None, max_age: int | None, grace: int
) -> None:
    spared = NOW - grace
    total = sizes(found)
    gone = list(select_victims(found, total=total, target=target, max_age=max_age, spared=spared, now=NOW))
    kept = [each for each in found if all(each is not other for other in gone)]
    assert not any(each.pinned or each.used_at > spared for each in gone)
    free = [each for each in found if not each.pinned and each.used_at <= spared]
    assert gone == free[: len(gone)]
    assert target is not None or max_age is not None or not gone
    assert all(each.pinned or each.used_at > spared for each in kept) or (
        (target is None or sizes(kept) <= target)
        and (max_age is None or all(each in gone or NOW - each.used_at <= max_age for each in free))
    )
    if gone:  # the last of them had to go
        last = gone[-1]
        assert (target is not None and sizes(kept) + last.bytes > target) or (
            max_age is not None and NOW - last.used_at > max_age
        )


def test_does_not_read_the_rest() -> None:
    looked_at = []

    def listing() -> list[StoredObject]:
        return [held(number, 10, 1000 - number) for number in range(100)]

    def drawn() -> object:
        for each in listing():
            looked_at.append(each)
            yield each

    gone = list(select_victims(drawn(), total=1000, target=970, max_age=None, spared=NOW, now=NOW))  # type: ignore[arg-type]
    assert (len(gone), len(looked_at)) == (3, 4)


def test_spares_uses_of_a_run_for_a_day_and_those_of_others_for_ten_minutes() -> None:
    def spares(used: float, *, on_record: float, began: float) -> bool:
        """Whether it is spared, used so long ago and on record since so long, in a run begun so long ago."""
        assert used <= on_record <= used + GRANULARITY
        return NOW - on_record > protected_since(NOW, run_began=NOW - began)

    assert spares(0, on_record=GRANULARITY - 1, began=0)
    assert spares(GRACE - 1, on_record=GRACE + GRANULARITY - 2, began=0)
    assert not spares(GRACE + 1, on_record=GRACE + GRANULARITY + 1, began=0)
    assert spares(DAY / 2, on_record=DAY / 2 + GRANULARITY, began=DAY / 2 + 1)
    assert not spares(LONGEST_RUN + 1, on_record=LONGEST_RUN + GRANULARITY + 1, began=10 * DAY)


def test_a_recorded_use_covers_the_uses_of_an_hour() -> None:
    assert is_persisted(NOW - 3600, now=NOW)
    assert not is_persisted(NOW - 3601, now=NOW)
    assert not is_persisted(NOW + 3601, now=NOW)


# The clock


def read(*readings: float) -> list[float]:
    """The time of an index after each of these readings."""
    seen: IndexTime | None = None
    times = []
    for reading in readings:
        seen = advance_clock(seen, reading)
        times.append(seen.time)
    return times


def test_the_time_of_an_index_follows_the_clock_and_never_goes_back_for_little() -> None:
    assert read(NOW, NOW + 5, NOW + 4, NOW + 80 * DAY) == [NOW, NOW + 5, NOW + 5, NOW + 80 * DAY]


def test_does_not_believe_one_bad_reading_of_the_clock() -> None:
    for wrong in (10 * YEAR, -10 * YEAR, 91 * DAY, -3601):
        assert read(NOW, NOW + wrong, NOW + 9) == [NOW, NOW, NOW + 9]
    for wrong in (10 * YEAR, -10 * YEAR, 91 * DAY):
        assert read(NOW, NOW + wrong, NOW + wrong + 0.9 * DAY, NOW + DAY) == [NOW, NOW, NOW, NOW + DAY]


def test_believes_a_clock_that_stays_for_a_day() -> None:
    for jump in (10 * YEAR, -10 * YEAR, 91 * DAY, -3601):
        assert read(NOW, NOW + jump, NOW + jump + DAY)[-1] == NOW + jump + DAY
        assert read(NOW, NOW + jump, NOW + jump + 400 * DAY * (jump > 0) + DAY)[-1] != NOW


def test_does_not_believe_two_bad_readings_that_differ() -> None:
    assert read(NOW, NOW - 10 * YEAR, NOW + 10 * YEAR) == [NOW, NOW, NOW]
    assert read(NOW, NOW + 10 * YEAR, NOW + 5 * YEAR, NOW + 5 * YEAR + DAY - 1) == [NOW] * 4


@settings(deadline=None)
@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=20))
def test_the_time_of_an_index_is_one_that_a_clock_has_shown(readings: list[float]) -> None:
    times = read(*readings)
    assert set(times) <= set(readings)
    assert all(abs(later - NOW) < 1e10 for later in times)


@settings(deadline=None)
@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_a_single_reading_never_moves_it_by_more_than_is_likely(first: float, second: float) -> None:
    _, time = read(first, second)
    assert 0 <= time - first <= 90 * DAY

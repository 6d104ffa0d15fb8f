"""Group commit: which bodies share a batch, and what happens to those that fail or are cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from fakes import MemoryStore
from imgfetch.engine.group_commit import GroupCommitter
from imgfetch.errors import CacheError
from imgfetch.model.image import Entry, PendingEntry
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Key
from keeping import pending_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class RecordingStore(MemoryStore):
    """Records the batches, and fails where `fails` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Key]] = []
        self.fails: Exception | None = None

    def commit(self, entries: Sequence[PendingEntry]) -> list[Entry | CacheError]:
        self.batches.append([entry.key for entry in entries])
        if self.fails is not None:
            raise self.fails
        return super().commit(entries)


class Gate:
    """An executor that runs no work until `open` is set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def run(self, work: Callable[[], T]) -> T:
        await self.open.wait()
        return work()


def numbered(store: RecordingStore, number: int) -> PendingEntry:
    return pending_entry(store, Key(f"https://h.example/{number}"), b"%d" % number)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_bodies_that_come_during_a_batch_share_the_next_one() -> None:
    store, gate = RecordingStore(), Gate()
    committer = GroupCommitter(store, gate)
    first = asyncio.create_task(committer.commit(numbered(store, 0)))
    await turns()
    rest = [asyncio.create_task(committer.commit(numbered(store, number))) for number in range(1, 5)]
    await turns()
    assert store.batches == []
    gate.open.set()
    entries = await asyncio.gather(first, *rest)
    assert [len(batch) for batch in store.batches] == [1, 4]
    assert [store.find(entry.key) for entry in entries] == entries
    await committer.commit(numbered(store, 9))
    assert len(store.batches[-1]) == 1


class QuickDisk:
    """A committer on a quick disk, in a loop with a clock that the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.gate = RecordingStore(), Gate()
        self.gate.open.set()
        self.committer = GroupCommitter(self.store, self.gate)
        self.time = 1000.0
        self._commits: list[asyncio.Task[Entry]] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.time)

    async def add(self, count: int) -> None:
        for _ in range(count):
            self._commits.append(
                asyncio.create_task(self.committer.commit(numbered(self.store, len(self._commits))))
            )
        await turns(10)

    async def advance(self, seconds: float) -> None:
        self.time += seconds
        await turns(10)

    @property
    def batches(self) -> list[int]:
        return [len(batch) for batch in self.store.batches]

    async def end(self) -> None:
        await self.advance(3600)
        await asyncio.gather(*self._commits)


async def test_bodies_that_come_soon_after_a_batch_of_several_share_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = QuickDisk(monkeypatch)
    await disk.add(2)
    assert disk.batches == [2]
    await disk.add(1)
    await disk.advance(0.009)
    await disk.add(1)
    assert disk.batches == [2]
    await disk.advance(0.002)
    assert disk.batches == [2, 2]
    await disk.end()


async def test_a_batch_waits_while_many_keep_coming_until_there_are_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = QuickDisk(monkeypatch)
    await disk.add(2)
    for _ in range(4):
        await disk.add(8)
        assert disk.batches == [2]
        await disk.advance(0.0101)
    assert disk.batches == [2, 32]
    await disk.end()


async def test_waiting_bodies_are_committed_when_few_more_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = QuickDisk(monkeypatch)
    await disk.add(2)
    for count in (8, 8, 2):
        assert disk.batches == [2]
        await disk.add(count)
        await disk.advance(0.0101)
    assert disk.batches == [2, 18]
    await disk.end()


async def test_a_batch_waits_for_bodies_that_are_being_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = QuickDisk(monkeypatch)
    with disk.committer.expecting():
        await disk.add(1)
        await disk.advance(0.02)
        assert disk.batches == []
    await disk.add(1)
    await disk.advance(0.01)
    assert disk.batches == [2]
    await disk.end()


async def test_a_body_that_is_verified_for_long_delays_the_others_a_twentieth_of_a_second_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = QuickDisk(monkeypatch)
    with disk.committer.expecting():
        await disk.add(1)
        for _ in range(6):
            await disk.advance(0.01)
        assert disk.batches == [1]
    await disk.end()


async def test_a_batch_has_at_most_128_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = QuickDisk(monkeypatch)
    await disk.add(150)
    await disk.end()
    assert disk.batches == [128, 22]


async def test_single_bodies_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = QuickDisk(monkeypatch)
    for _ in range(3):
        await disk.add(1)
    assert disk.batches == [1, 1, 1]
    await disk.end()


async def test_bodies_that_came_during_a_single_commit_do_not_wait_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = QuickDisk(monkeypatch)
    disk.gate.open.clear()
    await disk.add(1)
    await disk.add(9)
    disk.gate.open.set()
    await turns(10)
    assert disk.batches == [1, 9]
    await disk.end()


async def test_a_body_that_cannot_be_committed_fails_alone() -> None:
    store, gate = RecordingStore(), Gate()
    committer = GroupCommitter(store, gate)
    good, bad = numbered(store, 0), numbered(store, 1)
    store.staging.discard(bad.verified.staging_id)
    kept = [asyncio.create_task(committer.commit(each)) for each in (good, bad)]
    gate.open.set()
    outcomes = await asyncio.gather(*kept, return_exceptions=True)
    assert isinstance(outcomes[0], Entry)
    assert isinstance(outcomes[1], CacheError)


async def test_a_store_that_fails_fails_the_batch_and_the_next_one_is_tried() -> None:
    store, gate = RecordingStore(), Gate()
    gate.open.set()
    committer = GroupCommitter(store, gate)
    store.fails = CacheError(ErrorKind.IO, "the disk is gone")
    outcomes = await asyncio.gather(
        *(committer.commit(numbered(store, number)) for number in range(3)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["the disk is gone"] * 3
    store.fails = None
    assert isinstance(await committer.commit(numbered(store, 3)), Entry)


async def test_a_caller_that_is_cancelled_before_its_batch_takes_its_body_along() -> None:
    store, gate = RecordingStore(), Gate()
    committer = GroupCommitter(store, gate)
    under_way, waiting = (
        asyncio.create_task(committer.commit(numbered(store, number))) for number in range(2)
    )
    await turns()
    late = asyncio.create_task(committer.commit(numbered(store, 2)))
    await turns()
    late.cancel()
    await turns()
    assert late.cancelled()
    gate.open.set()
    await asyncio.gather(under_way, waiting)
    assert Key("https://h.example/2") not in {key for batch in store.batches for key in batch}


async def test_a_caller_that_is_cancelled_during_its_batch_waits_for_the_end() -> None:
    store, gate = RecordingStore(), Gate()
    committer = GroupCommitter(store, gate)
    leaving = asyncio.create_task(committer.commit(numbered(store, 0)))
    await turns()
    for _ in range(3):
        leaving.cancel()
        await turns()
    assert not leaving.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert store.find(Key("https://h.example/0")) is not None


@pytest.mark.parametrize("late", range(6))
async def test_a_caller_that_is_cancelled_as_its_batch_ends_harms_no_other(late: int) -> None:
    store, gate = RecordingStore(), Gate()
    committer = GroupCommitter(store, gate)
    leaving, staying = (asyncio.create_task(committer.commit(numbered(store, number))) for number in range(2))
    await turns()
    gate.open.set()
    await turns(late)
    leaving.cancel()
    assert isinstance(await staying, Entry)
    await asyncio.wait([leaving])
    assert isinstance(await committer.commit(numbered(store, 2)), Entry)


async def test_a_cancelled_batch_cancels_its_callers() -> None:
    store, gate = RecordingStore(), Gate()
    committer = GroupCommitter(store, gate)
    before = asyncio.all_tasks()
    kept = [asyncio.create_task(committer.commit(numbered(store, number))) for number in range(2)]
    await turns()
    (batch,) = asyncio.all_tasks() - {*before, *kept}
    batch.cancel()
    outcomes = await asyncio.gather(*kept, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
    assert batch.cancelled()

"""Group commit: who shares a batch, and what becomes of those who fail or leave."""

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


class Store(MemoryStore):
    """Notes which were kept together; fails where it is told to."""

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
    """A runner whose work waits until it is let go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def run(self, work: Callable[[], T]) -> T:
        await self.open.wait()
        return work()


def numbered(store: Store, number: int) -> PendingEntry:
    return pending_entry(store, Key(f"https://h.example/{number}"), b"%d" % number)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_comes_while_a_batch_is_being_kept_shares_the_next() -> None:
    store, gate = Store(), Gate()
    keeper = GroupCommitter(store, gate)
    first = asyncio.create_task(keeper.commit(numbered(store, 0)))
    await turns()
    rest = [asyncio.create_task(keeper.commit(numbered(store, number))) for number in range(1, 5)]
    await turns()
    assert store.batches == []
    gate.open.set()
    entries = await asyncio.gather(first, *rest)
    assert [len(batch) for batch in store.batches] == [1, 4]
    assert [store.find(entry.key) for entry in entries] == entries
    await keeper.commit(numbered(store, 9))
    assert len(store.batches[-1]) == 1


class Ticking:
    """A keeper whose disk is quick, in a loop whose time is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.gate = Store(), Gate()
        self.gate.open.set()
        self.keeper = GroupCommitter(self.store, self.gate)
        self.time = 1000.0
        self._coming: list[asyncio.Task[Entry]] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.time)

    async def come(self, count: int) -> None:
        for _ in range(count):
            self._coming.append(
                asyncio.create_task(self.keeper.commit(numbered(self.store, len(self._coming))))
            )
        await turns(10)

    async def pass_by(self, seconds: float) -> None:
        self.time += seconds
        await turns(10)

    @property
    def batches(self) -> list[int]:
        return [len(batch) for batch in self.store.batches]

    async def end(self) -> None:
        await self.pass_by(3600)
        await asyncio.gather(*self._coming)


async def test_on_a_quick_disk_what_comes_soon_after_a_batch_of_several_shares_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticking = Ticking(monkeypatch)
    await ticking.come(2)
    assert ticking.batches == [2]
    await ticking.come(1)
    await ticking.pass_by(0.009)
    await ticking.come(1)
    assert ticking.batches == [2]
    await ticking.pass_by(0.002)
    assert ticking.batches == [2, 2]
    await ticking.end()


async def test_while_many_keep_coming_a_batch_waits_for_them_until_there_are_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticking = Ticking(monkeypatch)
    await ticking.come(2)
    for _ in range(4):
        await ticking.come(8)
        assert ticking.batches == [2]
        await ticking.pass_by(0.0101)
    assert ticking.batches == [2, 32]
    await ticking.end()


async def test_when_hardly_any_come_any_more_those_who_wait_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ticking = Ticking(monkeypatch)
    await ticking.come(2)
    for count in (8, 8, 2):
        assert ticking.batches == [2]
        await ticking.come(count)
        await ticking.pass_by(0.0101)
    assert ticking.batches == [2, 18]
    await ticking.end()


async def test_no_batch_is_larger_than_so_many_files_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    ticking = Ticking(monkeypatch)
    await ticking.come(150)
    await ticking.end()
    assert ticking.batches == [128, 22]


async def test_who_comes_alone_each_time_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    ticking = Ticking(monkeypatch)
    for _ in range(3):
        await ticking.come(1)
    assert ticking.batches == [1, 1, 1]
    await ticking.end()


async def test_those_who_came_while_one_was_kept_alone_wait_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticking = Ticking(monkeypatch)
    ticking.gate.open.clear()
    await ticking.come(1)
    await ticking.come(9)
    ticking.gate.open.set()
    await turns(10)
    assert ticking.batches == [1, 9]
    await ticking.end()


async def test_one_that_cannot_be_kept_fails_alone() -> None:
    store, gate = Store(), Gate()
    keeper = GroupCommitter(store, gate)
    good, bad = numbered(store, 0), numbered(store, 1)
    store.discard(bad.verified.staging_id)
    kept = [asyncio.create_task(keeper.commit(each)) for each in (good, bad)]
    gate.open.set()
    outcomes = await asyncio.gather(*kept, return_exceptions=True)
    assert isinstance(outcomes[0], Entry)
    assert isinstance(outcomes[1], CacheError)


async def test_a_store_that_fails_altogether_fails_each_and_is_tried_again() -> None:
    store, gate = Store(), Gate()
    gate.open.set()
    keeper = GroupCommitter(store, gate)
    store.fails = CacheError(ErrorKind.IO, "the disk is gone")
    outcomes = await asyncio.gather(
        *(keeper.commit(numbered(store, number)) for number in range(3)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["the disk is gone"] * 3
    store.fails = None
    assert isinstance(await keeper.commit(numbered(store, 3)), Entry)


async def test_who_leaves_before_its_batch_takes_its_place_with_it() -> None:
    store, gate = Store(), Gate()
    keeper = GroupCommitter(store, gate)
    under_way, waiting = (asyncio.create_task(keeper.commit(numbered(store, number))) for number in range(2))
    await turns()
    late = asyncio.create_task(keeper.commit(numbered(store, 2)))
    await turns()
    late.cancel()
    await turns()
    assert late.cancelled()
    gate.open.set()
    await asyncio.gather(under_way, waiting)
    assert Key("https://h.example/2") not in {key for batch in store.batches for key in batch}


async def test_who_leaves_while_its_batch_is_being_kept_waits_until_nobody_has_its_ticket() -> None:
    store, gate = Store(), Gate()
    keeper = GroupCommitter(store, gate)
    leaving = asyncio.create_task(keeper.commit(numbered(store, 0)))
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
async def test_who_leaves_while_its_batch_ends_is_in_nobodys_way(late: int) -> None:
    store, gate = Store(), Gate()
    keeper = GroupCommitter(store, gate)
    leaving, staying = (asyncio.create_task(keeper.commit(numbered(store, number))) for number in range(2))
    await turns()
    gate.open.set()
    await turns(late)
    leaving.cancel()
    assert isinstance(await staying, Entry)
    await asyncio.wait([leaving])
    assert isinstance(await keeper.commit(numbered(store, 2)), Entry)


async def test_a_batch_that_is_cancelled_is_the_end_of_all_who_wait_for_it() -> None:
    store, gate = Store(), Gate()
    keeper = GroupCommitter(store, gate)
    before = asyncio.all_tasks()
    kept = [asyncio.create_task(keeper.commit(numbered(store, number))) for number in range(2)]
    await turns()
    (batch,) = asyncio.all_tasks() - {*before, *kept}
    batch.cancel()
    outcomes = await asyncio.gather(*kept, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
    assert batch.cancelled()

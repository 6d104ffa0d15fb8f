"""The behaviour of every store.

A test module inherits `StoreSuite`, or `BodiesSuite` for a store that keeps nothing, under a name of its own,
and defines how its store is made and damaged.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.engine.lookup import refresh
from imgfetch.errors import CacheError
from imgfetch.model.image import Entry, Facts, Format, Verified
from imgfetch.model.markup import Rendition
from imgfetch.model.request import Head
from imgfetch.model.values import Digest, Key, StagingId
from keeping import CAT, DOG, HEAD, digest, facts, keep, keep_proved, pending_entry, written

if TYPE_CHECKING:
    from keeping import Cache

_TIMES = st.floats(allow_nan=False)
_COUNTS = st.integers(0, 2**40)
_WORDS = st.lists(st.sampled_from(["length", "structure", "decode", "sha256"]), max_size=4).map(tuple)
_FACTS = st.builds(
    Facts, st.sampled_from(Format), _COUNTS, _COUNTS, _COUNTS, st.just(0), st.just(Digest("")), _WORDS
)
_TEXT = st.one_of(st.text(max_size=60), st.text().map(lambda text: text * 500))  # lone surrogates too
_HEADERS = st.lists(st.tuples(st.text(max_size=30), _TEXT), max_size=12).map(tuple)
_HEADS = st.builds(Head, st.text(st.characters(exclude_categories=["Cs"])), st.integers(100, 999), _HEADERS)


class BodiesSuite:
    """The promises about bodies under way. Inherit, define a fixture `store`, and how bytes are read."""

    def bytes_of(self, store: Cache, entry: Entry) -> bytes:
        content = store.content(entry)
        return content if isinstance(content, bytes) else content.read_bytes()

    def test_a_commit_gives_the_entry_and_its_bytes(self, store: Cache) -> None:
        entry = keep(store, CAT, b"a cat")
        assert entry == Entry(CAT, facts(b"a cat"), HEAD, 10.25, 10.5)
        assert self.bytes_of(store, entry) == b"a cat"

    def test_finds_nothing_in_an_empty_store(self, store: Cache) -> None:
        assert store.find(CAT) is None

    def test_the_salt_of_a_store_is_its_own(self, store: Cache) -> None:
        keep(store, CAT, b"a cat")
        assert len(store.salt()) == 32
        assert store.salt() == store.salt()

    def test_appends_bytes_in_order(self, store: Cache) -> None:
        staging_id = store.staging.open()
        chunks = (b"one", b"", b"three", b"x" * 200_000)
        assert [store.staging.write(staging_id, chunk) for chunk in chunks] == [3, 3, 8, 200_008]
        whole = b"onethree" + b"x" * 200_000
        with store.staging.read(staging_id) as (data, found):
            assert (bytes(data), found) == (whole, digest(whole))
        store.staging.write(staging_id, b"y")
        with store.staging.read(staging_id) as (data, found):
            assert (bytes(data), found) == (whole + b"y", digest(whole + b"y"))

    def test_reads_an_empty_body(self, store: Cache) -> None:
        with store.staging.read(store.staging.open()) as (data, found):
            assert (bytes(data), found) == (b"", digest(b""))

    def test_a_view_may_outlive_its_with(self, store: Cache) -> None:
        with store.staging.read(written(store, b"a cat")) as (data, _):
            view = memoryview(data)
        assert bytes(view) == b"a cat"
        view.release()

    def test_two_writers_do_not_see_each_other(self, store: Cache) -> None:
        first, second = store.staging.open(), store.staging.open()
        assert first != second
        store.staging.write(first, b"one")
        store.staging.write(second, b"two")
        with store.staging.read(first) as (one, _), store.staging.read(second) as (two, _):
            assert (bytes(one), bytes(two)) == (b"one", b"two")

    def test_does_not_find_what_was_not_committed(self, store: Cache) -> None:
        store.staging.discard(written(store, b"a cat"))
        written(store, b"a dog")
        assert store.find(CAT) is None

    def test_discards_twice_and_an_unknown_id(self, store: Cache) -> None:
        staging_id = written(store, b"a cat")
        store.staging.discard(staging_id)
        store.staging.discard(staging_id)
        store.staging.discard(StagingId("a stranger"))

    @pytest.mark.parametrize("staging_id", ["", "a stranger", "../../escape", "\0"])
    def test_refuses_an_unknown_id(self, store: Cache, staging_id: str) -> None:
        with pytest.raises(CacheError):
            store.staging.write(StagingId(staging_id), b"")
        with pytest.raises(CacheError), store.staging.read(StagingId(staging_id)):
            pass
        with pytest.raises(CacheError):
            keep_proved(
                store, Verified(facts(b""), StagingId(staging_id)), CAT, HEAD, request_time=0, response_time=0
            )

    def test_a_commit_spends_the_id(self, store: Cache) -> None:
        staging_id = written(store, b"a cat")
        verified = Verified(facts(b"a cat"), staging_id)
        keep_proved(store, verified, CAT, HEAD, request_time=0, response_time=0)
        store.staging.discard(staging_id)
        with pytest.raises(CacheError):
            store.staging.write(staging_id, b"more")
        with pytest.raises(CacheError):
            keep_proved(store, verified, CAT, HEAD, request_time=0, response_time=0)

    def test_commits_only_the_bytes_that_were_verified(self, store: Cache) -> None:
        for proof in (facts(b"a dog"), facts(b"a ca")):
            with pytest.raises(CacheError):
                keep_proved(
                    store,
                    Verified(proof, written(store, b"a cat")),
                    CAT,
                    HEAD,
                    request_time=0,
                    response_time=0,
                )
            assert store.find(CAT) is None

    def test_resumes_a_suspended_body_once(self, store: Cache) -> None:
        staging_id = written(store, b"a ", b"c")
        store.staging.make_resumable(staging_id, CAT, HEAD)
        store.staging.make_resumable(staging_id, CAT, HEAD)
        assert store.staging.resume(CAT) is None
        assert store.staging.write(staging_id, b"a") == 4
        store.staging.suspend(staging_id)
        store.staging.suspend(staging_id)
        with pytest.raises(CacheError):
            store.staging.write(staging_id, b"t")
        assert (store.find(CAT), store.staging.resume(DOG)) == (None, None)
        partial = store.staging.resume(CAT)
        assert partial is not None
        assert (partial.length, partial.head) == (4, HEAD)
        assert store.staging.resume(CAT) is None
        assert store.staging.write(partial.staging_id, b"t") == 5
        with store.staging.read(partial.staging_id) as (data, found):
            assert (bytes(data), found) == (b"a cat", digest(b"a cat"))
        entry = keep_proved(
            store,
            Verified(facts(b"a cat"), partial.staging_id),
            CAT,
            HEAD,
            request_time=10.25,
            response_time=10.5,
        )
        assert self.bytes_of(store, entry) == b"a cat"
        assert store.staging.resume(CAT) is None

    def test_does_not_resume_a_body_that_is_unmarked_or_discarded(self, store: Cache) -> None:
        store.staging.suspend(written(store, b"a c"))
        staging_id = written(store, b"a c")
        store.staging.make_resumable(staging_id, CAT, HEAD)
        store.staging.discard(staging_id)
        store.staging.suspend(staging_id)
        store.staging.suspend(StagingId("a stranger"))
        assert store.staging.resume(CAT) is None
        with pytest.raises(CacheError):
            store.staging.make_resumable(staging_id, CAT, HEAD)

    def test_stores_the_whole_head(self, store: Cache) -> None:
        head = Head("https://h.example/é\ud800", 200, (("x", "caf\xe9\n\0"), ("x", '"2"'), ("", "")))
        staging_id = written(store, b"a c")
        store.staging.make_resumable(staging_id, CAT, head)
        store.staging.suspend(staging_id)
        partial = store.staging.resume(CAT)
        assert partial is not None
        assert partial.head == head

    def test_closing_discards_what_was_not_committed(self, store: Cache) -> None:
        staging_id = written(store, b"a cat")
        store.close()
        with pytest.raises(CacheError):
            store.staging.write(staging_id, b"more")
        store.close()


class StoreSuite(BodiesSuite):
    """The promises of a store that keeps what is committed. Define how bytes are lost and changed too."""

    def path_of(self, store: Cache, entry: Entry) -> Path:
        path = store.content(entry)
        assert isinstance(path, Path)
        return path

    def lose(self, store: Cache, entry: Entry) -> None:
        self.path_of(store, entry).unlink()

    def change(self, store: Cache, entry: Entry, data: bytes) -> None:
        path = self.path_of(store, entry)
        before = path.stat().st_mtime_ns
        path.write_bytes(data)
        os.utime(path, ns=(before, before + 1))  # clocks of file systems are coarse, and tests are quick

    def test_finds_what_was_stored(self, store: Cache) -> None:
        entry = keep(store, CAT, b"a cat")
        assert entry == Entry(CAT, facts(b"a cat"), HEAD, 10.25, 10.5)
        assert store.find(CAT) == entry
        assert store.find(DOG) is None
        assert self.bytes_of(store, entry) == b"a cat"

    def test_commits_several_and_one_that_fails_harms_no_other(self, store: Cache) -> None:
        pending = [
            pending_entry(store, Key(f"{CAT}/{number}"), data)
            for number, data in enumerate((b"a cat", b"a dog", b"a cat", b"a bird", b"a fish"))
        ]
        store.staging.write(pending[1].verified.staging_id, b"!")
        spent = pending[4]._replace(key=DOG)
        kept = store.commit([*pending, spent])
        assert [isinstance(entry, Entry) for entry in kept] == [True, False, True, True, True, False]
        for each, entry in zip([*pending, spent], kept, strict=True):
            found = store.find(each.key)
            assert found == (entry if isinstance(entry, Entry) else None)
            assert found is None or digest(self.bytes_of(store, found)) == each.verified.facts.sha256
        assert store.commit([]) == []
        with pytest.raises(CacheError):
            store.staging.write(pending[0].verified.staging_id, b"!")

    def test_returns_up_to_a_hundred_keys_of_the_same_bytes(self, store: Cache) -> None:
        assert store.keys_sharing(facts(b"a cat")) == ()
        keep(store, CAT, b"a cat")
        keep(store, DOG, b"a cat")
        keep(store, Key("http://h/other"), b"a dog")
        assert sorted(store.keys_sharing(facts(b"a cat"))) == sorted([CAT, DOG])
        for number in range(110):
            keep(store, Key(f"http://h/{number}"), b"a cat")
        assert len(set(store.keys_sharing(facts(b"a cat")))) == 100

    def test_looks_up_many_keys_at_once(self, store: Cache) -> None:
        keys = [Key(f"https://photos.example/{number}.webp") for number in range(150)]
        lasting = HEAD._replace(headers=(("cache-control", "max-age=60"),))
        kept = {key: keep(store, key, key.encode(), head=lasting) for key in keys}
        assert store.lookup([], now=20).hits == {}
        for asked in ([*keys, DOG, keys[0]], keys[:1]):
            answers = store.lookup(asked, now=20).hits
            assert {key: hit.entry for key, hit in answers.items()} == {
                key: kept[key] for key in asked if key in kept
            }
            assert {hit.path for hit in answers.values()} == {
                self.path_of(store, kept[key]) for key in answers
            }
        assert store.lookup(keys, now=10).hits == store.lookup(keys, now=100).hits == {}
        self.lose(store, kept[keys[1]])
        self.change(store, kept[keys[2]], b"no picture")
        varying = HEAD._replace(headers=(*lasting.headers, ("vary", "accept")))
        keep(store, keys[3], b"a cat", head=varying)
        assert store.lookup(keys, now=20).hits.keys() == {*keys} - {*keys[1:4]}

    def test_a_lookup_names_the_missing_keys(self, store: Cache) -> None:
        keys = [Key(f"https://photos.example/{number}.webp") for number in range(150)]
        assert {*store.lookup(keys, now=20).missing} == {*keys}
        keep(store, keys[0], b"a cat", head=HEAD._replace(headers=(("cache-control", "max-age=60"),)))
        keep(store, keys[1], b"a dog", head=HEAD._replace(headers=(("cache-control", "no-cache"),)))
        bird = Verified(facts(b"a bird"), written(store, b"a bird"))
        selected = (("accept", "image/png"),)
        keep_proved(store, bird, keys[149], HEAD, request_time=10.25, response_time=10.5, selected=selected)
        for now in (1, 20, 100):
            seen = store.lookup([*keys, keys[2]], now=now)
            assert seen.at == now
            assert {*seen.missing} == {*keys[2:149]}
            assert {*store.lookup(keys[1:2], now=now).missing} == set()
            assert {*store.lookup(keys[2:3], now=now).missing} == {keys[2]}

    def test_a_lookup_leaves_out_small_files_under_many_keys(self, store: Cache) -> None:
        lasting = HEAD._replace(headers=(("cache-control", "max-age=60"),))
        keys = [Key(f"https://photos.example/{number}.webp") for number in range(5)]
        for data, many in ((b"a cat", False), (b"a cat" * 10_000, True)):
            for key in keys[:4]:
                keep(store, key, data, head=lasting)
            assert store.lookup(keys[:4], now=20).hits.keys() == {*keys[:4]}
            keep(store, keys[4], data, head=lasting)
            assert len(store.lookup(keys, now=20).hits) == (5 if many else 0)

    def test_an_entry_serves_only_its_own_selector(self, store: Cache) -> None:
        lasting = HEAD._replace(headers=(("cache-control", "max-age=60"),))

        def kept(data: bytes, selector: str) -> Entry:
            proof = Verified(facts(data), written(store, data))
            return keep_proved(
                store, proof, CAT, lasting, request_time=10.25, response_time=10.5, selector=selector
            )

        alice = kept(b"of alice", "alice")
        assert alice.selector == "alice"
        assert store.find(CAT) is None
        assert store.find(CAT, None) is None
        assert store.find(CAT, selector="bob") is None
        assert store.find(CAT, selector="alice") == store.find(CAT, selector=None) == alice
        seen = store.lookup([CAT], now=20)
        assert (dict(seen.hits), {*seen.missing}) == ({}, set())
        plain, bob = kept(b"of all", ""), kept(b"of bob", "bob")
        assert store.find(CAT) == plain
        assert store.find(CAT, selector="bob") == bob
        assert store.find(CAT, selector="alice") == alice
        assert store.lookup([CAT], now=20).hits[CAT].entry == plain
        fresh = refresh(
            bob, Head(HEAD.url, 304, (("etag", '"2"'),)), store, request_time=20, response_time=21
        )
        assert store.find(CAT, selector="bob") == fresh
        assert store.find(CAT, selector="alice") == alice
        assert kept(b"of alice now", "alice") == store.find(CAT, selector="alice")

    def test_the_path_ends_in_the_digest_and_the_format(self, store: Cache) -> None:
        assert self.path_of(store, keep(store, CAT, b"a cat")).name == f"{digest(b'a cat')}.webp"

    def test_a_key_has_what_was_committed_last(self, store: Cache) -> None:
        keep(store, CAT, b"a cat")
        later = keep(store, CAT, b"an older cat")
        assert store.find(CAT) == later
        assert self.bytes_of(store, later) == b"an older cat"

    def test_finds_the_variant_that_the_request_selects(self, store: Cache) -> None:
        head = Head(HEAD.url, 200, (("vary", "Accept"),))
        for number, name in enumerate(("image/webp", "image/png")):
            proof = Verified(facts(name.encode()), written(store, name.encode()))
            selected = (("accept", name),)
            keep_proved(
                store,
                proof,
                CAT,
                head,
                request_time=number,
                response_time=number,
                selected=selected,
                bound=float(number),
            )
        webp, png = (store.find(CAT, (("Accept", name),)) for name in ("image/webp", "image/png"))
        assert webp is not None
        assert png is not None
        assert (self.bytes_of(store, webp), webp.redirect_lifetime) == (b"image/webp", 0.0)
        assert (self.bytes_of(store, png), png.vary_values) == (b"image/png", (("accept", "image/png"),))
        assert store.find(CAT) is store.find(CAT, (("accept", "image/gif"),)) is None
        assert store.find(CAT, None) == png
        refresh(webp, Head(HEAD.url, 304, (("x", "y"),)), store, request_time=20, response_time=21)
        refreshed = store.find(CAT, None)
        assert refreshed is not None
        assert (refreshed.vary_values, refreshed.response_time) == (webp.vary_values, 21)

    def test_a_response_without_vary_replaces_every_variant(self, store: Cache) -> None:
        for number, selected in enumerate(((("a", "1"),), (("a", "2"),), ())):
            name = f"{number}".encode()
            head = Head(HEAD.url, 200, (("vary", "a"),) if selected else ())
            proof = Verified(facts(name), written(store, name))
            keep_proved(store, proof, CAT, head, request_time=0, response_time=0, selected=selected)
        for value in ("1", "2", "3"):
            found = store.find(CAT, (("a", value),))
            assert found is not None
            assert self.bytes_of(store, found) == b"2"

    @pytest.mark.parametrize("last", ["", "de", "en"])
    def test_of_one_commit_the_later_entry_of_a_key_counts_as_later(self, store: Cache, last: str) -> None:
        varying = Head(HEAD.url, 200, (("vary", "accept-language"),))
        pending = []
        for value in ("", "en", "de", last):
            of_any = pending_entry(store, CAT, f"{value or 'any'} of many".encode())
            pending.append(
                of_any._replace(head=varying, vary_values=(("accept-language", value),)) if value else of_any
            )
        assert not [kept for kept in store.commit(pending) if isinstance(kept, CacheError)]
        for value in ("de", "en", "fr"):
            found = store.find(CAT, (("accept-language", value),))
            if last and value == "fr":
                assert found is None
            else:
                assert found is not None
                assert self.bytes_of(store, found) == f"{value if last else 'any'} of many".encode()

    def test_two_keys_may_have_the_same_bytes(self, store: Cache) -> None:
        cat = keep(store, CAT, b"a pet")
        dog = keep(store, DOG, b"a pet")
        assert self.path_of(store, cat) == self.path_of(store, dog)
        assert (store.find(CAT), store.find(DOG)) == (cat, dog)

    def test_each_key_has_its_own_checks(self, store: Cache) -> None:
        for key, verified in ((CAT, ("length", "structure")), (DOG, ())):
            proof = Verified(facts(b"a pet", verified=verified), written(store, b"a pet"))
            keep_proved(store, proof, key, HEAD, request_time=0, response_time=0)
        for key, verified in ((CAT, ("length", "structure")), (DOG, ())):
            found = store.find(key)
            assert found is not None
            assert found.facts.verified == verified

    def test_does_not_find_bytes_that_are_gone(self, store: Cache) -> None:
        self.lose(store, keep(store, CAT, b"a cat"))
        assert store.find(CAT) is None
        assert self.bytes_of(store, keep(store, CAT, b"a cat")) == b"a cat"
        assert store.find(CAT) is not None

    @pytest.mark.parametrize("data", [b"", b"a", b"a dog", b"a cat and more"])
    def test_does_not_find_changed_bytes_and_replaces_them(self, store: Cache, data: bytes) -> None:
        self.change(store, keep(store, CAT, b"a cat"), data)
        assert store.find(CAT) is None
        assert self.bytes_of(store, keep(store, CAT, b"a cat")) == b"a cat"
        assert store.find(CAT) is not None

    def test_a_304_refreshes_the_fields_it_names(self, store: Cache) -> None:
        of_bytes = (("content-type", "image/webp"), ("content-length", "5"))
        stored = (*of_bytes, ("age", "1"), ("age", "2"), ("x", "y"))
        entry = keep(store, CAT, b"a cat", Head("https://cdn.example/cat.webp", 200, stored))
        fields = (("content-length", "0"), ("age", "0"), ("content-type", "text/html"), ("date", "today"))
        fresh = refresh(
            entry, Head("https://other.example/", 304, fields), store, request_time=20, response_time=21
        )
        headers = (*of_bytes, ("x", "y"), ("age", "0"), ("date", "today"))
        assert fresh == Entry(CAT, entry.facts, Head("https://cdn.example/cat.webp", 200, headers), 20, 21)
        assert store.find(CAT) == fresh

    def test_a_304_does_not_change_fields_of_the_connection(self, store: Cache) -> None:
        entry = keep(store, CAT, b"a cat")
        fields = (
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("etag", '"2"'),
        )
        fresh = refresh(entry, Head(HEAD.url, 304, fields), store, request_time=20, response_time=21)
        assert fresh.head.headers == (("content-type", "image/webp"), ("etag", '"2"'))

    def test_refreshing_a_replaced_entry_leaves_the_newer_one(self, store: Cache) -> None:
        old = keep(store, CAT, b"a cat")
        new = keep(store, CAT, b"an older cat")
        refresh(old, Head(HEAD.url, 304, (("x", "y"),)), store, request_time=20, response_time=21)
        assert store.find(CAT) == new

    def test_yields_substitutes_of_the_same_source_set(self, store: Cache) -> None:
        offered = tuple(Rendition(Key(f"{CAT}?w={width}"), width) for width in (240, 480, 960))

        def kept(rendition: Rendition, *, real: int) -> Entry:
            data = rendition.key.encode()
            proof = Verified(facts(data)._replace(width=real), written(store, data))
            return keep_proved(
                store, proof, rendition.key, HEAD, request_time=0, response_time=0, renditions=offered
            )

        def found(*asked: Rendition, least: int) -> list[tuple[Rendition, Entry]]:
            return [*store.substitutes(asked, (), chosen=asked[0].key, least=least)]

        assert found(*offered, least=200) == []
        widest = kept(offered[2], real=950)
        assert found(*offered, least=200) == [(offered[2], widest)]
        assert found(*offered, least=951) == []
        assert found(offered[0], least=200) == []
        assert found(*offered[1:], least=200) == []  # a part of a source set is another one
        assert found(*offered, Rendition(DOG, 300), least=200) == []
        middle = kept(offered[1], real=480)
        assert found(*offered, least=200) == [(offered[1], middle), (offered[2], widest)]
        self.lose(store, middle)
        assert found(*offered, least=200) == [(offered[2], widest)]

    def test_a_lease_has_one_holder_until_it_is_released(self, store: Cache) -> None:
        keep(store, DOG, b"a dog")
        fields = (("accept-language", "de"),)
        first, other = store.acquire(CAT, ()), store.acquire(CAT, fields)
        assert first.ours
        assert other.ours
        assert store.acquire(DOG, ()).ours
        second = store.acquire(CAT, ())
        assert (second.ours, second.holder) == (False, first.holder)
        store.release(second)
        assert not store.acquire(CAT, ()).ours
        store.release(first)
        third = store.acquire(CAT, ())
        assert third.ours
        store.release(first)
        assert not store.acquire(CAT, ()).ours
        assert not store.acquire(CAT, fields).ours
        store.close()
        assert store.acquire(CAT, ()).ours

    def test_many_threads_may_use_one_store(self, store: Cache) -> None:
        keys = [Key(f"https://photos.example/{number}.webp") for number in range(24)]

        def work(key: Key) -> bool:
            entry = keep(store, key, key.encode())
            keep(store, CAT, b"a cat")
            return store.find(key) == entry and store.find(CAT) is not None

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, keys))
        for key in keys:
            found = store.find(key)
            assert found is not None
            assert self.bytes_of(store, found) == key.encode()

    def test_finds_an_entry_as_it_was_committed(self, store: Cache) -> None:
        @settings(max_examples=40, deadline=None)
        @given(_HEADS, _FACTS, _TIMES, _TIMES)
        def check(head: Head, seen: Facts, request_time: float, response_time: float) -> None:
            content = seen.format.encode()
            proof = seen._replace(bytes=len(content), sha256=digest(content))
            kept = keep_proved(
                store,
                Verified(proof, written(store, content)),
                CAT,
                head,
                request_time=request_time,
                response_time=response_time,
            )
            assert kept == Entry(CAT, proof, head, request_time, response_time)
            assert store.find(CAT) == kept

        check()

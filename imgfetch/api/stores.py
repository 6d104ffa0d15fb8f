"""The store of a client: a cache in a directory, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from imgfetch.api.arguments import bounds_of, check_age_of
from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.check_age import CHECK_AGE

if TYPE_CHECKING:
    from pathlib import Path

    from imgfetch.store.disk_store import DiskStore
    from imgfetch.store.memory.transient_store import TransientStore

    ClientStore: TypeAlias = "DiskStore | TransientStore"


def store_of(
    cache: str | Path | None,
    *,
    max_cache: int | None,
    max_age: float | None,
    check_age: float,
    reuse: bool,
    offline: bool,
) -> ClientStore:
    """Return the store in the directory `cache`; one that keeps nothing where that is None.

    Raise `InputError` for a bad value, and without a cache for a keyword that is about one.
    """
    bounds, check_age = bounds_of(max_cache, max_age), check_age_of(check_age)
    if cache is not None:
        from imgfetch.store.disk_store import DiskStore  # with SQLite, which the other store does not need

        return DiskStore(cache, bounds=bounds, check_age=check_age)
    about_a_cache = {
        "offline": offline,
        "reuse": reuse,
        "max_cache": max_cache is not None,
        "max_age": max_age is not None,
        "check_age": check_age != CHECK_AGE,
    }
    for name, is_given in about_a_cache.items():
        if is_given:
            raise InputError(ErrorKind.BAD_INPUT, "needs a cache, and with cache=None there is none", name)
    from imgfetch.store.memory.transient_store import TransientStore

    return TransientStore()

"""One image for a script, without `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from imgfetch.api.client import Client
from imgfetch.api.results import image_or_raise
from imgfetch.model.markup import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine
    from pathlib import Path

    from imgfetch.api.results import Image
    from imgfetch.api.selection.choosing import Choosing
    from imgfetch.api.sources import Source
    from imgfetch.model.image import Format
    from imgfetch.model.markup import Viewport
    from imgfetch.model.result import Failure

T = TypeVar("T")


def fetch(
    source: Source,
    *,
    width: int | None = None,
    viewport: Viewport | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | None = None,
    kinds: str | Collection[str] = "content",
    include: Collection[str] = (),
    exclude: Collection[str] = (),
    min_width: int | None = None,
    min_height: int | None = None,
    min_bytes: int | None = None,
    require_width: bool | int = False,
    base_url: str = "",
    cache: str | Path | None = "cache",
    sha256: str | None = None,
    **options: Any,  # noqa: ANN401 (those of Client)
) -> Image:
    """Fetch the image of `source`, for scripts: blocks until it is there. Of a page it is the main image.

    `source` is a URL of an image or a page, a srcset, a text, a `pathlib.Path`, a `SourceSet` or an open
    file; a `str` never opens a file. `kinds`, `include` and `exclude` say which images of a page are
    considered, `min_width`, `min_height`, `min_bytes` and `require_width` how large one must be
    (docs/images.md). `width` (in device pixels), `viewport`, `policy` and `formats` choose the rendition, as
    in `choose`; `base_url` is what relative URLs are relative to; `sha256` is the digest the file must have;
    `options` are those of `Client`. With `cache=None` no file is made, and `Image.read()` gives the bytes.
    It works in any thread, also where an event loop is running, which waits meanwhile; await `Client.get`
    in a program that must not wait. Raises `ImgfetchError`; its `kind` says why.
    """
    client = Client(cache, **options)
    choosing: Choosing = {
        "width": width,
        "viewport": viewport,
        "policy": policy,
        "formats": formats,
        "kinds": kinds,
        "include": include,
        "exclude": exclude,
        "min_width": min_width,
        "min_height": min_height,
        "min_bytes": min_bytes,
        "require_width": require_width,
        "base_url": base_url,
    }
    try:
        job = client.scheduler.first_job(source, sha256, choosing)
        outcomes = client.scheduler.try_cached(job, may_block=True)
    finally:
        client.release()
    if outcomes is not None:
        return image_or_raise(outcomes[0])

    async def run() -> list[Image | Failure]:
        async with client:
            return await client.scheduler.run_job(job)

    return image_or_raise(_run(run)[0])


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end: in this thread, or in another where this one has a running event loop."""
    import asyncio  # a warm cache needs no event loop

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    from imgfetch.system.loop_thread import LoopThread

    thread = LoopThread("fetch")
    try:
        return thread.run(work())
    finally:
        thread.end()

"""imgfetch: the right rendition of a web image, verified, on your disk, once.

    import imgfetch

    image = imgfetch.fetch("a-480.webp 480w, a-960.webp 960w", width=800, base_url="https://example.org/")
    print(image.path, image.width, image.sha256)

Names are loaded when they are first used: importing the package costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs more than all of this
if TYPE_CHECKING:
    from imgfetch.api.blocking.fetch import fetch as fetch
    from imgfetch.api.blocking.fetch_many import fetch_many as fetch_many
    from imgfetch.api.cache import Cache as Cache
    from imgfetch.api.caching import CachingTransport as CachingTransport
    from imgfetch.api.check_image import check_image as check_image
    from imgfetch.api.client import Client as Client
    from imgfetch.api.images import choose as choose
    from imgfetch.api.images import find_images as find_images
    from imgfetch.api.lock import Lock as Lock
    from imgfetch.api.results import Image as Image
    from imgfetch.api.selection.current_src import current_sources as current_sources
    from imgfetch.api.selection.current_src import preload_sources as preload_sources
    from imgfetch.api.selection.current_src import source_set as source_set
    from imgfetch.decode.malloc import tune_memory as tune_memory
    from imgfetch.errors import CacheError as CacheError
    from imgfetch.errors import Cancelled as Cancelled
    from imgfetch.errors import ContentError as ContentError
    from imgfetch.errors import HTTPError as HTTPError
    from imgfetch.errors import ImgfetchError as ImgfetchError
    from imgfetch.errors import InputError as InputError
    from imgfetch.errors import NetworkError as NetworkError
    from imgfetch.errors import PolicyError as PolicyError
    from imgfetch.markup.sizes import source_size as source_size
    from imgfetch.markup.srcset import parse_srcset as parse_srcset
    from imgfetch.model.image import Facts as Facts
    from imgfetch.model.markup import Candidate as Candidate
    from imgfetch.model.markup import Choice as Choice
    from imgfetch.model.markup import Original as Original
    from imgfetch.model.markup import SourceSet as SourceSet
    from imgfetch.model.markup import Viewport as Viewport
    from imgfetch.model.request import Limits as Limits
    from imgfetch.model.result import Failure as Failure
    from imgfetch.outputs.rewrite import rewrite as rewrite
    from imgfetch.transports.pooled import GuardedTransport as GuardedTransport
    from imgfetch.transports.pooled import PooledTransport as PooledTransport

__version__ = "0.1.0"

_HOMES = {
    "imgfetch.transports.pooled": ("GuardedTransport", "PooledTransport"),
    "imgfetch.api.cache": ("Cache",),
    "imgfetch.api.caching": ("CachingTransport",),
    "imgfetch.api.client": ("Client",),
    "imgfetch.api.blocking.fetch": ("fetch",),
    "imgfetch.api.blocking.fetch_many": ("fetch_many",),
    "imgfetch.api.lock": ("Lock",),
    "imgfetch.api.selection.current_src": ("current_sources", "preload_sources", "source_set"),
    "imgfetch.api.check_image": ("check_image",),
    "imgfetch.api.images": ("choose", "find_images"),
    "imgfetch.api.results": ("Image",),
    "imgfetch.decode.malloc": ("tune_memory",),
    "imgfetch.errors": (
        "CacheError",
        "Cancelled",
        "ContentError",
        "HTTPError",
        "ImgfetchError",
        "InputError",
        "NetworkError",
        "PolicyError",
    ),
    "imgfetch.markup.sizes": ("source_size",),
    "imgfetch.markup.srcset": ("parse_srcset",),
    "imgfetch.model.image": ("Facts",),
    "imgfetch.model.markup": ("Candidate", "Choice", "Original", "SourceSet", "Viewport"),
    "imgfetch.model.request": ("Limits",),
    "imgfetch.model.result": ("Failure",),
    "imgfetch.outputs.rewrite": ("rewrite",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

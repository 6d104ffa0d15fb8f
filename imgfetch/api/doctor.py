"""What this installation has and lacks: `imgfetch doctor`.

    versions ─▶ decoders ─▶ the system ─▶ the cache ─▶ a Finding each

Nothing is made or changed: a cache that is looked at is not opened.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import imgfetch
from imgfetch.decode.extras import EXTRAS, end_processes, is_installed
from imgfetch.errors import CacheError, InputError, printable
from imgfetch.formats.samples import SMALLEST
from imgfetch.model.image import Format
from imgfetch.model.request import Limits
from imgfetch.rules.store.requirements import FLOORS, Finding, Status, of_version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from imgfetch.decode.extras import Extra
    from imgfetch.ports import Decoder
    from imgfetch.store.filesystem import FileSystem


def examine(
    cache: str | Path = "cache",
    *,
    needed_bytes: int = Limits().max_bytes,
    versions: Mapping[str, str | None] | None = None,
    decoder: Decoder | None = None,
    reads_warnings: bool | None = None,
    sandbox: Callable[[], Decoder] | None = None,
    survey: Callable[[str, Collection[str]], FileSystem] | None = None,
    ca_bundle: str | None = None,
    structures: Callable[[], str | None] | None = None,
) -> Iterator[Finding]:
    """Examine everything that a fetch into `cache` needs.

    `needed_bytes` must be free on the disk, and `ca_bundle` is that of a `Client`. Tests replace the
    versions, the decoder, the reading of libjpeg's warnings, the sandbox, the survey of the file system, and
    the check of the structures for libwebp.
    """
    yield Finding("versions", "imgfetch", imgfetch.__version__)
    for name, found in (_installed() if versions is None else versions).items():
        yield of_version(name, found, hint=_HINTS.get(name, _UPGRADE))
    yield from _codecs(decoder)
    end_processes()
    yield _structures(structures)
    yield _jpeg_warnings(reads_warnings)
    yield from _system(sandbox)
    yield from _trusted(ca_bundle)
    yield from _cache(Path(cache), needed_bytes, survey or _survey)


_UPGRADE = "pip install --upgrade imgfetch brings one that will do"
_HINTS = dict.fromkeys(("Python", "SQLite"), "run imgfetch with a newer Python") | {
    "libwebp": "pip install --upgrade pillow brings one: its wheels bundle libwebp"
}


def _installed() -> dict[str, str | None]:
    from imgfetch.system.versions import versions

    found = versions()
    if found["Pillow"] is not None:
        from imgfetch.decode.pillow import libraries

        # Of what Pillow was built without, the codecs have more to say.
        found |= {name: version for name, version in libraries().items() if version is not None}
    return found


def _codecs(decoder: Decoder | None) -> Iterator[Finding]:
    """Have the smallest image of each format decoded."""
    try:
        if decoder is None:
            from imgfetch.decode.pillow import PillowDecoder

            decoder = PillowDecoder()
    except ImportError as error:
        why = printable(str(error))
        for form in SMALLEST:
            yield _codec(form, f"there is no Pillow: {why}")
        return
    for form in SMALLEST:
        yield _codec(form, _refusal(decoder, form))
    for form, extra in EXTRAS.items():
        yield _extra_codec(form, extra)


def _extra_codec(form: Format, extra: Extra) -> Finding:
    """Have the smallest image of a format decoded by the library of its extra, if that is there."""
    if not is_installed(form):
        hint = f"pip install 'imgfetch[{extra.name}]' brings it"
        return Finding("codecs", form, None, Status.WITHOUT, f"{extra.module} is not installed", hint)
    from imgfetch.decode.extra_decoder import decode_extra

    try:
        defect = decode_extra(extra.sample, form, Limits())
    except CacheError as error:
        return _codec(form, error.message)
    return _codec(form, None if defect is None else defect.message)


def _codec(form: Format, refused: str | None) -> Finding:
    if refused is None:
        return Finding("codecs", form, "can be decoded", Status.OK)
    hint = "the wheels of Pillow can; pip install --force-reinstall --only-binary :all: pillow brings one"
    return Finding("codecs", form, None, Status.MISSING, refused, hint)


def _refusal(decoder: Decoder, form: Format) -> str | None:
    """Return why a whole image cannot be decoded; None where it can."""
    try:
        defect = decoder.decode(SMALLEST[form], form, Limits())
    except CacheError as error:
        return error.message
    return None if defect is None else defect.message


def _jpeg_warnings(reads: bool | None) -> Finding:
    """See whether the warnings of libjpeg can be read from Pillow's decoders."""
    if reads is None:
        from imgfetch.decode.native.libjpeg import WarningCounter

        reads = WarningCounter.of_pillow() is not None
    if reads:
        return Finding("codecs", "jpeg warnings", "can be read", Status.OK)
    passes = "two of three progressive JPEGs that are damaged in the middle pass as whole"
    return Finding("codecs", "jpeg warnings", None, Status.WITHOUT, passes, _PILLOW)


def _structures(check: Callable[[], str | None] | None) -> Finding:
    """Check what is handed to libwebp: its structures are described here a second time, and could differ."""
    try:
        refused = _disagreement() if check is None else check()
    except LookupError as error:
        return Finding("codecs", "structures", None, Status.WITHOUT, f"{error}: Pillow decodes WebP alone")
    if refused is None:
        return Finding("codecs", "structures", "libwebp fills them as Pillow says", Status.OK)
    return Finding("codecs", "structures", None, Status.MISSING, printable(refused), _PILLOW)


def _disagreement() -> str | None:
    from imgfetch.decode.native.libwebp import disagreement

    return disagreement()


def _pillow_range() -> str:
    floor = FLOORS["Pillow"]
    return f"pip install 'pillow>={floor.least},<{floor.below}' brings one that is known"


_PILLOW = _pillow_range()


def _system(sandbox: Callable[[], Decoder] | None) -> Iterator[Finding]:
    from imgfetch.system.cores import usable_cores

    system = os.uname()
    yield Finding("system", "system", f"{system.sysname} {system.release}, {system.machine}")
    yield Finding("system", "cores", str(usable_cores()))
    refused = _sandbox_refusal() if sandbox is None else _refusal(sandbox(), Format.PNG)
    if refused is None:
        yield Finding("system", "sandbox", "works", Status.OK)
    else:
        yield Finding("system", "sandbox", None, Status.WITHOUT, refused, "do without --sandbox")


def _sandbox_refusal() -> str | None:
    from imgfetch.decode.extra_decoder import sandboxed

    with closing(sandboxed(Limits())) as decoder:
        return _refusal(decoder, Format.PNG)


def _trusted(ca_bundle: str | None) -> Iterator[Finding]:
    """Read the certificate authorities, as a fetch from an https: URL would."""
    try:
        from imgfetch.http.tls import trust

        number = len(trust(ca_bundle).get_ca_certs())
    except ImportError:  # the versions report it
        return
    except InputError as error:
        yield Finding("system", "authorities", None, Status.MISSING, str(error), _BUNDLE)
        return
    yield Finding("system", "authorities", f"{number} certificates are trusted", Status.OK)


_BUNDLE = "correct --ca-bundle, SSL_CERT_FILE or SSL_CERT_DIR"


def _cache(
    path: Path, needed_bytes: int, survey: Callable[[str, Collection[str]], FileSystem]
) -> Iterator[Finding]:
    from imgfetch.store.disk_store import DiskStore
    from imgfetch.store.layout import INDEX, OBJECTS, SCRATCH

    store = DiskStore(path)
    place = str(store.root)
    try:
        there = store.exists()
        surveyed = survey(place, (OBJECTS, SCRATCH, INDEX))
        yield _place(place, surveyed, there=there)
        if (store.root / INDEX).exists():
            yield _index(store.root / INDEX)
    except CacheError as error:
        yield Finding("cache", "cache", place, Status.MISSING, error.message, error.hint or "")
    except OSError as error:
        yield Finding("cache", "cache", place, Status.MISSING, error.strerror or str(error), _NAME_ANOTHER)
    else:
        yield from _file_system(surveyed, needed_bytes)


def _survey(path: str, parts: Collection[str]) -> FileSystem:
    from imgfetch.store.filesystem import survey

    return survey(path, parts)


def _place(path: str, surveyed: FileSystem, *, there: bool) -> Finding:
    if surveyed.barred is not None:
        why = f"{surveyed.barred} may not be written"
        return Finding("cache", "cache", path, Status.MISSING, why, _NAME_ANOTHER)
    found = path if there else f"{path}, which the first image makes"
    return Finding("cache", "cache", found, Status.OK)


def _index(path: Path) -> Finding:
    from imgfetch.store.index.schema import version_at
    from imgfetch.store.lookup_sql import VERSION

    version = version_at(str(path))
    if version is None:
        return Finding("cache", "index", None, Status.WITHOUT, "damaged: the next get begins it anew")
    found = f"version {version}"
    if version > VERSION:
        known, hint = f"version {VERSION} is known here", f"use a newer imgfetch, or {_NAME_ANOTHER}"
        return Finding("cache", "index", found, Status.MISSING, known, hint)
    return Finding("cache", "index", found, Status.OK)


def _file_system(surveyed: FileSystem, needed_bytes: int) -> Iterator[Finding]:
    where = f" on {surveyed.file_system}" if surveyed.file_system else ""
    enough = surveyed.free >= needed_bytes
    yield Finding(
        "cache",
        "free",
        f"{surveyed.free:,} bytes{where}",
        Status.OK if enough else Status.MISSING,
        f"{needed_bytes:,} bytes, for one image of --max-bytes",
        "" if enough else f"free some space, or {_NAME_ANOTHER}",
    )
    synced = "makes many files durable at once" if surveyed.syncs_whole else None
    locked = "locks whole files" if surveyed.flock else None
    for name, offered, otherwise in (
        ("flock", locked, "other writers cannot be recognised"),
        ("leases", surveyed.leases, "two processes may fetch the same image"),
        ("syncfs", synced, "each file is made durable by itself"),
    ):
        status, needed = (Status.WITHOUT, otherwise) if offered is None else (Status.OK, "")
        yield Finding("cache", name, offered, status, needed)


_NAME_ANOTHER = "name another directory with --cache"

"""Web app manifests (Web Application Manifest, W3C, §1.11 and the image resource of §3).

icons ─▶ one source set for each purpose ─▶ SourceSet
shortcuts ─▶ one source set for the icons of each · screenshots ─▶ a source set each
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from imgfetch.markup import urls
from imgfetch.markup.data_urls import may_be_image
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.readers.decoded import located, text_of, unread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import Document, EachImage


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the icons of an app, then those of its shortcuts, then its screenshots. Never raise."""
    text = text_of(document).removeprefix("\ufeff")
    try:
        manifest = json.loads(text)
    except ValueError as error:
        at = error.pos if isinstance(error, json.JSONDecodeError) else 0
        reason = f"not JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}"
        yield from located((unread(reason, text[at : at + 80], at),), text)
        return
    except RecursionError:
        yield from located((unread("not a manifest: nested too deep", text[:80]),), text)
        return
    if not isinstance(manifest, dict):
        yield from located((unread("not a manifest, which is a JSON object", text[:80]),), text)
        return
    for image in _images(manifest):
        yield urls.absolute(image, document.base_url) if document.base_url else image


def _images(manifest: dict[str, Any]) -> Iterator[SourceSet]:
    yield from _icons(manifest)
    for shortcut in _objects(manifest.get("shortcuts")):
        yield from _icons(shortcut, _text(shortcut.get("name")) or "shortcut")
    for screenshot in _objects(manifest.get("screenshots")):
        candidates = tuple(_candidates(screenshot))
        if candidates:
            yield SourceSet(candidates, SourceKind.DATA, alt=_text(screenshot.get("label")))


def _icons(owner: dict[str, Any], name: str = "") -> Iterator[SourceSet]:
    """Yield the icons of an app or a shortcut: one image in several sizes for each purpose.

    The name of a shortcut, and a purpose other than `any`, are their text: they are other pictures.
    """
    by_purpose: dict[str, list[Candidate]] = {}
    for icon in _objects(owner.get("icons")):
        purposes = _text(icon.get("purpose")).lower().split() or ["any"]
        # An icon that serves several purposes is the one for any.
        purpose = "any" if "any" in purposes else purposes[0]
        by_purpose.setdefault(purpose, []).extend(_candidates(icon))
    for purpose, candidates in by_purpose.items():
        alt = name if purpose == "any" else f"{name} {purpose}".lstrip()
        # An icon of any size, a drawing, has no width that could be compared with the others.
        sized = tuple(dict.fromkeys(each for each in candidates if each.width is not None))
        drawn = dict.fromkeys(each for each in candidates if each.width is None)
        if sized:
            yield SourceSet(sized, SourceKind.ICON, alt=alt)
        for each in drawn:
            yield SourceSet((each,), SourceKind.ICON, alt=alt)


def _candidates(resource: dict[str, Any]) -> Iterator[Candidate]:
    """Yield the candidate of an image resource: of several sizes its largest, without width for `any`."""
    src = _text(resource.get("src")).strip()
    widths = map(int, _SIZE.findall(_text(resource.get("sizes"))))
    if src and may_be_image(src):
        yield Candidate(src, max(widths, default=None))


_SIZE = re.compile(r"(?<!\S)([1-9][0-9]{0,5})[xX][1-9][0-9]{0,5}(?!\S)")


def _objects(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (as read)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:  # noqa: ANN401 (as read)
    return value if isinstance(value, str) else ""

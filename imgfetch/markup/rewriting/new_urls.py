"""The text to write for a URL, so that it leads from where it stands to where it should.

new URL, relative to the document ─▶ printable ─▶ the same place, as seen from the `<base>`
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urljoin

from imgfetch.markup import urls

_BLANK = "".join(map(chr, range(0x21)))
_UNSAFE = re.compile(r"[^!#-;=?-~]+")
"""What every URL has percent-encoded: space, controls, quotes, `<`, `>` and all beyond ASCII (URL §1.3)."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*(?=/)")
_FOLDER = "unknown-folder"
_SOMEWHERE = "http://unknown.invalid/" + f"{_FOLDER}/" * 64
"""The folder of a document that has no known URL: deeper than any `<base>` climbs."""


_MOST_CLIMBED = 3 * 32
"""Characters of `../` at most: a page may have a deep base and a million images."""


def printable(url: str) -> str:
    """Return a URL in printable ASCII, by percent-encoding in UTF-8."""
    return _UNSAFE.sub(lambda found: quote(found[0], safe="", errors="replace"), url.strip(_BLANK))


class Standing(NamedTuple):
    """Where the URLs of a page stand: the URL of its document, and what they are resolved against."""

    document: str
    base: str

    def reference(self, url: str) -> str | None:
        """Return what to write, so that it resolves to `url` as seen from the document.

        Return None where no text does so: the page has a `<base>`, and the URL of the document is not known.
        """
        if self.base == self.document or _SCHEME.match(url):
            return url
        base = urljoin(_SOMEWHERE, self.base)
        target = urls.resolve(url, urljoin(_SOMEWHERE, self.document))
        if target is None:
            return None
        written = _relative(target, base)
        if len(written) > len(target) + _MOST_CLIMBED or urls.resolve(written, base) != target:
            written = target
        return None if "unknown.invalid" in written or _FOLDER in written else written


def _relative(target: str, base: str) -> str:
    """Return a URL relative to a base of the same origin; itself if the origin is another."""
    origin, other = _ORIGIN.match(target), _ORIGIN.match(base)
    if origin is None or other is None or origin[0] != other[0]:
        return target
    end = re.search(r"[?#]|\Z", target)
    at = end.start() if end else len(target)
    path = target[origin.end() : at].split("/")
    folders = re.split("[?#]", base[other.end() :], maxsplit=1)[0].split("/")[:-1]
    same = 0
    while same < min(len(folders), len(path) - 1) and folders[same] == path[same]:
        same += 1
    climb = "../" * (len(folders) - same)
    rest = "/".join(path[same:])
    is_plain = climb or (rest and rest[0] != "/" and ":" not in path[same])
    return (climb if is_plain else "./") + rest + target[at:]

"""Names for copies of images that every file system takes, and that people can read.

    URL ─▶ the name at its end, escapes undone ─▶ stem
    text ─▶ without what Windows, macOS or Linux refuse ─▶ part of a name

Windows: "Naming Files, Paths, and Namespaces" (Microsoft Learn). macOS and Windows take `A` and `a`, and the
forms of a character that Unicode equates, for one name.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import parse_qsl, unquote

from imgfetch.rules.http.urls import without_userinfo
from imgfetch.rules.image.filenames import named_format

LONGEST = 200
"""Bytes of a name in UTF-8 at most: a temporary name adds 39, and file systems take 255."""


def stem_of(url: str) -> str:
    """Return the name at the end of a URL, readable: `harbour-lg_1280`, `отчёт`; empty without one.

    Percent-escapes are undone. Of a URL inside the URL, as CDNs write them, the name is that of the innermost
    one. A name that is followed by parameters (`hero.jpg/600x400`), or that a query has (`?url=/hero.jpg`),
    goes before a last segment that does not name an image.
    """
    path, _, query = without_userinfo(url).partition("#")[0].partition("?")
    if path[:5].lower() == "data:":
        return ""
    if path[:4].lower() == "cid:":  # the name of a part of a mail, often `image001.png@01DA5C7E.8B2F3A10`
        return readable(without_extension(unquote(path[4:]).partition("@")[0]))
    _, mark, behind = path.partition("://")
    parts = behind.split("/")[1:] if mark else path.split("/")  # in an archive
    segments = [_innermost(each) for each in parts if each]
    named = next((each for each in reversed(segments) if named_format(each)), None)
    if named is None and query:
        values = (_innermost(value) for _, value in parse_qsl(query[:_LONGEST_QUERY]))
        named = next((value for value in values if named_format(value)), None)
    stem = without_extension(named or next(reversed(segments), ""))
    return readable(without_extension(stem) if named_format(stem) else stem)  # `hero.jpg.webp`


def place_name(text: str) -> str:
    """Return a name for a page, a file or a text: the end of a URL or a path, or else the first words.

    The query of a URL is part of it, since many sites tell their pages apart by that, but for what may be a
    secret. A name such as `index` is left out.
    """
    if "://" not in text:
        parts = [readable(without_extension(text.rpartition("/")[2])), readable(text.split("/")[-2:][0])]
        return parts[1] if parts[0].lower() in _GENERIC and "/" in text else parts[0]
    path, _, query = without_userinfo(text).partition("#")[0].partition("?")
    query = "&".join(each for each in query[:_LONGEST_TEXT].split("&") if not _MAY_BE_SECRET.search(each))
    host, *segments = [each for each in path.partition("://")[2].split("/") if each] or [""]
    names = [readable(without_extension(_innermost(each))) for each in segments]
    if names and names[-1].lower() in _GENERIC:
        names.pop()
    name = next(filter(None, reversed(names)), readable(host))
    return "-".join(filter(None, (name, readable(unquote(query[:_LONGEST_STEM])))))


_MAY_BE_SECRET = re.compile(
    r"^[^=]*(?:token|key|sig|auth|pass|pwd|secret|sess|sid|code|hash|hmac|jwt|cred|nonce|otp|ticket)|=[^=]{40}",
    re.IGNORECASE,
)
"""A parameter of a query that is left out of names: by its own name, or by the length of its value."""


def without_extension(name: str) -> str:
    """Return a file name without its extension; the whole name if nothing else is left."""
    return name.rpartition(".")[0] or name


def readable(text: str) -> str:
    """Return the letters, digits, `_` and `-` of a text, of any script; `-` for each run of anything else."""
    kept = "".join(c if _is_kept(c) else "-" for c in unicodedata.normalize("NFC", text[:_LONGEST_TEXT]))
    return _cut(re.sub("-{2,}", "-", kept).strip("-"), _LONGEST_STEM, 2 * _LONGEST_STEM)


def safe_text(text: str) -> str:
    """Return a text as a part of a name: with spaces and punctuation, but nothing that a system refuses."""
    normal = unicodedata.normalize("NFC", text[:_LONGEST_TEXT])
    kept = "".join("-" if c in REFUSED or unicodedata.category(c) in _UNSEEN else c for c in normal)
    return _cut(re.sub(r"\s+", " ", kept).strip(), LONGEST, LONGEST)


def safe_name(base: str, extension: str, *, number: int = 1) -> str:
    """Return a file name from parts that are safe: cut to its longest, and never the name of a device.

    It begins neither with a dot, which hides a file, nor with `-`, which begins an option. From `number` 2 on
    it ends in the number.
    """
    base = unicodedata.normalize("NFC", base).lstrip(" .-")
    suffix = (f"-{number}" if number > 1 else "") + f".{extension}"
    base = _cut(base, LONGEST, LONGEST - len(suffix)).rstrip(" .") or "image"
    return ("_" if _DEVICE.fullmatch(base.partition(".")[0].rstrip(" ")) else "") + base + suffix


def folded(name: str) -> str:
    """Return the same text for all names that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


REFUSED = frozenset('<>:"/\\|?*')
"""Characters that Windows refuses in a name, with the separators of all systems."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that cannot be seen, change the order of others, or are not assigned."""

_DEVICE = re.compile(r"CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³]", re.IGNORECASE)

_LONGEST_TEXT = 2_000
"""Characters of a text that are looked at."""

_LONGEST_QUERY = 4_000

_GENERIC = frozenset({"index", "default", "home", "main"})
"""Names of pages that say nothing of them."""

_LONGEST_STEM = 80
"""Characters of a stem at most, and half its bytes."""


def _is_kept(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "_"
    category = unicodedata.category(character)
    return category not in _UNSEEN and category != "Zs" and character != "\ufffd"


def _innermost(segment: str) -> str:
    """Return the name in a segment or value, escapes undone, also those of a URL that was escaped twice."""
    text = segment[-_LONGEST_TEXT:]
    for _ in range(3):
        undone = unquote(text)
        if undone == text:
            break
        text = undone
    if "/" not in text and "\\" not in text:
        return text
    if "://" in text:
        text = text.partition("#")[0].partition("?")[0]
    return next((part for part in reversed(re.split(r"[/\\]", text)) if part), "")


def _cut(text: str, characters: int, most: int) -> str:
    """Cut a text to so many characters, and to `most` bytes of UTF-8, between two characters."""
    text = text[:characters]
    return text if len(text.encode()) <= most else text.encode()[:most].decode(errors="ignore")

"""The texts of `--help`: of the commands, of their arguments, and of each option."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.options import Kind

if TYPE_CHECKING:
    from imgfetch.model.options import Option

PROGRAM = "The right rendition of a web image, verified, on your disk, once."

COMMANDS = {
    "get": "Read sources, choose renditions, fetch, verify and store them; print one path a line.",
    "retry": "Retry the failures of a report that may succeed now.",
    "batch": "Fetch the sources of a file into a folder; a second run resumes the first.",
    "pick": "Show which rendition would be chosen, and why; fetch pages, but no image.",
    "explain": "Show why a URL is fresh or stale, and which request would be sent.",
    "cache": "Inspect, check and clean the cache.",
    "demo": "Run the main job against a server of imgfetch's own on the loopback interface.",
    "doctor": "Show versions, settings and system features, and what is missing.",
}

CACHE_ACTIONS = {
    "info": "Show where the cache is and what it contains.",
    "ls": "List the stored renditions, one a line.",
    "verify": "Check every file against its name, structure and index row; exit with 4 if one is damaged.",
    "prune": "Evict least recently used images and delete leftovers.",
    "pin": "Protect the image of a URL from eviction.",
    "unpin": "Allow the image of a URL to be evicted again.",
    "rm": "Forget a URL, and delete its image unless another URL leads to it.",
}

ARGUMENTS = {
    "get": "a URL, a file or a folder of documents, - for standard input, or a srcset itself",
    "pick": "a URL, a file or a folder of documents, - for standard input, or a srcset itself",
    "retry": "the file that --report of an earlier run has written",
    "batch": "a file of sources, one a row (.gz too), or -",
    "explain": "the URL of an image",
    "cache pin": "the URL of an image",
    "cache unpin": "the URL of an image",
    "cache rm": "the URL of an image",
}


def of_option(command: str, option: Option) -> str:
    """Return the help of an option, with its names and its default."""
    text = _OF_COMMANDS.get((command, option.name)) or _OPTIONS[option.name]
    default = _DEFAULTS.get(option.name) or _default(option)
    if not isinstance(option.kind, Kind):
        text = f"{text}: {', '.join(option.kind)}"
    return f"{text} ({default})" if default else text


def _default(option: Option) -> str:
    match option.default:
        case None | bool() | "":
            return ""
        case float(seconds):
            return _duration(seconds)
        case int(number):
            return f"{number:,}"
        case text:
            return str(text)


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("m", 60)):
        if (seconds >= 10 * length and seconds % length == 0) or seconds == 7 * length:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


_DEFAULTS = {
    "cache": "./cache",
    "referrer-policy": "that of the page, else strict-origin",
    "input-format": "by name and content",
    "column": "srcset, image, url, …",
    "robots": "batch: respect, else: ignore",
    "fail-under": "1",
    "no-reuse": "default",
    "follow": "default",
    "name": "{name}-{sha256:12}",
}
"""Defaults that are not shown as they are stored."""

_OF_COMMANDS = {
    ("retry", "all"): "retry the other failures too",
    ("retry", "files"): "let the sources of REPORT name files, as arguments of get do",
}
"""Texts that differ from those of the same option elsewhere."""

_OPTIONS = {
    "input-file": "read sources from FILE (or -), one a line",
    "files": "let the lines of --input-file name files, as arguments of get do",
    "base": "base URL of relative URLs",
    "to": "folder for the images and manifest.jsonl",
    "input-format": "format of INPUT",
    "column": "column or member that holds the source, or a list of them; repeatable",
    "retry-all": "ask again for images that failed for good in an earlier run, such as a 404",
    "width": "wanted width of the image, in device pixels",
    "viewport": "choose for a screen of this size, for example 1280x720@2",
    "policy": "rule that chooses the rendition",
    "formats": "take only these formats, for example webp,jpeg: jpeg (or jpg), png, gif, webp, avif, svg, "
    "ico, bmp, tiff, jxl, heic",
    "kinds": "kinds of images to take from a page: img,picture, or content+icon, or all-script",
    "include": "take only images with a URL like PATTERN, for example '*.jpg' or /photos/; repeatable",
    "exclude": "leave out images with a URL like PATTERN, for example 'https://ads.*'; repeatable",
    "min-width": "skip images that are narrower in fact",
    "min-height": "skip images that are lower in fact",
    "min-bytes": "skip images with fewer bytes",
    "require-width": "fail where no rendition has the width of --width, or PX",
    "all": "fetch every rendition of every image",
    "directory": "also copy the images to DIR, with readable names",
    "name": "names of the copies, for example '{page}-{index:03}-{stem}'; docs/cli.md has the fields",
    "link": "make the copies hard links: the file in the cache itself, read-only; an edit would damage it",
    "sha256": "expected digest of the image; the sources must offer exactly one",
    "lock": "record the URL and the digest of each image in FILE",
    "locked": "return exactly what the lock records (--lock, or ./imgfetch.lock), or fail",
    "cache": "folder of the stored images",
    "key-ignore": "query parameters that do not change the image, for example 'utm_*'; repeatable",
    "max-cache": "size of the cache; the least recently used images are evicted",
    "max-age": "time after which an unused image is evicted",
    "check-age": "hash a file again at its next use after this time; 0 for always",
    "refresh": "ask the origin even if the stored image is fresh",
    "reuse": "use a wider stored rendition of the same source set instead of the chosen one",
    "no-reuse": "fetch the chosen rendition",
    "expect-width": "expected width of the image, instead of that of its descriptor",
    "strict-width": "refuse an image whose width is not the expected one",
    "reject-fakes": "refuse placeholders: tracking pixels, blurred previews, notices of removal",
    "sandbox": "decode images in separate processes with limits",
    "verify": "checks before an image is stored",
    "offline": "send no request; use only the cache",
    "jobs": "concurrent requests",
    "per-host": "concurrent requests to one host",
    "per-address": "concurrent connections to one address, whatever host names lead there",
    "retries": "retries after a transient failure",
    "backoff-base": "initial retry delay",
    "connect-timeout": "time to connect",
    "read-timeout": "time without data before giving up",
    "total-timeout": "time per image, retries included",
    "lowest-speed": "bytes a second, over 20s, below which a download is given up",
    "max-bytes": "largest file, in bytes",
    "max-pixels": "most pixels in a frame",
    "max-images": "most images from a page of the network",
    "max-total-pixels": "most pixels in all frames of an image",
    "max-frames": "most frames in an image",
    "decode-memory": "memory of all concurrent decodes, in bytes",
    "max-redirects": "longest chain of redirects",
    "allow-host": "allow requests to this internal host, address or network; repeatable",
    "header": "send this to the origin of the SOURCE, and to no other; repeatable",
    "header-for": "send this to ORIGIN, for example https://host, wherever its URL comes from; repeatable",
    "cookies": "send the cookies of FILE (Netscape's format) to their domains, within the site of the SOURCE",
    "netrc": "take user and password for the origin of the SOURCE from ~/.netrc",
    "netrc-file": "take them from FILE instead",
    "allow-downgrade": "follow redirects from https: to http: too",
    "user-agent": "value of the User-Agent header field",
    "contact": "your page or mail address, added to the User-Agent",
    "follow": "read the style sheets, manifests and sitemaps that a page or another document loads",
    "no-follow": "read the document alone",
    "delay": "time between two requests to one host, at least",
    "robots": "whether to respect robots.txt, X-Robots-Tag and TDM-Reservation",
    "referer": "URL of the page that contains all the images",
    "referrer-policy": "how much of the page's URL is sent",
    "proxy": "send all requests through this proxy",
    "ca-bundle": "trust the certificate authorities in FILE",
    "json": "print one JSON object a line",
    "quiet": "print only results and errors",
    "verbose": "print each request, retry and wait",
    "table": "write a row for each image to FILE (.csv or .tsv): its page, its URL, its file",
    "report": "write every failure to FILE, for imgfetch retry",
    "fail-under": "succeed if at least this share of the images is available, for example 0.95",
    "deep": "decode every frame of every image too",
    "repair": "fetch damaged images again",
    "grace": "keep images used within this time, as far as the index records it",
    "dry-run": "only show what would be deleted",
}

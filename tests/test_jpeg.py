"""`formats.jpeg`: the walk over a JPEG."""

from __future__ import annotations

from image_files import SMALL, check, jpeg_with
from imgfetch.model.result import ErrorKind
from pictures import encoded


def test_jpeg() -> None:
    data = SMALL["jpeg"]
    scan = data.index(b"\xff\xda")
    check(jpeg_with(b"\xff" * 40))  # fill bytes
    check(jpeg_with(b"\xff" * 30, at=len(data) - 2))
    for stray in (b"\0", b"\0junk", bytes(100), b"\xff" * 30 + b"\0" * 3):
        check(jpeg_with(stray, at=scan), ErrorKind.CORRUPT, "not a segment")
    comment = b"\xff\xfe\0\3c"
    check(jpeg_with(comment, bytes(64), at=len(data) - 2))
    for stray in (bytes(65), b"\1", b"\0\1\0"):
        check(jpeg_with(comment, stray, at=len(data) - 2), ErrorKind.CORRUPT, "not a segment")
    check(jpeg_with(b"\xff\xfe\0\1"), ErrorKind.CORRUPT, "impossible length")
    check(jpeg_with(data, at=len(data) - 40), ErrorKind.CORRUPT, "another image begins")
    check(jpeg_with(b"\xff\xd0", at=len(data) - 20), ErrorKind.CORRUPT, "restart marker")
    check(data[:scan] + b"\xff\xd9", ErrorKind.CORRUPT, "no scan")
    check(data[:2] + data[scan:], ErrorKind.CORRUPT, "before any frame header")
    sof = data.index(b"\xff\xc0")
    check(data[: sof + 5] + b"\0\0" + data[sof + 7 :], ErrorKind.CORRUPT, "24 x 0 pixels")
    check(data[: sof + 4] + b"\x0c" + data[sof + 5 :], ErrorKind.UNSUPPORTED_FORMAT, "12 bits")
    check(data[: sof + 1] + b"\xc3" + data[sof + 2 :], ErrorKind.UNSUPPORTED_FORMAT, "FF C3")
    check(data[: len(data) // 2] + bytes(2000), ErrorKind.CORRUPT, "zero bytes")


def test_a_progressive_jpeg_that_lacks_its_last_scans_is_truncated() -> None:
    for options in ({}, {"mode": "L"}, {"mode": "CMYK"}, {"subsampling": 0, "restart_marker_rows": 1}):
        data = encoded("jpeg", 64, 48, progressive=True, **options)
        check(data)
        scans = [at for at in range(len(data)) if data.startswith((b"\xff\xda", b"\xff\xc4"), at)]
        first = data.index(b"\xff\xda")
        for scan in scans:
            if scan > first:
                check(data[:scan] + b"\xff\xd9", ErrorKind.TRUNCATED, "last scans are missing")


def test_restart_markers_are_counted() -> None:
    data = encoded("jpeg", 64, 48, restart_marker_blocks=1)
    first, third = data.index(b"\xff\xd0"), data.index(b"\xff\xd2")
    check(data[:first] + data[third:], ErrorKind.CORRUPT, "out of sequence")
    ninth = data.index(b"\xff\xd0", third)
    check(data[:first] + data[ninth:], ErrorKind.CORRUPT, "part of it is missing")
    for options in ({}, {"mode": "L"}, {"subsampling": 0}, {"mode": "CMYK"}, {"progressive": True}):
        for width, height in ((64, 48), (65, 49), (7, 90), (1, 1)):
            check(encoded("jpeg", width, height, restart_marker_blocks=1, **options))

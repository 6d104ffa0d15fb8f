"""`formats.webp`: the walk over a WebP."""

from __future__ import annotations

import struct

from image_files import SMALL, SMALL_VP8L, check, vp8x, webp
from imgfetch.model.result import ErrorKind


def test_webp() -> None:
    coded = SMALL["webp"][20 : 20 + int.from_bytes(SMALL["webp"][16:20], "little")]
    assert check(webp((b"VP8 ", coded), (b"UNKN", b"odd"))).frames == 1
    check(webp(vp8x(24, 16), (b"VP8 ", coded), (b"EXIF", bytes(500))))
    odd = webp((b"VP8L", SMALL_VP8L if len(SMALL_VP8L) & 1 else SMALL_VP8L + b"\0"))
    check(odd[:4] + struct.pack("<I", len(odd) - 9) + odd[8:-1])  # without the padding byte
    check(webp(vp8x(25, 16), (b"VP8 ", coded)), ErrorKind.CORRUPT, "25 x 16", "24 x 16")
    check(webp(vp8x(24, 16), (b"EXIF", b"")), ErrorKind.CORRUPT, "no VP8")
    check(webp((b"VP8 ", coded), (b"VP8 ", coded)), ErrorKind.CORRUPT, "second image")
    check(webp((b"EXIF", b""), (b"VP8 ", coded)), ErrorKind.CORRUPT, "first chunk is EXIF")
    check(webp((b"VP8 ", b"\1" + coded[1:])), ErrorKind.CORRUPT, "key frame")
    check(webp((b"VP8 ", coded[:3] + b"abc" + coded[6:])), ErrorKind.CORRUPT, "start code")
    check(webp((b"VP8 ", coded[:12])), ErrorKind.CORRUPT, "first VP8 partition")
    check(webp((b"VP8 ", coded[:6] + bytes(4) + coded[10:])), ErrorKind.CORRUPT, "0 x 0")
    check(webp((b"VP8L", b"\x2e" + SMALL_VP8L[1:])), ErrorKind.CORRUPT, "signature")
    check(webp((b"VP8L", SMALL_VP8L[:4] + b"\xff")), ErrorKind.CORRUPT, "version")
    check(webp(vp8x(24, 16), (b"ALPH", b"\3"), (b"VP8 ", coded)), ErrorKind.CORRUPT, "ALPH")
    check(webp(vp8x(24, 16, flags=2), (b"ANIM", bytes(6))), ErrorKind.CORRUPT, "without a frame")
    frame = (
        b"ANMF",
        struct.pack("<HBHBHBHB", 4, 0, 0, 0, 23, 0, 15, 0) + bytes(4) + webp((b"VP8 ", coded))[12:],
    )
    assert check(webp(vp8x(32, 16, flags=2), (b"ANIM", bytes(6)), frame, frame)).frames == 2
    check(webp(vp8x(31, 16, flags=2), (b"ANIM", bytes(6)), frame), ErrorKind.CORRUPT, "beyond the canvas")
    check(b"RIFF\xff\xff\xff\xff" + SMALL["webp"][8:], ErrorKind.TRUNCATED)

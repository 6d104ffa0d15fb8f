"""libwebp's own decode of every file in a folder, on two threads: the floor of any proof by decoding."""

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor
from ctypes.util import find_library
from pathlib import Path

webp = ctypes.CDLL(find_library("webp") or "libwebp.so.7")
webp.WebPDecodeRGB.restype = ctypes.c_void_p
webp.WebPFree.argtypes = [ctypes.c_void_p]


def decode(path: Path) -> None:
    data = path.read_bytes()
    width, height = ctypes.c_int(), ctypes.c_int()
    pixels = webp.WebPDecodeRGB(data, len(data), ctypes.byref(width), ctypes.byref(height))
    if not pixels:
        raise SystemExit(f"{path}: not decoded")
    webp.WebPFree(pixels)


if len(sys.argv) == 1:
    print(".".join(map(str, webp.WebPGetDecoderVersion().to_bytes(3))))
    raise SystemExit
with ThreadPoolExecutor(2) as pool:
    for _ in pool.map(decode, sorted(Path(sys.argv[1]).glob("*.webp"))[: int(sys.argv[2])]):
        pass

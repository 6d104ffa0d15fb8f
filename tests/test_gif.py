"""`formats.gif`: the walk over a GIF."""

from __future__ import annotations

import pytest

from image_files import SMALL, check, gif
from imgfetch.model.result import ErrorKind


def test_gif() -> None:
    data = SMALL["gif"]
    check(data[:-1] + b"\0\0\0;")  # some encoders leave them
    check(data[:-1] + bytes(40) + b";", ErrorKind.CORRUPT, "begins with 00")
    check(data[:-1] + b"G;", ErrorKind.CORRUPT, "begins with 47")
    check(data[:13] + b";", ErrorKind.TRUNCATED)
    check(b"GIF89a\1\0\1\0\0\0\0;", ErrorKind.CORRUPT, "no image")
    outside = data[:6] + b"\1\0\1\0" + data[10:]
    assert (check(outside).width, check(outside).height) == (24, 16)


@pytest.mark.parametrize(
    ("screen", "frames", "shown", "most"),
    [
        ((10, 10), [(0, 0, 20, 30)], (20, 30), 0),
        ((10, 10), [(5, 5, 8, 8)], (13, 13), 0),
        ((10, 10), [(15, 15, 8, 8)], (23, 23), 0),
        ((10, 10), [(0, 0, 5, 30)], (10, 30), 0),
        ((0, 0), [(4, 4, 8, 8)], (12, 12), 0),
        ((10, 10), [(0, 0, 10, 10), (0, 0, 20, 30)], (10, 10), 600),
        ((10, 10), [(0, 0, 10, 10), (5, 5, 8, 8)], (10, 10), 169),
        ((10, 10), [(0, 0, 20, 30), (0, 0, 40, 40)], (20, 30), 1600),
    ],
)
def test_a_gif_is_as_large_as_browsers_say(
    screen: tuple[int, int], frames: list[tuple[int, int, int, int]], shown: tuple[int, int], most: int
) -> None:
    # as Chromium's naturalWidth and naturalHeight: the first frame enlarges the screen, the others do not
    found = check(gif(*screen, *frames))
    assert (found.width, found.height, found.most_pixels) == (*shown, most)

"""HEIC, by ISO 23008-12 (HEIF): the boxes and items of an AVIF, with pictures coded by HEVC.

    ftyp ─▶ meta{pitm · iinf · iprp{ipco{ispe} · ipma} · iloc ─▶ extents} ─▶ mdat

The boxes are walked as those of an AVIF. The bitstream of HEVC is not looked at: its own size, if it is not
that of the boxes, is a matter of the decoder, which runs within bounds of memory.
"""

from __future__ import annotations

from imgfetch.formats.iso import avif
from imgfetch.formats.iso.iso_boxes import boxes_between, children, outermost_boxes, require
from imgfetch.formats.walker import WalkState


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a file that begins with an `ftyp` box of HEIC."""
    avif.walk(data, state)
    boxes = outermost_boxes(data[: len(data) - state.tail], WalkState())
    start, stop = require(boxes, b"meta")
    shared = children(data, require(children(data, (start + 4, stop)), b"iprp"))
    for kind, start, stop in boxes_between(data, *require(shared, b"ipco")):
        if kind == b"ispe" and stop - start >= 12:
            width, height = (int.from_bytes(data[start + at : start + at + 4]) for at in (4, 8))
            if width * height > state.width * state.height:
                state.most_pixels = max(state.most_pixels, width * height)
        if kind == b"clap" and stop - start >= 16:  # the part that is shown (ISO 14496-12 §12.1.4)
            across, by, down, of = (int.from_bytes(data[start + at : start + at + 4]) for at in (0, 4, 8, 12))
            if by and of and by <= across <= by * state.width and of <= down <= of * state.height:
                state.width, state.height = across // by, down // of

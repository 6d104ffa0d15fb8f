"""How large AV1 says its frames are: the sequence header, by the AV1 bitstream specification.

A box may say 64 x 64 pixels, and the coded image be 16384 x 16384; decoders allocate what the code says.
"""

from __future__ import annotations

from typing import NamedTuple


class Coded(NamedTuple):
    """What a sequence header says of the frames behind it."""

    width: int
    """At most, as is the height."""
    height: int
    plane_bytes: float
    """Bytes a pixel of all planes, once they are decoded."""


def coded(data: memoryview) -> Coded | None:
    """Return what the sequence header says that coded data begins with; None where they do not."""
    at = 0
    while at + 2 < len(data):
        # obu_header: forbidden bit, obu_type (4), extension flag, has_size flag, reserved (§5.3.2)
        kind, extended, sized = data[at] >> 3 & 15, data[at] >> 2 & 1, data[at] >> 1 & 1
        at += 1 + extended
        size, at = _leb128(data, at) if sized else (len(data) - at, at)
        if kind == _SEQUENCE_HEADER:
            return _sequence_header(_Bits(bytes(data[at : at + min(size, _MOST_HEADER)])))
        if kind != _TEMPORAL_DELIMITER:
            return None
        at += size
    return None


_SEQUENCE_HEADER, _TEMPORAL_DELIMITER = 1, 2
_MOST_HEADER = 1024


class _Bits:
    """Bits from the most significant on; zeros once they are used up."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def take(self, size: int) -> int:
        self._left -= size
        return self._value >> self._left & (1 << size) - 1 if self._left >= 0 else 0


def _sequence_header(bits: _Bits) -> Coded:
    """§5.5.1, as far as the subsampling in color_config."""
    profile = bits.take(3)
    bits.take(1)  # still_picture
    reduced = bits.take(1)  # reduced_still_picture_header
    if reduced:
        bits.take(5)  # seq_level_idx
    else:
        _operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    width, height = bits.take(width_bits) + 1, bits.take(height_bits) + 1
    _tools(bits, reduced=bool(reduced))
    return Coded(width, height, _plane_bytes(bits, profile))


def _tools(bits: _Bits, *, reduced: bool) -> None:
    """The flags of §5.5.1 between the size and color_config."""
    if not reduced and bits.take(1):  # frame_id_numbers_present_flag
        bits.take(7)  # the lengths of frame numbers
    bits.take(3)  # use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if not reduced:
        bits.take(4)  # enable_interintra_compound, _masked_compound, _warped_motion, _dual_filter
        ordered = bits.take(1)  # enable_order_hint
        if ordered:
            bits.take(2)  # enable_jnt_comp, enable_ref_frame_mvs
        # seq_choose_screen_content_tools, or seq_force_screen_content_tools
        if (bits.take(1) or bits.take(1)) and not bits.take(1):  # seq_choose_integer_mv
            bits.take(1)  # seq_force_integer_mv
        if ordered:
            bits.take(3)  # order_hint_bits_minus_1
    bits.take(3)  # enable_superres, enable_cdef, enable_restoration


def _plane_bytes(bits: _Bits, profile: int) -> float:
    """Color_config (§5.5.2): how many samples there are to a pixel, of one byte or of two."""
    deep = bits.take(1)  # high_bitdepth
    twelve = bits.take(1) if profile == _PROFESSIONAL and deep else 0
    grey = 0 if profile == _HIGH else bits.take(1)  # mono_chrome
    # color_primaries, transfer_characteristics, matrix_coefficients, where color_description_present_flag
    srgb = bits.take(24) == _SRGB if bits.take(1) else False
    if grey:
        chroma = 0.0
    elif srgb or profile == _HIGH:
        chroma = 2.0
    elif profile == _MAIN:
        chroma = 0.5
    else:
        bits.take(1)  # color_range
        wide = not (twelve and not bits.take(1))  # subsampling_x: always 1 where there are fewer bits
        chroma = (0.5 if twelve and bits.take(1) else 1.0) if wide else 2.0
    return (1 + chroma) * (1 + deep)


_MAIN, _HIGH, _PROFESSIONAL = 0, 1, 2
_SRGB = 1 << 16 | 13 << 8 | 0
"""BT.709 primaries, the transfer function of sRGB, and no matrix: RGB itself."""


def _operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.take(1):  # timing_info_present_flag
        bits.take(64)  # num_units_in_display_tick, time_scale
        if bits.take(1):  # equal_picture_interval
            _uvlc(bits)  # num_ticks_per_picture_minus_1
        if bits.take(1):  # decoder_model_info_present_flag
            delay_bits = bits.take(5) + 1
            bits.take(42)  # num_units_in_decoding_tick and two lengths
    display_delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)  # operating_point_idc
        if bits.take(5) > 7:  # seq_level_idx
            bits.take(1)  # seq_tier
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if display_delays and bits.take(1):
            bits.take(4)


def _uvlc(bits: _Bits) -> None:
    """§4.10.3."""
    zeros = 0
    while zeros < 32 and not bits.take(1):
        zeros += 1
    bits.take(zeros if zeros < 32 else 0)


def _leb128(data: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the least significant first, and where it ends (§4.10.5)."""
    value = 0
    for group, byte in enumerate(data[at : at + 8]):
        value |= (byte & 0x7F) << 7 * group
        if not byte & 0x80:
            return value, at + group + 1
    return value, at + 8

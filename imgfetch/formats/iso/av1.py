"""The frame size in coded AV1: the sequence header, by the AV1 bitstream specification.

A box may state 64 x 64 pixels for a coded image of 16384 x 16384; decoders allocate memory for the latter.
"""

from __future__ import annotations

from typing import NamedTuple


class SequenceHeader(NamedTuple):
    """The facts of a sequence header about its frames."""

    width: int
    """The largest width of a frame, in pixels."""
    height: int
    """The largest height of a frame, in pixels."""
    plane_bytes: float
    """Bytes of all decoded planes for each pixel."""


def sequence_header(data: memoryview) -> SequenceHeader | None:
    """Return the facts of the sequence header that begins coded data; None if they do not begin with one."""
    offset = 0
    while offset + 2 < len(data):
        # obu_header: forbidden bit, obu_type (4), extension flag, has_size flag, reserved (§5.3.2)
        kind, extended, sized = data[offset] >> 3 & 15, data[offset] >> 2 & 1, data[offset] >> 1 & 1
        offset += 1 + extended
        size, offset = _leb128(data, offset) if sized else (len(data) - offset, offset)
        if kind == _SEQUENCE_HEADER:
            return _read_header(_Bits(bytes(data[offset : offset + min(size, _MAX_HEADER)])))
        if kind != _TEMPORAL_DELIMITER:
            return None
        offset += size
    return None


_SEQUENCE_HEADER, _TEMPORAL_DELIMITER = 1, 2
_MAX_HEADER = 1024


class _Bits:
    """Reads bits, the most significant first; behind the end, zeros."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def read(self, size: int) -> int:
        self._left -= size
        return self._value >> self._left & (1 << size) - 1 if self._left >= 0 else 0


def _read_header(bits: _Bits) -> SequenceHeader:
    """Read §5.5.1, up to the subsampling in color_config."""
    profile = bits.read(3)
    bits.read(1)  # still_picture
    reduced = bits.read(1)  # reduced_still_picture_header
    if reduced:
        bits.read(5)  # seq_level_idx
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    width, height = bits.read(width_bits) + 1, bits.read(height_bits) + 1
    _skip_tools(bits, reduced=bool(reduced))
    return SequenceHeader(width, height, _plane_bytes(bits, profile))


def _skip_tools(bits: _Bits, *, reduced: bool) -> None:
    """Skip the flags of §5.5.1 between the size and color_config."""
    if not reduced and bits.read(1):  # frame_id_numbers_present_flag
        bits.read(7)  # the lengths of frame numbers
    bits.read(3)  # use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if not reduced:
        bits.read(4)  # enable_interintra_compound, _masked_compound, _warped_motion, _dual_filter
        ordered = bits.read(1)  # enable_order_hint
        if ordered:
            bits.read(2)  # enable_jnt_comp, enable_ref_frame_mvs
        # seq_choose_screen_content_tools, or seq_force_screen_content_tools
        if (bits.read(1) or bits.read(1)) and not bits.read(1):  # seq_choose_integer_mv
            bits.read(1)  # seq_force_integer_mv
        if ordered:
            bits.read(3)  # order_hint_bits_minus_1
    bits.read(3)  # enable_superres, enable_cdef, enable_restoration


def _plane_bytes(bits: _Bits, profile: int) -> float:
    """Read color_config (§5.5.2), and return the bytes of all samples of a pixel."""
    deep = bits.read(1)  # high_bitdepth
    twelve = bits.read(1) if profile == _PROFESSIONAL and deep else 0
    grey = 0 if profile == _HIGH else bits.read(1)  # mono_chrome
    # color_primaries, transfer_characteristics, matrix_coefficients, where color_description_present_flag
    srgb = bits.read(24) == _SRGB if bits.read(1) else False
    if grey:
        chroma = 0.0
    elif srgb or profile == _HIGH:
        chroma = 2.0
    elif profile == _MAIN:
        chroma = 0.5
    else:
        bits.read(1)  # color_range
        wide = not (twelve and not bits.read(1))  # subsampling_x: always 1 where there are fewer bits
        chroma = (0.5 if twelve and bits.read(1) else 1.0) if wide else 2.0
    return (1 + chroma) * (1 + deep)


_MAIN, _HIGH, _PROFESSIONAL = 0, 1, 2
_SRGB = 1 << 16 | 13 << 8 | 0
"""BT.709 primaries, the transfer function of sRGB, and the identity matrix: RGB itself."""


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.read(1):  # timing_info_present_flag
        bits.read(64)  # num_units_in_display_tick, time_scale
        if bits.read(1):  # equal_picture_interval
            _skip_uvlc(bits)  # num_ticks_per_picture_minus_1
        if bits.read(1):  # decoder_model_info_present_flag
            delay_bits = bits.read(5) + 1
            bits.read(42)  # num_units_in_decoding_tick and two lengths
    display_delays = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)  # operating_point_idc
        if bits.read(5) > 7:  # seq_level_idx
            bits.read(1)  # seq_tier
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if display_delays and bits.read(1):
            bits.read(4)


def _skip_uvlc(bits: _Bits) -> None:
    """Skip a number of variable length (§4.10.3)."""
    zeros = 0
    while zeros < 32 and not bits.read(1):
        zeros += 1
    bits.read(zeros if zeros < 32 else 0)


def _leb128(data: memoryview, offset: int) -> tuple[int, int]:
    """Return a number in groups of seven bits, the least significant first, and its end (§4.10.5)."""
    value = 0
    for group, byte in enumerate(data[offset : offset + 8]):
        value |= (byte & 0x7F) << 7 * group
        if not byte & 0x80:
            return value, offset + group + 1
    return value, offset + 8

"""How large AV1 says its frames are: the sequence header, by the AV1 bitstream specification.

A box may say 64 x 64 pixels, and the coded image be 16384 x 16384; decoders allocate what the code says.
"""

from __future__ import annotations


def coded_size(data: memoryview) -> tuple[int, int] | None:
    """Width and height at most, of coded data that begins with its sequence header; else None."""
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


def _sequence_header(bits: _Bits) -> tuple[int, int]:
    """§5.5.1, as far as max_frame_height_minus_1."""
    bits.take(4)  # seq_profile, still_picture
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)  # seq_level_idx
    else:
        _operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


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

"""The smallest image of each format, one pixel, to test whether a decoder works; and an animation."""

from __future__ import annotations

from base64 import b64decode

from imgfetch.model.image import Format

SMALLEST = {
    form: b64decode(written)
    for form, written in {
        Format.WEBP: "UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEADMDOJaQAA3AA/uxnAAA=",
        Format.JPEG: """
            /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////////
            ////////////////////////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAA
            AAD/2gAIAQEAAD8AN//Z
        """,
        Format.PNG: """
            iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==
        """,
        Format.GIF: "R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAkQBADs=",
        Format.AVIF: """
            AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAA
            AAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAHwAAAChpaW5mAAAAAAABAAAAGmluZmUC
            AAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAAQAAAAEAAAAQcGl4aQAAAAADCAgIAAAA
            DGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAAJ21kYXQSAAoIGAAGyAhoNCAy
            ER/3h4UVwAAsAAAgkDWTv53G
        """,
    }.items()
}

ANIMATED = b64decode("""
    UklGRr4AAABXRUJQVlA4WAoAAAASAAAABAAAAwAAQU5JTQYAAAAAAAAAAABBTk1GPgAAAAAAAAAAAAQAAAMAAEYAAAJWUDhMJQAA
    AC8EwAAQuYzof+wiov+BqZmS2RKQJD2Xngc2562cN9e8Od/NeQMAQU5NRkwAAAAAAAAAAAAEAAADAABuAAACVlA4TDMAAAAvBMAA
    ELmM6H/sIqL/AcJso/6PZ/5uRyEQSPEy+fyDLQFJ0nPpeQu2iXGqGCdW41cnxgkA
""")
"""A WebP of 5 × 4 pixels with two frames, lossless, half of it translucent, shown for 70 and 110 ms."""

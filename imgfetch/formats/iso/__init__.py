"""Formats in boxes of the ISO base media file format: AVIF and HEIC."""

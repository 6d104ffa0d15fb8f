"""Rows of a table: its columns, the images in a cell, and the formats that tables come in."""

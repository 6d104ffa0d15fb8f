"""The values that the packages exchange: frozen, without behaviour beyond derived properties.

Their modules do without `from __future__ import annotations`: a named tuple compiles each annotation that is
a string, at every start. Annotations of names that are imported for type checking alone are in quotes.
"""

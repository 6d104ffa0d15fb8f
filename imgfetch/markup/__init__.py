"""What a page says: parsers from text to source sets. Pure, linear in time, and they never raise on input."""

"""The public functions and classes: they build a runtime, and turn results into the public types."""

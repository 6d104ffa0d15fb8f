"""Readers of inputs with many rows, as a stream of bounded lines."""

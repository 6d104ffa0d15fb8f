"""Inputs of many rows, read as a stream of bounded lines."""

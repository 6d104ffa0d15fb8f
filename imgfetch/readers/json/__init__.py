"""Readers of documents in JSON."""

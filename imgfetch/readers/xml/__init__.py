"""Readers of documents in XML."""

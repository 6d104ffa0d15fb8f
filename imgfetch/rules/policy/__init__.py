"""Decisions about a whole fetch: use the stored response, send, retry, redirect."""

"""Decisions, a module for each: no clock, no chance, no sockets, no files, no logging."""

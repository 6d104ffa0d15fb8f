"""Decoders: Pillow and the libraries that it brings, in this process or in a sandbox."""

"""What an image's bytes say: a walk over the structure of each format, without decoding a pixel."""

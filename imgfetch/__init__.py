"""imgfetch: the right rendition of a web image, verified, on your disk, once."""

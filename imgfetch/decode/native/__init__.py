"""The C libraries that Pillow brings, called directly."""

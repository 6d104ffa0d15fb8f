"""Rules about images: choice, browsers, placeholders, verification, file names."""

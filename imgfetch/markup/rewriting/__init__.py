"""Change the image URLs of a page, and nothing else."""

"""Files that a run leaves for other programs: the manifest of a batch."""

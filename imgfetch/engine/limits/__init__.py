"""Limits of what is under way: requests at once, the pause between two, and the time of an image."""

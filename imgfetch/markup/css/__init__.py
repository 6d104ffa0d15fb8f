"""Style sheets: tokens, values, and the images that rules name."""

"""The images of a document that are wanted."""

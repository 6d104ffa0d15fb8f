"""XML: a bounded reader of documents that may be hostile. It loads nothing."""

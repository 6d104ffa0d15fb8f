"""Readers of documents that hold other documents and images: mails, books, archives."""

"""What to do: one quiet room for each decision. No clock, no chance, no sockets, no files, no logging."""

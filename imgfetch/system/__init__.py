"""The operating system: clock, threads, atomic files, copies, versions."""

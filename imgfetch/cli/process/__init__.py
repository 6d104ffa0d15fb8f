"""The process: its event loop, its signals and its exit codes."""

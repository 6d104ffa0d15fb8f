"""What is imported: the doors of the house, where the engine meets the adapters."""

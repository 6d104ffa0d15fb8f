"""The walk: acts on what the rules decide, through the ports. Decides nothing itself."""

"""The walk from a sample to a command, and the journal that hangs off it."""

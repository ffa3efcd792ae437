"""Vocabulary and ports of the agent. Pure: no clock, no I/O; time comes in as an argument."""

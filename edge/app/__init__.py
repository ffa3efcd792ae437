"""Composition: configuration, the real clock, and the mains of the two processes."""

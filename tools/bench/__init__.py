"""Benchmarks: programs that run this project beside a peer, in one run, on the same twins."""

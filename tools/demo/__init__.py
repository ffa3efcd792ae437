"""The simulated village in one command.

Flood, siren, answer, report, on real wires and a real broker.
"""

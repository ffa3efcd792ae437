"""What the independent slaves hold, so that a test knows what it has to read from them."""

from __future__ import annotations

CELLS = 100
"""Every table is defined from 0 to CELLS - 1."""
COILS = [address % 2 for address in range(CELLS)]
DISCRETES = [int(address % 3 == 0) for address in range(CELLS)]
HOLDING = [1000 + address for address in range(CELLS)]
INPUTS = [2000 + address for address in range(CELLS)]

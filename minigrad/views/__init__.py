"""Readers of a tape, one file each. The engine imports none of them."""

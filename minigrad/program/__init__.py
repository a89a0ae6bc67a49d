"""A tape as a NumPy program: recorded, simplified, given buffers, run, or made machine code."""

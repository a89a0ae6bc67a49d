"""The small print of the engine: state, places and names, errors, hooks, and what counts as data."""

"""What pytest and Hypothesis load of minigrad at their start: small modules, which import nothing of minigrad.

They are a package of their own, as importing any part of minigrad imports all of it, and NumPy. (PYTEST_DONT_REWRITE:
there is no assertion here.)
"""

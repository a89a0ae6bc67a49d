"""Causal attention.

Three products of matrices and a softmax. No row sees what comes after it: the mask sends nothing back there.
"""

import numpy as np

from minigrad import Tensor, softmax

rng = np.random.default_rng(0)
tokens = rng.normal(size=(4, 3))
Q, K, V = (Tensor(rng.normal(size=(3, 2)), requires_grad=True) for _ in range(3))

scores = (tokens @ Q) @ (tokens @ K).T / np.sqrt(2)
seen = np.tri(4, dtype=bool)
weights = softmax(np.where(seen, scores, -np.inf), axis=-1)
out = weights @ (tokens @ V)
loss = (out**2).sum()

"""A network with a hidden layer.

Two layers, a tanh and the cross-entropy of three classes. What the hidden layer gets back is what the weights of the
output layer make of the error.
"""

import numpy as np

from minigrad import Tensor, cross_entropy

rng = np.random.default_rng(0)
x, labels = rng.normal(size=(4, 2)), np.array([0, 2, 1, 1])
W1 = Tensor(rng.normal(size=(2, 5)), requires_grad=True)
W2 = Tensor(rng.normal(size=(5, 3)), requires_grad=True)

hidden = np.tanh(x @ W1)
scores = hidden @ W2
loss = cross_entropy(scores, labels)

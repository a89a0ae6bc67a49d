"""A value that is used twice.

Gradients add up where paths meet: a recurrence uses the same weight at each step.
"""

import numpy as np

from minigrad import Tensor

w = Tensor(0.5, requires_grad=True)
h = Tensor(1.0, requires_grad=True)

h1 = np.tanh(w * h)
h2 = np.tanh(w * h1)
h3 = np.tanh(w * h2)
loss = (h3 - 1) ** 2

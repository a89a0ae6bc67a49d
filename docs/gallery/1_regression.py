"""Linear regression.

The parameters are used by all rows, so their gradients are sums: look at where the bias undoes its broadcasting.
"""

import numpy as np

from minigrad import Tensor

rng = np.random.default_rng(0)
x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
W = Tensor(rng.normal(size=(3, 2)), requires_grad=True)
b = Tensor(np.zeros(2), requires_grad=True)

yhat = x @ W + b
loss = ((yhat - y) ** 2).mean()

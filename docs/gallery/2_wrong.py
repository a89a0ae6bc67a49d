"""A backward that is wrong.

This one divides by the number of rows, where the mean is over all entries. The button that counts differences leads to
the step at which its gradient and the numerical one part.
"""

import numpy as np

from minigrad import Function, Tensor


class MSE(Function):
    @staticmethod
    def forward(ctx, yhat, y):
        ctx.save_for_backward(yhat, y)
        return ((yhat - y) ** 2).mean()

    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        d = 2 / len(yhat) * (yhat - y) * grad
        return d, -d


rng = np.random.default_rng(0)
x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
W = Tensor(rng.normal(size=(3, 2)), requires_grad=True)

loss = MSE.apply(x @ W, y)

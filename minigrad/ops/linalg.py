"""Linear algebra."""

import numpy as np

from minigrad.ops.registry import op, operand


@op
class matmul:
    """y = a @ b

    Matrices multiply over the last two axes, and axes before them broadcast. A vector counts as a matrix of one row (on
    the left) or one column (on the right), and that axis is dropped from the result.
    """
    operator = "__matmul__"
    signature = "(n?,k),(k,m?)->(n?,m?)"
    batched = True
    def forward(a, b):          return np.matmul(a, b)
    def d_a(g, y, a, b):        return g @ b.mT
    def d_b(g, y, a, b):        return a.mT @ g

    def public(matmul, a, b):
        a, b = operand(a), operand(b)
        row, column = a.ndim == 1, b.ndim == 1
        if not (row or column):
            return matmul(a, b)
        y = matmul(a.reshape(1, -1) if row else a, b.reshape(-1, 1) if column else b)
        rows, columns = y.shape[-2:]
        return y.reshape((*y.shape[:-2], *([] if row else [rows]), *([] if column else [columns])))


@op
class linear:
    """y = x @ W + b

    x is (n, p), W is (p, q), b is (q,), (1,) or a number, or left out; y is (n, q).
    """
    signature = "(n,p),(p,q),(q)->(n,q)"
    def forward(x, W, b=None):      return x @ W if b is None else x @ W + b
    def d_x(g, y, x, W, b):         return g @ W.T
    def d_W(g, y, x, W, b):         return x.T @ g
    def d_b(g, y, x, W, b):         return g

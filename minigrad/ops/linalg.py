"""Linear algebra."""

from string import ascii_letters

import numpy as np

from minigrad.ops.operation import operand
from minigrad.ops.registry import op


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
        try:
            if not (row or column):
                return matmul(a, b)
            if row and column and a.shape == b.shape:
                return dot(a, b)
            y = matmul(a.reshape(1, -1) if row else a, b.reshape(-1, 1) if column else b)
        except ValueError:
            raise ValueError(mismatch("matmul", a, b)) from None
        rows, columns = y.shape[-2:]
        return y.reshape((*y.shape[:-2], *([] if row else [rows]), *([] if column else [columns])))


def mismatch(name, a, b):
    """The error for shapes of a product that do not fit."""
    if a.ndim == 0 or b.ndim == 0:
        return f"{name}: a has shape {a.shape} and b {b.shape}, and a number is no matrix: write a * b"
    k, m = a.shape[-1], b.shape[-1 if b.ndim == 1 else -2]
    if k == m:
        return f"{name}: a has shape {a.shape} and b {b.shape}, and the axes before the last two do not broadcast"
    advice = ""
    if b.ndim > 1 and b.shape[-1] == k:
        advice = "; b.mT would fit"
    elif a.ndim > 1 and a.shape[-2] == m:
        advice = "; a.mT would fit"
    return f"{name}: a has shape {a.shape} and b {b.shape}, so rows of {k} meet columns of {m}{advice}"


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


@op
class affine:
    """y = x @ weight.T + bias, with the weight as torch keeps it: a row for each output

    x is (n, p), or (p) or (..., n, p); weight is (q, p), bias is (q), or left out; y is x with q for p.
    """
    signature = "(n,p),(q,p),(q)->(n,q)"
    def forward(x, weight, bias=None):      return x @ weight.T if bias is None else x @ weight.T + bias
    def d_x(g, y, x, weight, bias):         return g @ weight
    def d_weight(g, y, x, weight, bias):    return g.T @ x
    def d_bias(g, y, x, weight, bias):      return g

    def public(affine, x, weight, bias=None):
        x, weight = operand(x), operand(weight)
        shape, outputs_and_features = x.shape, weight.shape
        if shape[-1:] != outputs_and_features[1:]:
            raise ValueError(
                f"affine: weight has shape {outputs_and_features}, and needs (outputs, features); x has {shape}, and "
                "needs (..., features)"
            )
        if len(shape) == 2:
            return affine(x, weight, bias)
        return affine(x.reshape(-1, shape[-1]), weight, bias).reshape((*shape[:-1], outputs_and_features[0]))


@op
class dot:
    """y = a · b

    Of vectors the inner product, of matrices the matrix product; a number multiplies. Beyond that it sums over the last
    axis of a and the second-to-last of b, and has all of the other axes of a, then those of b.
    """
    signature = "(k),(k)->()"
    def forward(a, b):          return np.dot(a, b)
    def d_a(g, y, a, b):        return g * b
    def d_b(g, y, a, b):        return g * a

    def public(dot, a, b):
        a, b = operand(a), operand(b)
        if a.ndim == 1 and b.ndim == 1 and a.shape == b.shape:
            return dot(a, b)
        if a.ndim == 0 or b.ndim == 0:
            return a * b
        if b.ndim <= 2:
            return a @ b
        y = a.reshape((*a.shape[:-1], *[1] * (b.ndim - 1), a.shape[-1])) @ b
        return y.reshape((*a.shape[:-1], *b.shape[:-2], b.shape[-1]))


@op
class outer:
    "y = a bᵀ, every entry of a times every entry of b, of shape (a.size, b.size)"
    signature = "(m),(n)->(m,n)"
    def compose(a, b):
        a, b = operand(a), operand(b)
        return a.reshape(a.size, 1) * b.reshape(1, b.size)


def dominant(x):
    """A matrix with an inverse: entries of x up to 3 do not outweigh the diagonal. Where the tests take theirs from."""
    return x + 10 * np.eye(x.shape[-1], dtype=x.dtype)


@op
class inv:
    "y = x⁻¹, for each matrix"
    numpy = [np.linalg.inv]
    signature = "(n,n)->(n,n)"
    batched = True
    domain = {"x": dominant}
    def forward(x):         return np.linalg.inv(x)
    def d_x(g, y, x):       return -(y.mT @ g @ y.mT)


@op
class einsum:
    """y = Σ x · x' · ..., over the indices that `subscripts` does not name after the arrow

    Called as einsum("ij,jk->ik", a, b). Without an arrow the output has the indices that occur once, in alphabetical
    order; ... stands for axes that broadcast. No operand may have the same index twice.
    """
    signature = "(b,i,j),(b,j,k)->(i,k)"
    params = [{"subscripts": "bij,bjk->ik"}]
    def forward(*xs, subscripts):           return np.einsum(subscripts, *xs)
    def d_xs(i, g, y, *xs, subscripts):
        *names, output = subscripts.replace("->", ",").split(",")
        others = {j: x for j, x in enumerate(xs) if j != i}
        known = {}  # the lengths that the others and g have along each index
        for name, x in [(output, g), *((names[j], x) for j, x in others.items())]:
            known.update(zip(name, np.shape(x), strict=True))
        copied = {k: n for k, n in zip(names[i], xs[i].shape, strict=True) if known.get(k, 0) < n}
        return np.einsum(
            ",".join([output, *(names[j] for j in others), "".join(copied)]) + "->" + names[i],
            g, *others.values(), np.ones(list(copied.values()), g.dtype),
        )  # fmt: skip

    def public(einsum, subscripts, *operands):
        operands = [operand(x) for x in operands]
        return einsum(*operands, subscripts=spelled_out(subscripts, [x.ndim for x in operands]))


def spelled_out(subscripts, ndims):
    """The subscripts with an arrow, and with letters for each ellipsis."""
    if not isinstance(subscripts, str):
        raise TypeError(f'einsum: the subscripts come first, as in einsum("ij,jk->ik", a, b); got {subscripts!r}')
    before, arrow, after = subscripts.replace(" ", "").partition("->")
    names = before.split(",")
    if len(names) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} is for {len(names)} operands, and got {len(ndims)}")
    free = [letter for letter in ascii_letters if letter not in subscripts]
    widths = [ndim - len(name.replace("...", "")) for name, ndim in zip(names, ndims, strict=True)]
    for i, (name, width, ndim) in enumerate(zip(names, widths, ndims, strict=True)):
        if width < 0 or (width and "..." not in name):
            raise ValueError(f"einsum: {name!r} in {subscripts!r} does not name the {ndim} axes of operand {i}")
        if twice := [letter for letter in name.replace("...", "") if name.count(letter) > 1]:
            raise ValueError(
                f"einsum: {name!r} in {subscripts!r} has {twice[0]!r} twice, and diagonals are not supported; multiply "
                "by np.eye(n), with another letter for one of the two"
            )
    widest = sorted(widths)[-1] if "..." in before else 0
    ellipsis = "".join(free[:widest])
    if not arrow:
        letters = before.replace(",", "").replace("...", "")
        after = "..." + "".join(sorted(letter for letter in letters if letters.count(letter) == 1))
    if widest and "..." not in after:
        raise ValueError(f"einsum: {subscripts!r} has ... on the left, and needs it on the right of the arrow, too")
    names = [name.replace("...", ellipsis[widest - width :]) for name, width in zip(names, widths, strict=True)]
    return ",".join(names) + "->" + after.replace("...", ellipsis)

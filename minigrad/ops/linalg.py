"""Products of vectors, matrices and arrays."""

import functools
import math
from string import ascii_letters

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import FROM_NUMPY, composition, op, since


@op
class matmul:
    """y = a @ b

    Matrices multiply over the last two axes, and axes before them broadcast. A vector counts as a matrix of one row (on
    the left) or one column (on the right), and that axis is dropped from the result.

    >>> matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    Tensor([3., 7.])
    """
    operator = "__matmul__"
    numpy = [np.matmul, np.linalg.matmul]
    signature = "(n?,k),(k,m?)->(n?,m?)"
    batched = True
    def forward(a, b):          return by_rows(a, b) if a.ndim > b.ndim == 2 else np.matmul(a, b)
    def d_a(g, y, a, b):        return by_rows(g, b.mT) if g.ndim > b.ndim == 2 else g @ b.mT
    def d_b(g, y, a, b):        return rows(a).T @ rows(g) if a.ndim > b.ndim == 2 else a.mT @ g

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


def by_rows(a, b):
    """A stack of matrices times one: a single product of all rows, for which BLAS is called once."""
    return np.matmul(rows(a), b).reshape(*a.shape[:-1], b.shape[-1])


def rows(a):
    """The rows of a stack of matrices as one matrix."""
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


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

    Shapes: x is (n, p), W is (p, q), b is (q,), (1,) or a number, or left out; y is (n, q).

    >>> linear([[1.0, 2.0]], [[1.0], [1.0]], [0.5])
    Tensor([[3.5]])
    """
    signature = "(n,p),(p,q),(q)->(n,q)"
    def forward(x, W, b=None):      return x @ W if b is None else x @ W + b
    def d_x(g, y, x, W, b):         return g @ W.T
    def d_W(g, y, x, W, b):         return x.T @ g
    def d_b(g, y, x, W, b):         return g


@op
class affine:
    """y = x @ weight.T + bias, with the weight as torch keeps it: a row for each output

    Shapes: x is (n, p), or (p) or (..., n, p); weight is (q, p), bias is (q), or left out; y is x with q for p.

    >>> affine([[1.0, 2.0]], [[1.0, 1.0]], [0.5])
    Tensor([[3.5]])
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

    >>> dot([1.0, 2.0], [3.0, 4.0])
    Tensor(11.)
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
    """y = a bᵀ, every entry of a times every entry of b, of shape (a.size, b.size)

    >>> outer([1.0, 2.0], [3.0, 4.0])
    Tensor([[3., 4.],
            [6., 8.]])
    """
    signature = "(m),(n)->(m,n)"
    def compose(a, b):
        a, b = operand(a), operand(b)
        return a.reshape(a.size, 1) * b.reshape(1, b.size)


@composition(np.inner)
def inner(a, b):
    """Σ over the last axis of both, for each pair of the other entries; a number multiplies.

    >>> inner([1.0, 2.0], [3.0, 4.0])
    Tensor(11.)
    """
    a, b = lifted(operand(a)), lifted(operand(b))
    return a * b if a.ndim == 0 or b.ndim == 0 else tensordot(a, b, (-1, -1))


@composition(np.vdot)
def vdot(a, b):
    """Σ a b over all entries, of arrays of the same size.

    >>> vdot([1.0, 2.0], [3.0, 4.0])
    Tensor(11.)
    """
    return lifted(operand(a)).reshape(-1) @ lifted(operand(b)).reshape(-1)


@composition(np.vecdot, np.linalg.vecdot)
def vecdot(x1, x2, *, axis=-1):
    """Σ x1 x2 along one axis, where the others broadcast.

    >>> vecdot([1.0, 2.0], [3.0, 4.0])
    Tensor(11.)
    """
    return (np.moveaxis(lifted(operand(x1)), axis, -1) * np.moveaxis(lifted(operand(x2)), axis, -1)).sum(-1)


@composition(*since("matvec"))
def matvec(x1, x2):
    """Each matrix times its vector: (..., m, n) and (..., n) give (..., m).

    >>> matvec([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    Tensor([3., 7.])
    """
    return np.matmul(matrices("matvec", "x1", x1), np.expand_dims(x2, -1))[..., 0]


@composition(*since("vecmat"))
def vecmat(x1, x2):
    """Each vector times its matrix: (..., m) and (..., m, n) give (..., n).

    >>> vecmat([1.0, 1.0], [[1.0, 2.0], [3.0, 4.0]])
    Tensor([4., 6.])
    """
    return np.matmul(np.expand_dims(x1, -2), matrices("vecmat", "x2", x2))[..., 0, :]


def matrices(name, argument, x):
    if np.ndim(x) < 2:
        raise ValueError(f"{name}: {argument} needs the axes of a matrix, and has shape {np.shape(x)}")
    return lifted(operand(x))


@composition(np.tensordot, np.linalg.tensordot)
def tensordot(a, b, axes=2):
    """Σ over pairs of axes: the last `axes` of a with the first of b, or those that two lists name.

    The result has the other axes of a, then those of b.

    >>> tensordot([[1.0, 2.0]], [[3.0], [4.0]], 1)
    Tensor([[11.]])
    """
    a, b = lifted(operand(a)), lifted(operand(b))
    if np.ndim(axes) == 0:
        axes = range(a.ndim - axes, a.ndim), range(axes)
    of_a, of_b = axes
    of_a = [normalize_axis_index(i, a.ndim) for i in np.atleast_1d(of_a)]
    of_b = [normalize_axis_index(i, b.ndim) for i in np.atleast_1d(of_b)]
    lengths = [[x.shape[i] for i in ns] for x, ns in ((a, of_a), (b, of_b))]
    if lengths[0] != lengths[1]:
        raise ValueError(
            f"tensordot: axes {of_a} of a, shape {a.shape}, and axes {of_b} of b, shape {b.shape}, do not have the "
            "same lengths"
        )
    rest_a, rest_b = ([i for i in range(x.ndim) if i not in ns] for x, ns in ((a, of_a), (b, of_b)))
    n = np.prod(lengths[0], dtype=int)
    shape = [a.shape[i] for i in rest_a] + [b.shape[i] for i in rest_b]
    rows = a.transpose(*rest_a, *of_a).reshape(np.prod([a.shape[i] for i in rest_a], dtype=int), n)
    columns = b.transpose(*of_b, *rest_b).reshape(n, np.prod([b.shape[i] for i in rest_b], dtype=int))
    return (rows @ columns).reshape(shape)


@composition(np.kron)
def kron(a, b):
    """Kronecker's product: every entry of a times all of b, in blocks.

    >>> kron([1.0, 2.0], [1.0, 10.0])
    Tensor([ 1., 10.,  2., 20.])
    """
    a, b = lifted(operand(a)), lifted(operand(b))
    ndim = max(a.ndim, b.ndim)
    m, n = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    blocks = a.reshape([k for length in m for k in (length, 1)]) * b.reshape([k for length in n for k in (1, length)])
    return blocks.reshape([i * j for i, j in zip(m, n, strict=True)])


@composition(np.cross)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """a × b, of vectors of three entries.

    >>> cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    Tensor([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(lifted(operand(a)), axisa, -1), np.moveaxis(lifted(operand(b)), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross: vectors of 3 entries are needed, and there are {a.shape[-1]} and {b.shape[-1]}")
    after, before = [1, 2, 0], [2, 0, 1]
    return np.moveaxis(a[..., after] * b[..., before] - a[..., before] * b[..., after], -1, axisc)


@composition(np.linalg.multi_dot)
def multi_dot(arrays):
    """The product of vectors and matrices, from left to right; the first and the last may be vectors.

    >>> multi_dot([Tensor([[1.0, 2.0]]), [[3.0], [4.0]]])
    Tensor([[11.]])
    """
    return functools.reduce(dot, [lifted(operand(x)) for x in arrays])


FROM_NUMPY[np.linalg.cross] = lambda x1, x2, *, axis=-1: cross(x1, x2, axis=axis)
FROM_NUMPY[np.linalg.outer] = outer


# ------------------------------------------------------------------------------------------------------------- einsum
@op
class einsum:
    """y = Σ x · x' · ..., over the indices that `subscripts` does not name after the arrow

    Called as einsum("ij,jk->ik", a, b). Without an arrow the output has the indices that occur once, in alphabetical
    order; ... stands for axes that broadcast, and an index twice for a diagonal. The subscripts may be lists of
    numbers, each behind its operand. `optimize` is a contraction order as in NumPy, or says whether to look for one.

    >>> einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    Tensor([3., 7.])
    """
    signature = "(b,i,j),(b,j,k)->(i,k)"
    params = [{"subscripts": "bij,bjk->ik"}]
    def forward(*xs, subscripts):           return np.einsum(subscripts, *xs)
    def d_xs(i, g, y, *xs, subscripts):
        *names, output = subscripts.replace("->", ",").split(",")
        factors = [(output, g), *((names[j], x) for j, x in enumerate(xs) if j != i)]
        known = {}  # the lengths that these have along each index
        for name, x in factors:
            known.update(zip(name, np.shape(x), strict=True))
        copied = {k: n for k, n in zip(names[i], xs[i].shape, strict=True) if known.get(k, 0) < n}
        if copied:
            factors.append(("".join(copied), np.ones(list(copied.values()), g.dtype)))
        return np.einsum(",".join(name for name, _ in factors) + "->" + names[i], *[x for _, x in factors])

    def public(einsum, *operands, optimize=False):
        if not operands:
            raise TypeError('einsum: the subscripts come first, as in einsum("ij,jk->ik", a, b)')
        subscripts, operands = in_letters(operands)
        operands = [operand(x) for x in operands]
        names, output = spelled_out(subscripts, [x.ndim for x in operands])
        for i, (name, x) in enumerate(zip(names, operands, strict=True)):
            for letter in [letter for letter in dict.fromkeys(name) if name.count(letter) > 1]:
                operands[i], names[i] = x, name = on_diagonal(lifted(x), name, letter)
        if optimize is False or len(operands) < 3:
            return einsum(*operands, subscripts=",".join(names) + "->" + output)
        sizes = [np.broadcast_to(0.0, x.shape) for x in operands]
        path, _ = np.einsum_path(",".join(names) + "->" + output, *sizes, optimize=optimize)
        for chosen in path[1:]:
            taken = [(names.pop(i), operands.pop(i)) for i in sorted(chosen, reverse=True)]
            left = set(output).union(*names)
            result = "".join(k for k in dict.fromkeys("".join(name for name, _ in taken)) if k in left)
            result = result if names else output
            subscripts = ",".join(name for name, _ in taken) + "->" + result
            names.append(result)
            operands.append(einsum(*[x for _, x in taken], subscripts=subscripts))
        return operands[0]


def in_letters(operands):
    """The subscripts as text, and the operands; of (a, [0, 1], b, [1, 2], [0, 2]), too."""
    first, *rest = operands
    if isinstance(first, str):
        return first, rest
    lists = operands[1::2] if len(operands) % 2 == 0 else [*operands[1:-1:2], operands[-1]]
    if len(operands) < 2 or not all(isinstance(numbers, list | tuple) for numbers in lists):
        raise TypeError(
            f'einsum: the subscripts come first, as in einsum("ij,jk->ik", a, b), or a list behind each operand; got '
            f"{first!r}"
        )
    known = sorted({n for numbers in lists for n in numbers if n is not Ellipsis})
    letter = dict(zip(known, ascii_letters, strict=False)) | {Ellipsis: "..."}
    words = ["".join(letter[n] for n in numbers) for numbers in lists]
    if len(operands) % 2:
        return ",".join(words[:-1]) + "->" + words[-1], operands[:-1:2]
    return ",".join(words), operands[::2]


def on_diagonal(x, name, letter):
    """x where all axes of this letter have the same index, and its name with the letter once, at the end."""
    while name.count(letter) > 1:
        i = name.index(letter)
        j = name.index(letter, i + 1)
        if x.shape[i] != x.shape[j]:
            lengths = f"{x.shape[i]} and {x.shape[j]}"
            raise ValueError(f"einsum: {letter!r} is twice in {name!r}, for axes of lengths {lengths}")
        x, name = np.diagonal(x, 0, i, j), name[:i] + name[i + 1 : j] + name[j + 1 :] + letter
    return x, name


def spelled_out(subscripts, ndims):
    """The names of the operands' axes and of the output's, with letters for each ellipsis."""
    before, arrow, after = subscripts.replace(" ", "").partition("->")
    names = before.split(",")
    if len(names) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} is for {len(names)} operands, and got {len(ndims)}")
    free = [letter for letter in ascii_letters if letter not in subscripts]
    widths = [ndim - len(name.replace("...", "")) for name, ndim in zip(names, ndims, strict=True)]
    for i, (name, width, ndim) in enumerate(zip(names, widths, ndims, strict=True)):
        if width < 0 or (width and "..." not in name):
            raise ValueError(f"einsum: {name!r} in {subscripts!r} does not name the {ndim} axes of operand {i}")
    widest = sorted(widths)[-1] if "..." in before else 0
    ellipsis = "".join(free[:widest])
    if not arrow:
        letters = before.replace(",", "").replace("...", "")
        after = "..." + "".join(sorted(letter for letter in letters if letters.count(letter) == 1))
    if widest and "..." not in after:
        raise ValueError(f"einsum: {subscripts!r} has ... on the left, and needs it on the right of the arrow, too")
    names = [name.replace("...", ellipsis[widest - width :]) for name, width in zip(names, widths, strict=True)]
    return names, after.replace("...", ellipsis)

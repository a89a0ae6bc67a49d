"""What has to work where there are no processes, threads or terminals: run in Pyodide, with a line for each part."""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import minigrad
from minigrad import Function, Tensor, check, explore, formula, gradcheck, mse_loss, nn, optim, source, table

assert sys.platform == "emscripten"
rng = np.random.default_rng(0)
began = time.perf_counter()


def done(what):
    print(f"{what}: ok")
    print(f"{time.perf_counter() - began:.1f} s", file=sys.stderr)


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


W, b = Tensor(rng.normal(size=(3, 2)), requires_grad=True), Tensor(np.zeros(2), requires_grad=True)
x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
loss = mse_loss(x @ W + b, y)
loss.backward()
np.testing.assert_allclose(b.grad, (x @ W.data - y).mean(0), atol=1e-12)
done("the tape")

assert gradcheck(lambda W: mse_loss(x @ W, y), W)
assert not gradcheck(MSE.apply, (Tensor(x, requires_grad=True), x + 1.0), raise_exception=False)
done("gradcheck")

assert "by the number of entries" in str(check(MSE, signature="(n,q),(n,q)->()"))
done("check")


def loss_of(W, b):
    return mse_loss(x @ W + b, y)


assert "# backward" in str(source(loss_of, W.data, b.data, grad_of=("W", "b")))
value, gradients = minigrad.compile(loss_of, grad_of=("W", "b"), constants=[x, y])(W.data, b.data)
np.testing.assert_allclose(gradients[1], b.grad)
done("source and compile")

model = nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, 2, rng=rng))
optimizer = optim.Adam(model.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    nn.MSELoss()(model(x), y).backward()
    optimizer.step()
done("nn and optim")

assert "matmul" in str(table(loss))
assert "ȳ" in str(formula("tanh"))
assert minigrad.draw(loss, backward=True).svg.startswith("<svg")
assert "srcdoc" in explore(loss)._repr_html_()
done("views")

from minigrad.grade import grade  # noqa: E402

folder = Path(tempfile.mkdtemp())
(folder / "student.py").write_text(
    "import numpy as np\nfrom minigrad import Function\n\n\nclass ReLU(Function):\n    @staticmethod\n"
    "    def forward(ctx, x):\n        ctx.save_for_backward(x)\n        return np.maximum(x, 0)\n\n    @staticmethod\n"
    "    def backward(ctx, grad):\n        (x,) = ctx.saved_tensors\n        return grad * (x > 0)\n"
)
marks = grade(folder / "student.py", ["ReLU"])
print(marks)
done("grade, in this process")

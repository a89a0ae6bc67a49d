"""Make pictures of the README from real runs: ``python tools/pictures.py`` writes graph.svg, explorer.png and check.png
in docs/. Needs Debian's chromium and ``python -m pip install playwright``.

The backward of MSE below is wrong, as in the README: it divides by the number of rows, and there are two outputs.
"""

import html
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from minigrad import Function, Tensor, check, draw, explore, mse_loss

DOCS = Path(__file__).parents[1] / "docs"


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


rng = np.random.default_rng(1)
x, y = rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
W = Tensor(rng.normal(size=(4, 2)), requires_grad=True)
b = Tensor([0.5, -0.5], requires_grad=True)
yhat = x @ W + b


def main() -> None:
    loss = mse_loss(yhat, y)
    draw(loss, backward=True, lr=0.1).save(DOCS / "graph.svg")
    chromium = shutil.which("chromium") or sys.exit("no chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        loss = MSE.apply(yhat, y)
        page = explore(loss).save(Path(folder) / "page.html")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1180, "height": 780})
        tab.goto(page.as_uri())
        tab.keyboard.press("d")  # to the step that differs
        tab.wait_for_timeout(500)
        tab.screenshot(path=DOCS / "explorer.png")
        report = browser.new_page(viewport={"width": 860, "height": 600})
        style = "display: inline-block; margin: 0; padding: 1em; font: 12px monospace"
        text = html.escape(str(check(MSE, signature="(n,q),(n,q)->()")))
        report.set_content(f'<pre style="{style}">{text}</pre>')
        report.locator("pre").screenshot(path=DOCS / "check.png")
        browser.close()


if __name__ == "__main__":
    main()

"""The explorer's page: what is in it, and how it behaves in a real browser."""

import html.parser
import json
import re
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from programs import programs
from students import function_of

import minigrad
from minigrad import Function, Tensor, explore, mse_loss, relu
from minigrad.cli import main
from minigrad.views.explore import Changed, Page
from minigrad.views.steps import Trace

ASSETS = 150_000  # bytes, without the data and the graph


class MSE(Function):
    @staticmethod
    def forward(ctx, yhat, y):
        ctx.save_for_backward(yhat, y)
        return ((yhat - y) ** 2).mean()

    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        d = 2 / len(y) * (yhat - y) * grad  # right for one output only
        return d, -d


def network(loss_of=mse_loss):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    W = Tensor(rng.normal(size=(3, 2)), requires_grad=True)
    b = Tensor([0.5, -0.5], requires_grad=True)
    h = relu(x @ W + b)
    loss = loss_of(h, y) + 0.5 * (W * W).sum()
    return loss, explore(loss)


def stops(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.html, re.DOTALL)
    return json.loads(text)["stops"]


def items(stop):
    return [item for block in stop["blocks"] if block["type"] == "arrays" for item in block["items"]]


def verdicts(page):
    return {
        (stop["title"], item["title"]): item["verdict"]
        for stop in stops(page)
        for item in items(stop)
        if "verdict" in item
    }


# ----------------------------------------------------------------------------------------------------------- contents
def test_a_stop_for_each_node_and_each_edge():
    loss, page = network()
    trace = Trace(loss)
    found = stops(page)
    assert len(found) == len(trace.nodes) + 1 + len(trace.steps)
    assert [stop["title"] for stop in found[len(trace.nodes) :]] == [
        "the backward starts at loss",
        *["loss → t5", "loss → t8", "t8 → t7", "t7 → t6", "t6 → W", "t6 → W"],
        *["t5 → h", "h → t3", "t3 → t2", "t3 → b", "t2 → W"],
    ]


def test_what_a_step_of_the_backward_has():
    _, page = network()
    (stop,) = [stop for stop in stops(page) if stop["title"].endswith("→ b")]
    assert stop["phase"] == "backward"
    assert stop["edge"].endswith("-1")
    assert stop["source"]["text"][stop["source"]["start"] : stop["source"]["end"]] == "x @ W + b"
    formula, code, *_ = stop["blocks"]
    assert formula["lines"][0].startswith("b̄ = ")
    assert code["text"].startswith("def d_b(g, y, a, b):")
    assert code["title"].startswith("its code, elementwise.py:")
    titles = [item["title"] for item in items(stop)]
    assert titles[1:4] == ["the rule gives", "contribution to b", "numerical derivative"]
    assert "torch" in titles
    assert "numerical derivative of the whole program" in titles
    texts = [block["text"] for block in stop["blocks"] if block["type"] == "text"]
    assert "Undone on the way, broadcasting: 5×2 → 2." in texts[0]


def test_the_local_jacobian_is_the_derivative():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = np.exp(x) * 2.0
    (stop,) = [stop for stop in stops(explore(y.sum())) if stop["title"].endswith("→ x")]
    (jacobian,) = [item for item in items(stop) if item["title"].startswith("local Jacobian")]
    assert jacobian["rows"] == [[f"{np.e:.4g}", "0"], ["0", f"{np.e**2:.4g}"]]


def test_right_gradients_agree():
    _, page = network()
    found = verdicts(page)
    assert set(found.values()) == {"agrees"}
    assert sum(what == "torch" for _, what in found) >= 8


@settings(max_examples=20)
@given(programs(6))
def test_right_gradients_agree_whatever_the_program(program):
    output = program(*[Tensor(a, requires_grad=True) for a in program.leaves]).sum()
    page = Page(Trace(output))
    assert "differs" not in verdicts(page).values()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_right_gradients_agree_in_single_precision(dtype):
    rng = np.random.default_rng(0)
    W = Tensor(rng.normal(size=(4, 3)).astype(dtype), requires_grad=True)
    x = rng.normal(size=(6, 4)).astype(dtype)
    loss = minigrad.cross_entropy(np.tanh(x @ W), np.array([0, 1, 2, 0, 1, 2]))
    found = verdicts(explore(loss))
    assert set(found.values()) == {"agrees"}
    assert len(found) > 10


def test_a_wrong_backward_is_found_where_it_is():
    _, page = network(MSE.apply)
    differing = [pair for pair, verdict in verdicts(page).items() if verdict == "differs"]
    wrong = {title for title, what in differing if what == "torch"}
    wholes = {title for title, what in differing if "whole" in what}
    (step,) = wrong  # all other steps do what they should
    assert step.endswith("→ h")
    assert {title.rpartition(" → ")[2] for title in wholes} == {"W", "b"}  # and what comes out is wrong
    (stop,) = [stop for stop in stops(page) if stop["title"] == step]
    ours = next(item for item in items(stop) if item["title"].startswith("contribution"))
    assert all(all(row) for row in ours["wrong"])
    torch = next(item for item in items(stop) if item["title"] == "torch")
    assert torch["verdict"] == "differs"  # torch differentiates the student's own forward


@pytest.mark.parametrize("factor", [0.0, 1.001, -1.0])
def test_small_and_large_errors_differ(factor):
    wrong = function_of(lambda x: x * x, lambda x, g: factor * 2 * x * g)
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert "differs" in verdicts(explore(wrong.apply(x).sum())).values()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_near_an_optimum_rounding_is_measured_against_the_terms(dtype):
    """The loop of the README: its last gradients are what is left of terms a million times their size, and more."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype(dtype)
    y = (x @ [[2.0], [-1.0], [0.5]] + 3.0 + 0.1 * rng.normal(size=(200, 1))).astype(dtype)
    W, b = (Tensor(np.zeros(shape, dtype), requires_grad=True) for shape in ((3, 1), 1))
    for _ in range(200):
        loss = ((x @ W + b - y) ** 2).mean()
        dW, db = minigrad.gradients(loss, [W, b])
        W.data, b.data = W.data - 0.1 * dW.data, b.data - 0.1 * db.data
    loss = ((x @ W + b - y) ** 2).mean()
    found = verdicts(explore(loss))
    assert sum("whole" in what for _, what in found) == 2
    assert set(found.values()) == {"agrees"}

    class Off(Function):
        @staticmethod
        def forward(ctx, W):
            return W * 1

        @staticmethod
        def backward(ctx, grad):
            return grad + grad.dtype.type(1e-3)

    loss = ((x @ Off.apply(W) + b - y) ** 2).mean()
    wrong = {title for (title, what), verdict in verdicts(explore(loss)).items() if verdict == "differs"}
    assert {title.rpartition(" → ")[2] for title in wrong} == {"W"}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_cannot_be_compared_says_so_entry_by_entry(bad):
    wrong = function_of(lambda x: x * x, lambda x, g: 7 * np.ones_like(x) * g)
    page = explore(wrong.apply(Tensor([bad, 1.0, 3.5], requires_grad=True)).sum())
    shown = [item for stop in stops(page) for item in items(stop) if "verdict" in item]
    (numeric,) = [item for item in shown if item["title"] == "numerical derivative"][1:]
    assert numeric["verdict"] == "differs"
    assert numeric["wrong"] == [[False, True, False]]
    assert numeric["unknown"] == [[True, False, False]]
    assert numeric["uncompared"] == "1 of 3 entries cannot be compared"

    found = verdicts(explore(np.exp(Tensor(bad, requires_grad=True))))
    assert set(found.values()) == {"unknown"}


def test_a_backward_that_fails_ends_with_what_it_should_have_given():
    class Short(Function):
        @staticmethod
        def forward(ctx, x, b):
            return x + b

        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    x, b = Tensor(np.ones((3, 2)), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    last = stops(explore(Short.apply(x, b).sum()))[-1]
    assert last["title"] == "the backward stops at t2"
    assert last["blocks"][0]["role"] == "alert"
    assert "sum over axis 0" in last["blocks"][0]["text"]
    assert items(last)[-1] == {
        "title": "what b should get: the numerical derivative",
        "shape": "2",
        "rows": [["3", "3"]],
    }


def test_the_tape_is_not_changed():
    """A Function keeps its ctx, though its forward ran again for the numerical derivative."""
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = MSE.apply(x, np.zeros(2))
    before = y.op.ctx.saved_tensors, y.op.result
    explore(y)
    assert (y.op.ctx.saved_tensors, y.op.result) == before
    assert x.grad is None


def test_a_tape_without_a_backward():
    x = Tensor([1.0, 2.0], requires_grad=True) * 2
    *_, last = stops(explore(x))
    assert last["title"] == "x has no backward"
    assert stops(explore(Tensor([1.0])))[0]["title"].endswith("is data")


def test_large_arrays_are_summed_up_and_large_tapes_are_bounded(monkeypatch):
    W = Tensor(np.ones((9, 9)), requires_grad=True)
    found = stops(explore((W * W).sum()))
    assert items(found[0])[0] == {"title": "value of W, float64", "shape": "9×9", "summary": "all 1"}
    assert "verdict" not in json.dumps(found)
    all_of_them = len(verdicts(network()[1]))
    monkeypatch.setattr("minigrad.views.explore.CHECKED", 10)
    assert 0 < len(verdicts(network()[1])) < all_of_them


def test_without_torch_the_numerical_derivative_is_there(monkeypatch):
    monkeypatch.setattr("minigrad.views.explore.find_spec", lambda name: None)
    found = verdicts(network()[1])
    assert {what for _, what in found} >= {"numerical derivative"}
    assert "torch" not in {what for _, what in found}
    assert set(found.values()) == {"agrees"}


def test_the_page_is_small_and_asks_for_nothing():
    _, page = network()
    (data,) = re.findall(r'id="data">(.*?)</script>', page.html, re.DOTALL)
    (graph,) = re.findall(r"<svg.*?</svg>", page.html, re.DOTALL)
    assert len(page.html.encode()) - len(data.encode()) - len(graph.encode()) < ASSETS
    assert re.findall(r"https?:[^\"]*", page.html) == ["http://www.w3.org/2000/svg"]  # the name of SVG, no address
    assert not re.search(
        r"<(link|img|iframe|object|embed|base)\b|@import|url\((?!#)|\bimport\b|fetch|XMLHttp", page.html
    )
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page.html)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


HOSTILE = "</script><script>pwned = 1</script><img src=x onerror=pwned=1>\"'`&{{script}}"


def hostile_page():
    names = {}
    x = Tensor([np.nan, -np.inf], requires_grad=True)
    names[id(x)] = HOSTILE
    space = {"Function": Function}
    exec(
        compile(
            "class Evil(Function):\n"
            "    forward = staticmethod(lambda ctx, a: a * 2)\n"
            "    def backward(ctx, grad): raise ValueError('</script><script>pwned = 1</script>\\u2028\\x00')\n",
            f"{HOSTILE}.py",
            "exec",
        ),
        space,
    )
    space["Evil"].__name__ = HOSTILE
    return Page(Trace((space["Evil"].apply(x) * 1.0).sum(), None, names))


def test_hostile_names_and_values_are_only_text():
    page = hostile_page()

    class Tags(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = []

        def handle_starttag(self, tag, attributes):
            self.found.append(tag)
            assert not [name for name, _ in attributes if name.startswith("on")]

    tags = Tags()
    tags.feed(page.html)
    assert tags.found.count("script") == 2
    assert "img" not in tags.found
    assert any(HOSTILE in stop["title"] for stop in stops(page))
    assert page.html.count('"use strict"') == 1  # a template's mark in a name is not filled in


# ---------------------------------------------------------------------------------------------------------------- live
@pytest.mark.parametrize("loss_of", [mse_loss, MSE.apply])
def test_a_changed_tape_is_that_of_the_changed_values(loss_of):
    """Parameters and bare arrays alike; the tensors of the user stay as they are."""
    rng = np.random.default_rng(5)
    x, W = rng.normal(size=(5, 3)), Tensor(rng.normal(size=(3, 2)), requires_grad=True)

    def page():
        h = relu(x @ W)
        return explore(loss_of(h, np.ones((5, 2))))

    before = page()
    state = Changed(before.trace)
    assert state.html() == before.html
    names = [leaf["name"] for leaf in state.form()]
    state.change(names.index("W"), 3, 7.5)
    state.change(names.index("x"), 1, -2.0)
    assert before.trace.value[W][1, 1] != 7.5
    W.data = np.where(np.arange(6).reshape(3, 2) == 3, 7.5, W.data)
    x = np.where(np.arange(15).reshape(5, 3) == 1, -2.0, x)
    assert state.html() == page().html


def test_without_anywidget_it_is_the_page_and_says_so(monkeypatch):
    monkeypatch.setattr("minigrad.views.explore.find_spec", lambda name: None)
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="anywidget"):
        assert type(explore((x * x).sum(), live=True)) is Page


def test_save_show_and_command(tmp_path, capsys, monkeypatch):
    _, page = network()
    assert page.save(tmp_path / "page.html") == tmp_path / "page.html"
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.html
    assert page._repr_html_().startswith('<iframe title="explorer" sandbox="allow-scripts"')
    assert "<script" not in page._repr_html_()  # it is in an attribute, escaped
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(
        "from minigrad import Tensor\nw = Tensor(2.0, requires_grad=True)\n(w * w).backward()\n"
    )
    assert main(["explore", "train.py", "-o", "out.html"]) == 0
    assert capsys.readouterr().out == "page: out.html\n"
    assert "multiply(w, w)" in (tmp_path / "out.html").read_text(encoding="utf-8")
    assert main(["explore", "train.py", "-o", "no/such/folder.html"]) == 2
    assert "No such file" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------- the browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: python -m pip install playwright")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page from the disk; at the end nothing was on the console, and nothing but the page was asked for."""
    heard, asked = [], []
    context = browser.new_context(viewport={"width": 1200, "height": 800})

    def open_(page, fragment=""):
        path = page.save(tmp_path / "page.html")
        tab = context.new_page()
        tab.on("console", lambda message: heard.append(message.text))
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri() + fragment)
        return tab

    yield open_
    context.close()
    assert heard == []
    assert {url.partition("#")[0] for url in asked} == {(tmp_path / "page.html").as_uri()}


def title(tab):
    return tab.locator("#panel h2").inner_text().split("\n")


def test_keys_slider_and_address(opened):
    loss, page = network()
    nodes = len(minigrad.tape(loss))
    tab = opened(page)
    assert title(tab) == [f"forward, 1 of {nodes}", "W is a parameter"]
    tab.keyboard.press("ArrowRight")
    assert title(tab)[1] == "b is a parameter"
    assert tab.evaluate("location.hash") == "#step=2"
    tab.keyboard.press("b")
    assert title(tab)[1] == "the backward starts at loss"
    tab.keyboard.press("End")
    assert title(tab)[1] == "t2 → W"
    tab.keyboard.press("ArrowRight")  # there is none after the last
    assert title(tab)[1] == "t2 → W"
    tab.keyboard.press("ArrowLeft")
    assert title(tab)[1] == "t3 → b"
    assert tab.locator("#slider").get_attribute("aria-valuetext").endswith(": t3 → b")
    tab.locator("#slider").focus()
    tab.keyboard.press("ArrowLeft")  # the slider's own key, once
    assert title(tab)[1] == "t3 → t2"
    tab.evaluate("location.hash = '#step=3'")
    tab.wait_for_function("document.querySelector('#panel h2').innerText.includes('t2 =')")
    tab.reload()
    assert title(tab)[1].startswith("t2 = matmul(x, W)")
    tab.keyboard.press("Home")
    tab.locator("#next").click()
    assert title(tab)[1] == "b is a parameter"
    tab.locator("#first").click()
    assert tab.locator("#back").is_disabled()


def test_clicks_on_boxes_and_edges(opened):
    loss, page = network()
    trace = Trace(loss)
    tab = opened(page)
    tab.locator("[data-node=n3]").click()
    assert title(tab)[1].startswith("t3 = add(")
    assert tab.locator("[data-node=n3]").get_attribute("aria-current") == "step"
    assert tab.locator(".now[data-node]").count() == 1
    tab.locator("[data-edge='3-1'] .hit").dispatch_event("click")
    assert title(tab)[1] == "t3 → b"
    assert "now" in tab.locator("[data-edge='3-1']").get_attribute("class")
    tab.locator("[data-node=n4]").click()  # in the backward: where its gradient has come together
    assert title(tab)[1].endswith("→ h")
    tab.locator("[data-node=n0]").focus()
    tab.keyboard.press("Enter")
    assert title(tab)[1] == "t2 → W"
    assert tab.locator(".now[data-node]").get_attribute("data-node") == f"n{trace.nodes.index(trace.steps[-1].input)}"


def test_the_graph_follows_the_steps(opened):
    _, page = network()
    tab = opened(page)
    assert "later" in tab.locator("[data-node=n3]").get_attribute("class")
    assert tab.locator(".gone").count() == 0
    visible = "e => getComputedStyle(e).visibility"
    assert tab.locator("[data-node=n1] .grad").evaluate(visible) == "hidden"
    tab.keyboard.press("End")
    assert tab.locator(".later").count() == 0
    assert tab.locator("[data-node=n1] .grad").evaluate(visible) == "visible"
    assert tab.locator(".gone").count() == len([s for s in stops(page) if s["edge"]])


def test_the_panel_shows_the_step(opened):
    _, page = network()
    tab = opened(page)
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("#panel mark").inner_text() == "x @ W + b"
    assert tab.locator("#panel .bar").all_inner_texts() == ["b", "t3"]
    assert tab.locator("#panel .bar").first.get_attribute("aria-label") == "cotangent of b"
    assert "def d_b(g, y, a, b)" in tab.locator("#panel .code pre").inner_text()
    assert tab.locator("#panel .agrees").count() >= 3
    assert tab.locator("#panel table").first.locator("tr").count() == 5
    assert tab.locator("#panel").get_attribute("aria-live") == "polite"
    assert tab.get_by_role("button", name="b: parameter").count() == 1  # a box is a button, by its title


def test_differences_are_found_and_marked_with_more_than_a_colour(opened):
    _, page = network(MSE.apply)
    tab = opened(page)
    assert tab.locator("#wrong").inner_text() == "✗ 3 steps differ"
    tab.keyboard.press("d")
    assert title(tab)[1].endswith("→ h")
    assert "✗ differs" in tab.locator("#panel").inner_text()
    wrong = tab.locator("#panel td.wrong").first
    assert wrong.evaluate("e => getComputedStyle(e, '::before').content") == '"≠ "'
    tab.locator("#wrong").click()
    assert title(tab)[1].endswith("→ b")


def test_nothing_can_be_injected(opened):
    page = hostile_page()
    tab = opened(page)
    for _ in range(len(stops(page))):
        assert tab.evaluate("typeof pwned") == "undefined"
        tab.keyboard.press("ArrowRight")
    assert tab.locator("img").count() == 0
    assert "</script><script>pwned = 1</script>" in tab.locator("[role=alert]").inner_text()


@pytest.mark.parametrize("size", [(1280, 800), (820, 1180), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_screen_and_can_be_read(browser, tmp_path, size, scheme):
    path = network(MSE.apply)[1].save(tmp_path / "page.html")
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(path.as_uri())
    for key in ("Home", "b", "d", "End"):
        tab.keyboard.press(key)
        assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert tab.locator("#panel h2").is_visible()
        for selector in ("#panel h2", "#panel figcaption", "#where", "footer p"):
            assert contrast(tab, selector) >= 4.5
    context.close()


def contrast(tab, selector):
    """The ratio of the Web Content Accessibility Guidelines between an element's text and the page."""
    colours = tab.evaluate(
        """selector => [getComputedStyle(document.querySelector(selector)).color,
                        getComputedStyle(document.body).backgroundColor]""",
        selector,
    )
    lights = []
    for colour in colours:
        channels = np.array([int(c) for c in re.findall(r"\d+", colour)[:3]]) / 255
        linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        lights.append(linear @ [0.2126, 0.7152, 0.0722])
    return (max(lights) + 0.05) / (min(lights) + 0.05)

# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. Attention, and a tiny GPT
#
# After this lesson you will be able to
#
# - write causal attention: three products of matrices and a softmax;
# - put a whole GPT on one page, and train it on the tape until it invents names;
# - look into its attention, sample from it, and say what the temperature does.
#
# You need lessons 1, 2 and 5b.

# %% [markdown]
# ## The task
#
# A language model guesses the next letter. It reads `.anna.` from the left, where the dot stands for beginning and end.
# After `.` it should expect an `a`, after `.a` an `n`, and so on. A name of four letters gives five such guesses. All
# we need is a list of names, and a number for each letter. Here are the 260 most frequent first names of women in the
# United States, and the 260 of men, as the Census Bureau counted them in 1990 (the files dist.female.first and
# dist.male.first, which are in the public domain).

# %% names
import numpy as np

import minigrad
from minigrad import Tensor, optim
from minigrad.lesson import answered, exercise, expect, same

NAMES = """
aaron adam adrian agnes alan albert alex alexander alfred alice alicia allan allen allison alma alvin amanda amber amy
ana andre andrea andrew angel angela anita ann anna anne annette annie anthony antonio april arlene armando arnold
arthur ashley audrey barbara barry beatrice ben benjamin bernard bernice bertha bessie beth betty beverly bill billy
bobby bonnie brad bradley brandon brenda brent brett brian brittany bruce bryan calvin carl carla carlos carmen carol
caroline carolyn carrie catherine cathy cecil chad charlene charles charlie charlotte cheryl chester chris christian
christina christine christopher christy cindy clara clarence claude claudia clayton clifford clinton clyde cody colleen
connie constance corey cory courtney craig crystal curtis cynthia dale dan dana daniel danielle danny darlene darrell
darren darryl david dawn dean debbie deborah debra delores denise dennis derek derrick diana diane dolores don donald
donna dora doris dorothy douglas duane dustin dwayne dwight earl eddie edgar edith edna edward edwin eileen elaine
eleanor elizabeth ella ellen elmer elsie emily emma eric erica erik erin ernest esther ethel eugene eva evelyn felix
fernando florence floyd frances francis francisco frank franklin fred frederick gabriel gail gary gene george georgia
gerald geraldine gertrude gilbert gina gladys glen glenda glenn gloria gordon grace greg gregory guy harold harry harvey
hazel heather hector heidi helen henry herbert herman holly howard hugh ida irene irma jack jackie jacob jacqueline
james jamie jane janet janice jared jason javier jay jean jeanette jeanne jeff jeffery jeffrey jennifer jeremy jerome
jerry jesse jessica jessie jesus jill jim jimmie jimmy jo joan joann joanne joe joel john johnny jon jonathan jorge jose
joseph josephine joshua joy joyce juan juanita judith judy julia julie julio june justin karen karl katherine kathleen
kathryn kathy katie keith kelly kenneth kevin kim kimberly kristen kristin kurt kyle lance larry laura lauren laurie
lawrence lee lena leo leon leonard leroy leslie lester lewis lillian lillie linda lisa lloyd lois lonnie loretta lori
lorraine louis louise lucille lucy luis lydia lynn mabel manuel marc marcia marcus margaret maria marian marie marilyn
mario marion marjorie mark marlene marsha martha martin marvin mary mathew matthew mattie maureen maurice max maxine
megan melanie melinda melissa melvin michael micheal michele michelle miguel mike mildred milton minnie mitchell monica
myrtle nancy natalie nathan nathaniel neil nellie nelson nicholas nicole norma norman oscar pamela patricia patrick paul
paula pauline pearl pedro peggy peter philip phillip phyllis rachel rafael ralph ramon randall randy raul ray raymond
rebecca regina reginald renee rhonda ricardo richard rick ricky rita robert roberta roberto robin rodney roger roland
ron ronald ronnie rosa rose rosemary roy ruben ruby russell ruth ryan sally sam samantha samuel sandra sara sarah scott
sean shane shannon sharon shawn sheila sherry shirley stacey stacy stanley stella stephanie stephen steve steven sue
susan suzanne sylvia tamara tammy tanya tara ted teresa terri terry thelma theodore theresa thomas tiffany tim timothy
tina todd tom tommy tony tonya tracy travis troy tyler tyrone valerie vanessa vera vernon veronica vicki vickie victor
victoria vincent viola virginia vivian walter wanda warren wayne wendy wesley william willie wilma yolanda yvonne
zachary
""".split()
LETTERS = ".abcdefghijklmnopqrstuvwxyz"
LONGEST = max(map(len, NAMES)) + 1  # letters that are read; behind the last one comes a dot


def batch(names):
    """Letters as numbers, what comes next, and 1 where that counts: three arrays of shape (names, LONGEST)."""
    codes = np.zeros((len(names), LONGEST + 1), dtype=int)
    counts = np.zeros((len(names), LONGEST))
    for row, name in enumerate(names):
        codes[row, 1 : len(name) + 1] = [LETTERS.index(letter) for letter in name]
        counts[row, : len(name) + 1] = 1
    return codes[:, :-1], codes[:, 1:], counts


# %%
codes, following, counts = batch(["anna"])
for t in range(5):
    print(f"{''.join(LETTERS[c] for c in codes[0, : t + 1]):6} is followed by {LETTERS[following[0, t]]}")
print(f"{len(NAMES)} names, the longest of {LONGEST - 1} letters")
assert counts.sum() == 5

# %% [markdown]
# ## Attention
#
# Each letter is a row of $d$ numbers, and there are $T$ rows. To guess what follows row $t$, the model must look at the
# rows before it. At which, it should find out by itself.
#
# So each row asks a question, its *query* $q_t$. Each row has a label, its *key* $k_t$, and something to say, its
# *value* $v_t$. All three are linear in the row. The better a key answers a query, the larger their inner product
# $q_t \cdot k_u$. Softmax makes weights of these products, which add up to 1. What row $t$ gets is the weighted mean of
# the values:
#
# $$A = \operatorname{softmax}\Big(\frac{Q K^\top}{\sqrt d}\Big), \qquad \text{result} = A V.$$
#
# The division by $\sqrt d$ keeps the products from growing with $d$: a sum of $d$ products of random numbers is about
# $\sqrt d$ large.
#
# *Causal* means that row $t$ must not see the rows after it, which hold the answer. Their products are replaced by
# $-\infty$, and their weights become 0. Count: one product of matrices makes queries, keys and values, one compares,
# one takes the mean. There is a softmax between the last two.


# %% attention
def attention(q, k, v):
    """The result, (..., T, d), and the weights, (..., T, T), for queries, keys and values of shape (..., T, d)."""
    T, d = q.shape[-2:]
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(d)
    earlier = np.tri(T, dtype=bool)  # row t may look at column u if u <= t
    weights = minigrad.softmax(np.where(earlier, scores, -np.inf), axis=-1)
    return weights @ v, weights


# %%
rng = np.random.default_rng(0)
x, W = rng.normal(size=(4, 3)), rng.normal(size=(3, 9))
q, k, v = np.split(x @ W, 3, axis=-1)
result, weights = attention(q, k, v)
print(weights.numpy().round(2))
assert np.allclose(weights.numpy().sum(axis=1), 1)
assert np.allclose(result.numpy()[0], v[0])  # the first row sees nothing but itself

x[3] += 1  # another last row
again, _ = attention(*np.split(x @ W, 3, axis=-1))
assert np.allclose(again.numpy()[:3], result.numpy()[:3])  # changes nothing before it

# %% [markdown]
# On the tape all of this is a handful of operations, and the chain rule goes back through them as ever. Here is the
# whole sweep for three rows of two numbers:

# %%
q, k, v = (Tensor(rng.normal(size=(3, 2)), requires_grad=True) for _ in range(3))
result, _ = attention(q, k, v)
print(minigrad.table(result.sum()))

# %% [markdown]
# Attention does not see an order. It takes a mean, and a mean does not care which value came first: exchange two of the
# earlier rows, and the last row gets the same. So the place of a letter is added to the letter: a row of numbers for
# each place, learned like all others.

# %%
x = rng.normal(size=(4, 3))
last = [attention(*np.split(x[order] @ W, 3, axis=-1))[0].numpy()[3] for order in ([0, 1, 2, 3], [2, 0, 1, 3])]
assert np.allclose(last[0], last[1])
print("the last row gets the same, whatever the order of those before it")

# %% [markdown]
# ## The whole model
#
# - `letter` and `place` are tables, of *embeddings*. A row of each, added up, is what a letter is at the beginning.
# - *Layer norm* brings each row to mean 0 and deviation 1, and then to a scale of its own, `gain` and `bias`. Without
#   it the numbers would grow from layer to layer.
# - Attention has four *heads*: the row is cut into four parts, which look at different places, and put together again.
# - Two linear maps with `relu` between them, as in lesson 5b, work on each row by itself.
# - Both are *added* to what is there. So a gradient has a straight way back to the beginning, whatever the layers do.
# - One more linear map makes a score for each letter that could follow.


# %% model
WIDTH, HEADS = 32, 4


def start(rng):
    """The parameters: arrays by their names."""

    def normal(*shape):
        return rng.normal(size=shape) / np.sqrt(shape[0])

    return {
        "letter": 0.5 * rng.normal(size=(len(LETTERS), WIDTH)),
        "place": 0.5 * rng.normal(size=(LONGEST, WIDTH)),
        "gain1": np.ones(WIDTH),
        "bias1": np.zeros(WIDTH),
        "qkv": normal(WIDTH, 3 * WIDTH),
        "together": normal(WIDTH, WIDTH),
        "gain2": np.ones(WIDTH),
        "bias2": np.zeros(WIDTH),
        "up": normal(WIDTH, 4 * WIDTH),
        "down": normal(4 * WIDTH, WIDTH),
        "gain3": np.ones(WIDTH),
        "bias3": np.zeros(WIDTH),
        "scores": normal(WIDTH, len(LETTERS)),
    }


def layer_norm(x, gain, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return gain * centred / np.sqrt(variance + 1e-5) + bias


def gpt(p, codes):
    """Scores of the letter that follows, (n, T, letters), for numbers of letters (n, T); and the attention."""
    n, T = codes.shape
    x = p["letter"][codes] + p["place"][:T]

    qkv = layer_norm(x, p["gain1"], p["bias1"]) @ p["qkv"]
    heads = qkv.reshape(n, T, 3, HEADS, WIDTH // HEADS).transpose(2, 0, 3, 1, 4)  # 3, n, heads, T, part
    mixed, weights = attention(heads[0], heads[1], heads[2])
    x = x + mixed.swapaxes(1, 2).reshape(n, T, WIDTH) @ p["together"]

    hidden = np.maximum(layer_norm(x, p["gain2"], p["bias2"]) @ p["up"], 0)
    x = x + hidden @ p["down"]

    return layer_norm(x, p["gain3"], p["bias3"]) @ p["scores"], weights


def loss_of(p, codes, following, counts):
    """The cross-entropy, as a mean over all letters that count."""
    scores, _ = gpt(p, codes)
    log_p = minigrad.log_softmax(scores, axis=-1)
    rows, places = np.indices(codes.shape)
    return -(log_p[rows, places, following] * counts).sum() / counts.sum()


# %% [markdown]
# ## Training
#
# Before training, all 27 letters are about equally likely, and the loss should not be far above $\log 27 = 3.30$. Then
# each step takes 32 names. The optimizer is Adam, with a step that shrinks to zero.

# %%
rng = np.random.default_rng(1)
parameters = {name: Tensor(array, requires_grad=True) for name, array in start(rng).items()}
optimizer = optim.Adam(list(parameters.values()), lr=0.01)
STEPS = 400

history = []
for step in range(STEPS):
    loss = loss_of(parameters, *batch(rng.choice(NAMES, size=32)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / STEPS)
    optimizer.step()
    history.append(loss.item())
    if step % 100 == 0:
        print(f"step {step:3}: loss {history[-1]:.2f}")

print(f"{sum(p.size for p in parameters.values()):,} parameters, loss {np.mean(history[-20:]):.2f} in the end")
assert 3 < history[0] < 5
assert np.mean(history[-20:]) < 2

# %% [markdown]
# ## It invents names
#
# Begin with the dot. Take the probabilities of what follows, draw a letter, append it, and go on until a dot is drawn.
# The *temperature* divides the scores before the softmax. Below 1 it makes the likely letters likelier, and the names
# more ordinary; above 1 it does the opposite.


# %%
def sample(p, rng, temperature=0.8):
    name = ""
    with minigrad.no_grad():
        while len(name) < LONGEST - 1:
            codes = np.array([[0, *(LETTERS.index(letter) for letter in name)]])
            scores, _ = gpt(p, codes)
            chances = minigrad.softmax(scores[0, -1] / temperature).numpy()
            letter = rng.choice(list(LETTERS), p=chances / chances.sum())
            if letter == ".":
                break
            name += letter
    return name


rng = np.random.default_rng(2)
invented = [sample(parameters, rng) for _ in range(20)]
new = [name for name in invented if name not in NAMES]
print(f"{len(new)} of 20 are new: {', '.join(new)}")
assert len(new) >= 5

# %% [markdown]
# ## Where it looks
#
# A row is a letter, a column a letter that it may look at, and a darker field a larger weight. Nobody told the heads
# where to look. Some have learned to look at the letter itself, others at the one or two before it.

# %%
name = ".helena"
codes = np.array([[LETTERS.index(letter) for letter in name]])
with minigrad.no_grad():
    _, weights = gpt(parameters, codes)

heads = weights.numpy()[0]
try:
    import matplotlib.pyplot as plt
except ImportError:  # characters do as well
    print("   ".join(f"head {number}: {name}" for number in range(HEADS)))
    for t, letter in enumerate(name):
        print("   ".join(f"      {letter} " + "".join(" .:oO#"[int(5.99 * a)] for a in head[t]) for head in heads))
else:
    figure, axes = plt.subplots(1, HEADS, figsize=(10, 3), layout="constrained")
    for number in range(HEADS):
        axes[number].imshow(heads[number], cmap="Greys", vmin=0, vmax=1)
        axes[number].set(title=f"head {number}", xticks=range(len(name)), yticks=range(len(name)))
        axes[number].set(xticklabels=name, yticklabels=name)
assert heads.shape == (HEADS, len(name), len(name))
assert np.allclose(heads.sum(axis=-1), 1)

# %% [markdown]
# ## What arrays are good for
#
# The tape of lesson 1 has a row for each *number*. A GPT on such a tape has more than a hundred thousand rows for one
# name, and Python handles each of them by itself. Here a row is an *array*: some fifty rows, whatever the number of
# names. `python -m benchmarks.gpt` trains this model on both kinds of tape, side by side, after they have agreed on the
# loss and all parameters. In batches of 32 names, a name takes less than a thousandth of the time.

# %%
loss = loss_of(parameters, *batch(NAMES[:32]))
rows = [v for v in minigrad.tape(loss) if v.op]
print(f"{len(rows)} operations, of {sum(v.size for v in rows):,} numbers in all, for 32 names")
assert len(rows) < 100

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** A product of queries and keys may be masked by an addition, too. Write `mask(T)`, of shape $(T, T)$:
# `softmax(scores + mask(T))` shall have the weights of causal attention, for any finite scores.


# %% exercise 1 tags=["raises-exception"]
def mask(T):
    return ...


# %% check 1
@exercise(1)
def check_1():
    for T, size in ((1, 1), (4, 1), (7, 5)):
        q, k, v = rng.normal(size=(3, T, 5)) * size
        _, true = attention(q, k, v)
        found = np.asarray(answered(mask(T)), dtype=float)
        expect(found.shape == (T, T), f"mask({T}) should have the shape ({T}, {T})")
        weights = minigrad.softmax(q @ k.T / np.sqrt(5) + found, axis=-1)
        expect(same(weights, true), "nothing is added where a row may look; and what leaves nothing of e^s elsewhere?")


# %% [markdown]
# **Exercise 2.** The backward of the last product, by hand. `g` is the cotangent of the result $A V$, of shape
# $(T, d)$. Return the cotangents of the weights $A$ and of the values $V$.


# %% exercise 2 tags=["raises-exception"]
def mean_backward(g, A, V):
    return ...


# %% check 2
@exercise(2)
def check_2():
    A, V = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((4, 4), (4, 3)))
    g = rng.normal(size=(4, 3))
    (A @ V).backward(g)
    found = mean_backward(g.copy(), A.numpy().copy(), V.numpy().copy())
    expect(
        same(found, (A.grad, V.grad)), "it is a product of matrices, and lesson 2 has its two rules: mind the shapes"
    )


# %% [markdown]
# **Exercise 3.** How surprised is the model by a name? Write `surprise(name)`: the mean of $-\log p$ over the letters
# of a name and the dot behind it, as a float. Use `batch` and `loss_of`, or do it by hand. Then compare `anna` and
# `xqzwk`.


# %% exercise 3 tags=["raises-exception"]
def surprise(name):
    return ...


# %% check 3
@exercise(3)
def check_3():
    for name in ("anna", "o", "xqzwk"):
        codes, following, _ = batch([name])
        scores = gpt(parameters, codes)[0].numpy()[0]
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        true = np.mean([-np.log(chances[t, following[0, t]]) for t in range(len(name) + 1)])
        expect(same(surprise(name), true), f"for {name}: each letter and the dot behind them count, and nothing else")
    return f"anna {surprise('anna'):.2f}, xqzwk {surprise('xqzwk'):.2f}"


# %% [markdown]
# ## Read next
#
# - `minigrad/ops/linalg.py`: the rules of `matmul`, for any number of axes in front.
# - `minigrad/nn/layers.py`: `Embedding` and `LayerNorm` as layers, with the names that they have in PyTorch.
# - `minigrad/optim/optimizers.py`: Adam, in a few lines.

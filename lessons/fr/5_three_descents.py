# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. Trois descentes, et leur bruit
#
# À la fin de cette leçon, vous saurez
#
# - écrire les descentes de gradient par lot complet, stochastique et par mini-lots comme une seule boucle, et les
#   comparer honnêtement ;
# - dire quelle longueur un pas peut avoir, à quel point un petit lot est bruité, et à quelle hauteur au-dessus de
#   l'optimum ce bruit maintient une descente ;
# - reconnaître cinq erreurs courantes, et les faire toutes détecter.
#
# Il vous faut la leçon 2, et les valeurs propres. Les données sont fournies avec minigrad : le recensement de
# Californie de 1990, 20 640 îlots de maisons, 8 caractéristiques, et la valeur médiane d'une maison en centaines de
# milliers de dollars.

# %% langue
import os

os.environ["MINIGRAD_LANG"] = "fr"  # les vérifications répondent en français

# %% [markdown]
# ## Les données, séparées avant toute mesure
#
# Un cinquième des lignes est mis de côté pour le *test*. Sur les autres, on prend la moyenne et l'écart type de chaque
# caractéristique, on retranche l'une et on divise par l'autre : les caractéristiques sont *standardisées*. Ce qui est à
# plus de 5 écarts types est ramené à 5.

# %%
import math
from types import SimpleNamespace

import numpy as np

import minigrad
from minigrad import lab
from minigrad.lesson import answered, exercise, expect, same

data = lab.load("california")
rng = np.random.default_rng(4)
order = rng.permutation(len(data.features))
train, test = order[4128:], order[:4128]

mean, deviation = data.features[train].mean(0), data.features[train].std(0)  # of the training rows only
standard = ((data.features - mean) / deviation).clip(-5, 5)
x, y = standard[train], data.targets[train]
x_test, y_test = standard[test], data.targets[test]
n, p = x.shape

print(data)
print(n, "training rows; features:", ", ".join(data.feature_names))
assert (n, p, y.shape) == (16512, 8, (16512, 1))

# %% [markdown]
# Le problème a une solution exacte. Elle nous dit où chaque descente devrait finir. Elle connaît aussi la courbure de
# la perte, la hessienne $H = \frac{2}{n} Z^\top Z$, où $Z$ est $X$ avec une colonne de uns. Le long d'un vecteur propre
# de valeur propre $\lambda$, un pas de taille $\eta$ multiplie la distance à l'optimum par $1 - \eta\lambda$. La
# descente converge donc tant que $\eta < 2 / \lambda_{\max}$.

# %%
exact = lab.LeastSquares(x, y)

print(f"the smallest possible loss is {exact.mse:.4f}")
print(f"eigenvalues from {exact.eigenvalues[0]:.3f} to {exact.eigenvalues[-1]:.3f}")
print(f"largest stable step: {exact.full_batch_bound:.3f}")
assert np.isclose(exact.full_batch_bound, 2 / exact.eigenvalues[-1])

# %% [markdown]
# ## Une seule boucle pour les trois
#
# Les méthodes ne diffèrent que par un nombre, celui des lignes par pas : toutes (*batch*), une seule (*stochastic*,
# SGD), ou quelques-unes (*mini-batch*). Tout le reste vient de la leçon 1 : enregistrer, parcourir à rebours, faire un
# pas. Un passage sur toutes les lignes est une *époque* (*epoch*).


# %%
def mse(W, b, x, y):
    return ((x @ W + b - y) ** 2).mean().item()


def descend(lr, batch_size, epochs, start=None, seed=0):
    """Gradient descent. `lr` is a number, or a function of the number of the step.

    Returns the weights, the loss of each step's batch, and `seen` and `full`: samples seen, and the loss over all
    training rows, at 60 moments of the descent.
    """
    rng = np.random.default_rng(seed)
    W0, b0 = start or (np.zeros((p, 1)), np.zeros(1))
    W, b = minigrad.Tensor(W0.copy(), requires_grad=True), minigrad.Tensor(b0.copy(), requires_grad=True)
    steps = epochs * math.ceil(n / batch_size)
    seen, full, batch, samples = [0], [mse(W0, b0, x, y)], [], 0
    for _ in range(epochs):
        order = rng.permutation(n)
        xs, ys = x[order], y[order]
        for first in range(0, n, batch_size):
            rows = slice(first, first + batch_size)
            loss = minigrad.mse_loss(minigrad.linear(xs[rows], W, b), ys[rows])
            loss.backward()
            eta = lr(len(batch)) if callable(lr) else lr
            with minigrad.no_grad():
                W -= eta * W.grad
                b -= eta * b.grad
            W.zero_grad()
            b.zero_grad()
            batch.append(loss.item())
            samples += len(xs[rows])
            if len(batch) % max(1, steps // 60) == 0:
                seen.append(samples)
                full.append(mse(W.data, b.data, x, y))
    return SimpleNamespace(W=W.data, b=b.data, seen=np.array(seen), full=np.array(full), batch=np.array(batch))


runs = {
    "batch": descend(0.9 * exact.full_batch_bound, n, epochs=2),
    "mini-batch": descend(0.02, 32, epochs=2),
    "stochastic": descend(0.002, 1, epochs=2),
}
above = {}
for name, run in runs.items():
    late = run.full[run.seen > 0.75 * run.seen[-1]].mean()  # over the last quarter: a single value may be luck
    above[name] = 100 * (late / exact.mse - 1)
    print(f"{name:10} {len(run.batch):6} steps: {above[name]:5.1f} % above the optimum")
assert max(above["mini-batch"], above["stochastic"]) < 5 < above["batch"]

# %% [markdown]
# La comparaison est honnête parce que les trois ont *vu autant d'exemples*, et parce que la perte est toujours celle
# *sur toutes les lignes d'apprentissage*. En deux passages, la descente par lot complet fait deux pas. Il lui faut bien
# plus de passages, mais ils sont bon marché, car NumPy calcule toutes les lignes à la fois ; et elle finit plus près,
# car rien ne la dérange :

# %%
patient = descend(0.9 * exact.full_batch_bound, n, epochs=100)

print(f"batch, after 100 passes: {100 * (patient.full[-1] / exact.mse - 1):.4f} % above the optimum")
assert patient.full[-1] < 1.001 * exact.mse
assert (np.diff(patient.full) < 0).all()  # it never goes up
assert (np.diff(runs["stochastic"].full) > 0).any()  # SGD does

# %%
try:
    import matplotlib.pyplot as plt
except ImportError:
    print("no picture: matplotlib is not installed, and nothing below needs it")
else:
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for name, run in runs.items():
        axes.plot(run.seen, run.full / exact.mse - 1, marker="." if name == "batch" else "", label=name)
    axes.set(xlabel="samples seen", ylabel="training loss above the optimum, in parts of it", yscale="log")
    axes.legend()

# %% [markdown]
# ## À quoi ressemble le bruit
#
# Le gradient d'un lot est une moyenne sur ses lignes. Il est donc juste en moyenne, et son écart décroît comme la
# *racine carrée* de la taille du lot : quatre fois plus de lignes, moitié moins de bruit. Voici ce qu'il en est à
# l'optimum, où le gradient de la perte entière est nul (les longueurs sont des moyennes quadratiques) :

# %%
Z = np.column_stack([x, np.ones(n)])
each_row = 2 * (x @ exact.weights + exact.bias - y) * Z  # the gradient of each row, lesson 2
noise = {}
for size in (1, 4, 16, 64, 256):
    picks = rng.integers(n, size=(400_000 // size, size))
    noise[size] = np.sqrt((each_row[picks].mean(1) ** 2).sum(1).mean())
    print(f"batches of {size:3}: the gradient has length {noise[size]:.2f}")
assert np.allclose(each_row.mean(0), 0, atol=1e-10)
assert 12 < noise[1] / noise[256] < 20  # sqrt(256) is 16

# %% [markdown]
# Qu'en résulte-t-il pour une descente ? Faites partir SGD *de* l'optimum. Elle n'y reste pas : chaque pas l'en écarte,
# et la pente l'y ramène. Elle flotte à une hauteur proportionnelle au pas, environ $\frac{\eta}{4}\, \mathbb E \|g\|^2$
# au-dessus de l'optimum ($g$ est le gradient d'une ligne). Un pas deux fois plus court, une hauteur deux fois moindre,
# mais deux fois plus de pas pour y arriver.

# %%
heights = {}
for lr in (0.004, 0.002):
    run = descend(lr, 1, epochs=1, start=(exact.weights, exact.bias))
    heights[lr] = run.full[20:].mean() / exact.mse - 1
    predicted = lr / 4 * noise[1] ** 2 / exact.mse
    print(f"lr {lr}: hovers {100 * heights[lr]:.2f} % above the optimum (predicted: about {100 * predicted:.1f} %)")
assert 1.5 < heights[0.004] / heights[0.002] < 3

# %% [markdown]
# ## Cinq erreurs, et ce qui les détecte
#
# **Un : des poids de taille (8,).** Les prédictions sont de taille $(n,)$, les cibles de taille $(n, 1)$, et leur
# différence compare toutes les paires (leçon 4). La perte des meilleurs poids devient pire que celle de la moyenne.
# `mse_loss` refuse.

# %%
few = slice(0, 1000)
pairs = (x[few] @ exact.weights.ravel() + exact.bias) - y[few]
print(
    f"shape {pairs.shape}, loss {(pairs**2).mean():.2f} instead of {mse(exact.weights, exact.bias, x[few], y[few]):.2f}"
)
assert pairs.shape == (1000, 1000)
assert (pairs**2).mean() > y[few].var()
try:
    minigrad.mse_loss(x[few] @ minigrad.Tensor(exact.weights.ravel()), y[few])
except ValueError as error:
    print(f"caught: {error}")
else:
    raise AssertionError("nobody noticed")

# %% [markdown]
# **Deux : des caractéristiques brutes.** La population d'un îlot se compte en milliers ; dans cette direction, la perte
# est donc raide : le plus grand pas stable est 3e-7, et avec 0.01 la perte explose en quelques pas. Une boucle devrait
# s'arrêter à la première perte qui n'est pas finie, comme le fait `lab.train`, et `LeastSquares` connaît d'avance le
# plus grand pas.

# %%
raw = lab.LeastSquares(data.features[train], y)
W, losses = np.zeros((p, 1)), []
while len(losses) < 100 and np.isfinite(losses[-1:]).all():
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is noticed by the line above
        error = data.features[train] @ W - y
        losses.append((error**2).mean())
        W = W - 0.01 * 2 / n * data.features[train].T @ error
print(f"losses {', '.join(f'{loss:.1e}' for loss in losses[:5])}, ... not finite after {len(losses)} steps")
print(f"largest stable step on raw features: {raw.full_batch_bound:.1e}")
assert len(losses) < 100
assert raw.full_batch_bound < 1e-6

# %% [markdown]
# **Trois : la perte d'une époque, mal assemblée.** La perte d'un lot est déjà une moyenne. Si l'on divise la somme des
# moyennes par le nombre d'*exemples*, la perte paraît `batch_size` fois plus petite. Si l'on divise par
# `n // batch_size`, on compte un lot de trop peu. La moyenne des moyennes est presque juste : le dernier lot, plus
# court, pèse autant qu'un lot plein. La bonne est la moyenne pondérée par les nombres d'exemples.

# %%
W, b = np.zeros((p, 1)), np.zeros(1)
batches = [slice(first, first + 100) for first in range(0, n, 100)]
losses = np.array([mse(W, b, x[rows], y[rows]) for rows in batches])
sizes = np.array([len(x[rows]) for rows in batches])
truth = mse(W, b, x, y)

print(f"{len(batches)} batches, the last one of {sizes[-1]} rows; the loss is {truth:.4f}")
print(f"sum / samples        {losses.sum() / n:.4f}")
print(f"sum / (n // 100)     {losses.sum() / (n // 100):.4f}")
print(f"mean of the means    {losses.mean():.4f}")
assert np.isclose(losses.sum() / n, truth / 100, rtol=0.01)
assert len(batches) == n // 100 + 1
assert not np.isclose(losses.mean(), truth, rtol=1e-5)

# %% [markdown]
# **Quatre : la perte d'apprentissage pendant que les poids bougent, celle de test après.** La moyenne sur les lots de
# la première époque n'appartient à aucun poids ; elle vient surtout du temps où ils étaient mauvais. À côté d'une perte
# de test prise à la fin, elle suggère que le modèle réussit mieux sur des lignes qu'il n'a jamais vues. Évaluez les
# deux avec les *mêmes* poids.

# %%
first = descend(0.02, 32, epochs=1)
moving, train_loss, test_loss = first.batch.mean(), mse(first.W, first.b, x, y), mse(first.W, first.b, x_test, y_test)

print(f"while the weights move {moving:.3f}; at the end: training {train_loss:.3f}, test {test_loss:.3f}")
assert moving > 1.1 * train_loss
assert moving > test_loss

# %% [markdown]
# **Cinq : standardiser d'abord, séparer ensuite.** Les lignes de test influencent alors ce que voit l'apprentissage.
# Ici, cela se voit : un îlot compte 1 243 personnes par ménage, et dans ce découpage c'est une ligne de test. À lui
# seul, il fait plus d'un tiers de l'écart type de `AveOccup`. Séparez d'abord ; c'est ce que fait `lab.train`.

# %%
leaky = data.features.std(0)
for j, name in enumerate(data.feature_names):
    print(f"{name:10} deviation with the test rows {leaky[j]:9.2f}, without {deviation[j]:9.2f}")
occupancy = data.feature_names.index("AveOccup")
assert deviation[occupancy] < 0.7 * leaky[occupancy]

# %% [markdown]
# Deux autres erreurs relèvent de `backward`, le mauvais diviseur et `None` pour le gradient de `y` ; la leçon 3 les
# détecte.

# %% [markdown]
# ## Exercices
#
# **Exercice 1.** Calculez la bonne perte d'une époque, à partir des pertes de ses lots et de leurs tailles (deux
# tableaux).


# %% exercise 1 tags=["raises-exception"]
def epoch_loss(losses, sizes):
    return ...


# %% check 1
@exercise(1)
def check_1():
    found = epoch_loss(losses.copy(), sizes.copy())
    expect(same(found, truth, rtol=1e-9), "each row should count as much as any other, those of the last batch, too")


# %% [markdown]
# **Exercice 2.** Calculez le plus grand pas stable de la descente par lot complet, pour des caractéristiques `x`
# quelconques, de taille $(n, p)$, et un modèle avec biais.


# %% exercise 2 tags=["raises-exception"]
def largest_step(x):
    return ...


# %% check 2
@exercise(2)
def check_2():
    for table in (x, x[:100], rng.normal(size=(50, 4)) + 1):
        true = lab.LeastSquares(table, np.zeros((len(table), 1))).full_batch_bound
        expect(same(largest_step(table.copy()), true), f"for features {table.shape}; the bias is a weight, too")


# %% [markdown]
# **Exercice 3.** SGD à pas constant est soit lente, soit bruitée : après un passage, elle est à plus de 1 % au-dessus
# de l'optimum. Faites rétrécir le pas. Écrivez `step(t)`, la longueur du pas numéro `t` (il y en a $n$), avec laquelle
# un passage finit plus près que cela.


# %% exercise 3 tags=["raises-exception"]
def step(t):
    return ...


# %% check 3
@exercise(3)
def check_3():
    answered(step(0))
    with np.errstate(all="ignore"):  # too large a step shows as nan
        run = descend(step, 1, epochs=1)
        end = 100 * (mse(run.W, run.b, x, y) / exact.mse - 1)
    expect(end < 1, f"it ends {end:.2f} % above the optimum")
    return f"it ends {end:.2f} % above the optimum"


# %% [markdown]
# ## À lire ensuite
#
# - `minigrad/lab/descent.py` : la boucle, une fois pour toutes les méthodes ; `minigrad/lab/theory.py` : d'où viennent
#   les bornes et les hauteurs.
# - En ligne de commande, `minigrad compare` fait tout cela, avec des fichiers d'événements pour TensorBoard si vous le
#   voulez.

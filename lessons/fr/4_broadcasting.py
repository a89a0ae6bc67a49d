# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Défaire la diffusion
#
# À la fin de cette leçon, vous saurez
#
# - dire sur quels axes il faut sommer un gradient, à partir des dimensions des deux tableaux seulement ;
# - écrire la fonction qui le fait, et la comparer à sa définition ;
# - reconnaître l'accident qui fait de $n$ différences $n^2$, et le faire détecter.
#
# Il vous faut les leçons 1 et 2, et les règles de diffusion (*broadcasting*) de NumPy.

# %% langue
import os

os.environ["MINIGRAD_LANG"] = "fr"  # les vérifications répondent en français

# %% [markdown]
# ## Diffuser, c'est utiliser une valeur plusieurs fois
#
# Dans `X @ W + b`, le produit est de taille $(n, q)$ et le biais de taille $(q,)$. NumPy lit chaque coefficient de `b`
# une fois par ligne, donc $n$ fois en tout. La leçon 1 dit quoi faire d'une valeur qui sert $n$ fois : additionner les
# $n$ cotangents. La somme sur les lignes dans $\bar b = \mathbf 1^\top \bar{\hat Y}$ n'est donc pas propre à la
# régression. Elle appartient au `+`, et à toute opération qui diffuse.

# %%
import numpy as np

import minigrad
from minigrad.lesson import answered, exercise, expect, same

rng = np.random.default_rng(0)
n, q = 5, 2
product, b = rng.normal(size=(n, q)), minigrad.Tensor(rng.normal(size=q), requires_grad=True)
g = rng.normal(size=(n, q))  # any cotangent of the sum

(product + b).backward(g)

print(f"a cotangent of shape {g.shape} became a gradient of shape {b.grad.shape}")
assert np.allclose(b.grad, g.sum(axis=0))

# %% [markdown]
# ## Copier et additionner sont transposés l'un de l'autre
#
# Pourquoi exactement une somme ? Diffuser, c'est copier, et copier est une application linéaire : le grand tableau,
# écrit en colonne, est le produit d'une matrice $C$ de zéros et de uns par le petit. Chaque ligne de $C$ contient un
# seul 1, à la place du coefficient copié. Si $y = C a$, la règle de la chaîne donne $\bar a = C^\top \bar y$ ; et la
# ligne $j$ de $C^\top$ a ses 1 à toutes les copies de $a_j$. Elle les additionne.


# %%
def copying(shape, large):
    """The matrix C that broadcasts an array of `shape` to the shape `large`, both written as columns."""
    size = int(np.prod(shape))
    copied = np.broadcast_to(np.arange(size).reshape(shape), large)  # which entry stands where
    return (copied.reshape(-1, 1) == np.arange(size)).astype(float)


C = copying((2,), (3, 2))
print(C)
a, g = rng.normal(size=2), rng.normal(size=(3, 2))
assert np.array_equal(C @ a, np.broadcast_to(a, (3, 2)).ravel())
assert np.allclose(C.T @ g.ravel(), g.sum(axis=0))

# %% [markdown]
# ## La fonction
#
# NumPy diffuse de deux façons. Il ajoute *de nouveaux axes devant* jusqu'à ce que les deux tableaux en aient autant, et
# il *étire les axes de longueur 1*. Pour défaire cela : on somme sur les nouveaux axes, qui disparaissent ; on somme
# sur les axes étirés, en leur laissant la longueur 1.


# %%
def unbroadcast(g, shape):
    new = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(new)))
    stretched = tuple(i for i, length in enumerate(shape) if length == 1 and g.shape[i] != 1)
    return g.sum(axis=stretched, keepdims=True)


for shape, large in [((2,), (3, 2)), ((3, 1), (3, 2)), ((), (3, 2)), ((1, 4, 1), (2, 4, 5)), ((4, 1), (2, 4, 5))]:
    g = rng.normal(size=large)
    found = unbroadcast(g, shape)
    print(f"{large!s:10} -> {shape}")
    assert found.shape == shape
    assert np.allclose(found.ravel(), copying(shape, large).T @ g.ravel())
    assert np.allclose(found, minigrad.unbroadcast(g, shape))

# %% [markdown]
# minigrad appelle son `unbroadcast` à un seul endroit, sur le chemin d'une opération à ses entrées. Aucune règle de la
# table des opérations n'a donc à parler de diffusion : `add` peut dire `d_b = g`.

# %% [markdown]
# ## Dans votre propre `backward`, c'est à vous de sommer
#
# minigrad ne répare pas une `Function` (leçon 3). Un gradient qui n'a pas les dimensions de son entrée est une erreur :


# %%
class AddBias(minigrad.Function):
    @staticmethod
    def forward(ctx, x, b):
        return x + b

    @staticmethod
    def backward(ctx, grad):
        return grad, grad  # forgets to sum


x, b = minigrad.Tensor(np.ones((5, 2)), requires_grad=True), minigrad.Tensor(np.ones(2), requires_grad=True)
try:
    AddBias.apply(x, b).sum().backward()
except RuntimeError as error:
    print(error)
else:
    raise AssertionError("nobody noticed")

# %% [markdown]
# Un gradient qui a les bonnes dimensions et une valeur fausse, c'est pire. Pour un biais, `grad.mean(0)` est juste avec
# une seule ligne, et $n$ fois trop petit sinon. Aucune erreur ne l'arrête ; une vérification sur plusieurs lignes, si.

# %% [markdown]
# ## L'accident
#
# Des prédictions de taille $(n,)$ et des cibles de taille $(n, 1)$ sont pour nous les mêmes nombres. Pour NumPy, leur
# différence est le tableau de *toutes les paires*, de taille $(n, n)$. Aucune erreur n'est levée, la perte est un
# nombre, et elle descend :

# %%
n = 200
x = rng.normal(size=(n, 3))
y = x @ [[2.0], [-1.0], [0.5]] + 0.1 * rng.normal(size=(n, 1))  # (n, 1)


def descend(shape):
    """A hundred steps for weights of this shape; the weights, and the shape of the differences."""
    w = minigrad.Tensor(np.zeros(shape), requires_grad=True)
    for _ in range(100):
        error = x @ w - y
        (error**2).mean().backward()
        with minigrad.no_grad():
            w -= 0.1 * w.grad
        w.zero_grad()
    return w.numpy().ravel(), error.shape


right, right_shape = descend((3, 1))
wrong, wrong_shape = descend((3,))

print(f"weights (3, 1): differences {right_shape}, weights {right.round(2)}")
print(f"weights (3,):   differences {wrong_shape}, weights {wrong.round(2)}")
assert wrong_shape == (n, n)
assert np.allclose(right, [2, -1, 0.5], atol=0.05)
assert np.allclose(wrong, 0, atol=0.2)

# %% [markdown]
# Qu'est-ce que cela apprend ? En notant $\mu$ la moyenne des cibles et $\sigma^2$ leur variance,
#
# $$\frac{1}{n^2} \sum_{i,j} (\hat y_i - y_j)^2 = \frac{1}{n} \sum_i (\hat y_i - \mu)^2 + \sigma^2.$$

# %%
guess = x @ wrong
assert np.isclose(((guess - y) ** 2).mean(), ((guess - y.mean()) ** 2).mean() + y.var())
print(f"the loss {((guess - y) ** 2).mean():.3f} is hardly above the variance of the targets, {y.var():.3f}")

# %% [markdown]
# Le mieux est donc de prédire $\mu$ pour chaque ligne : les caractéristiques sont ignorées. Sur une courbe, l'accident
# se reconnaît : la perte ne descend jamais sous la variance des cibles.
#
# Les fonctions de perte de minigrad refusent un tel couple de dimensions ; dans le mode prudent `strict`, toutes les
# opérations font de même :

# %%
w = minigrad.Tensor(np.zeros(3), requires_grad=True)
messages = []
try:
    minigrad.mse_loss(x @ w, y)
except ValueError as error:
    messages.append(str(error))
try:
    with minigrad.strict():
        x @ w - y
except ValueError as error:
    messages.append(str(error))

for message in messages:
    print(f"- {message}")
assert len(messages) == 2
assert all("(200,)" in message and "(200, 1)" in message for message in messages)

# %% [markdown]
# ## Exercices
#
# **Exercice 1.** `A` est de taille $(4, 1, 3)$ et `B` de taille $(2, 1)$. Sur quels axes du cotangent de `A * B`
# faut-il sommer pour le gradient de chacun ? Répondez par des tuples de numéros d'axes.

# %% exercise 1 tags=["raises-exception"]
axes_of_A = ...
axes_of_B = ...


# %% check 1
@exercise(1)
def check_1():
    g = rng.normal(size=(4, 2, 3))
    for name, axes, shape in (("A", axes_of_A, (4, 1, 3)), ("B", axes_of_B, (2, 1))):
        axes = answered(axes)
        found = g.sum(axis=tuple(axes) if np.iterable(axes) else axes)
        right = found.size == np.prod(shape) and same(found.reshape(shape), unbroadcast(g, shape))
        expect(right, f"look at {name}; write (4, 1, 3) and (2, 1) below each other, aligned at the right")


# %% [markdown]
# **Exercice 2.** Les colonnes de `x`, de taille $(n, p)$, sont centrées : $y = x - m$, où $m$, de taille $(p,)$, est la
# moyenne sur les lignes. `x` sert donc deux fois, et `m` est diffusé. Établissez $\bar x$ à partir de $\bar y$ (`g`),
# et écrivez-le en une ligne.


# %% exercise 2 tags=["raises-exception"]
def centred_backward(g):
    return ...


# %% check 2
@exercise(2)
def check_2():
    x, g = minigrad.Tensor(rng.normal(size=(5, 3)), requires_grad=True), rng.normal(size=(5, 3))
    (x - x.mean(0)).backward(g)
    hint = "x is used twice; the cotangent of m is a sum over the rows, and m itself a mean"
    expect(same(centred_backward(g.copy()), x.grad), hint)


# %% [markdown]
# **Exercice 3.** Écrivez `Multiply`, le produit de deux tableaux avec diffusion, comme une `Function` :
# `class Multiply(minigrad.Function)` avec `forward(ctx, a, b)` et `backward(ctx, grad)`. Vous pouvez utiliser
# `unbroadcast`. Mettez la classe à la place de la ligne ci-dessous.

# %% exercise 3 tags=["raises-exception"]
Multiply = ...


# %% check 3
@exercise(3)
def check_3():
    function = answered(Multiply)
    expect(
        isinstance(function, type) and issubclass(function, minigrad.Function), "Multiply should be a minigrad.Function"
    )
    for shapes in [((5, 3), (5, 3)), ((5, 3), (3,)), ((5, 1), (1, 3)), ((), (2, 3))]:
        inputs = [minigrad.Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]
        a, b = inputs
        product = function.apply(a, b)
        expect(same(product, a.numpy() * b.numpy()), f"forward should return the product, for the shapes {shapes}")
        report = minigrad.gradcheck(function.apply, inputs, raise_exception=False)
        expect(report, f"backward, for the shapes {shapes}\n\n{report}")


# %% [markdown]
# `minigrad grade 4_broadcasting.py Multiply` note le troisième ; un notebook convient aussi.

# %% [markdown]
# ## À lire ensuite
#
# - `minigrad/broadcasting.py` : tout est là, une seule fonction.
# - `Operation.fit` dans `minigrad/ops/operation.py`, le seul endroit qui l'appelle ; `minigrad/strict.py`, qui détecte
#   l'accident.

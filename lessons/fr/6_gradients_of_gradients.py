# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6. Des gradients de gradients, et le programme derrière la bande
#
# À la fin de cette leçon, vous saurez
#
# - expliquer pourquoi un parcours à rebours peut être dérivé à son tour, et le faire ;
# - utiliser les dérivées secondes : la hessienne, son produit avec un vecteur, la méthode de Newton ;
# - afficher le programme que la bande a enregistré, et y retrouver les formules de la leçon 2.
#
# Il vous faut les leçons 1 à 3.

# %% langue
import os

os.environ["MINIGRAD_LANG"] = "fr"  # les vérifications répondent en français

# %% [markdown]
# ## Le parcours est un calcul, lui aussi
#
# La règle du produit dit `g * b`. Dans la leçon 1, `g` et `b` étaient des nombres, et la règle calculait un nombre. Si
# on lui donne des Tensors, le même texte *enregistre* un produit. Avec `create_graph=True`, minigrad effectue le
# parcours sur des Tensors. Le parcours est donc lui-même sur une bande, et une bande se parcourt.

# %%
import numpy as np

import minigrad
from minigrad import Tensor, grad, gradients, hessian, hvp
from minigrad.lesson import answered, exercise, expect, same

x = Tensor(2.0, requires_grad=True)
y = x * x * x
(dy,) = gradients(y, x, create_graph=True)
(d2y,) = gradients(dy, x, create_graph=True)
(d3y,) = gradients(d2y, x)

print(f"y' = {dy.item()}, y'' = {d2y.item()}, y''' = {d3y.item()}")
assert (dy.item(), d2y.item(), d3y.item()) == (12, 12, 6)  # 3 x^2, 6 x, 6

print(f"on the tape of y': {', '.join(v.op.name for v in minigrad.tape(dy) if v.op)}")
assert len(minigrad.tape(dy)) > len(minigrad.tape(y))

# %% [markdown]
# `grad` prend une fonction et en renvoie une autre, sa dérivée. On peut donc l'appliquer de nouveau, et la même boucle
# sert à tous les ordres.

# %%
f = np.sin
for order in range(5):
    print(f"derivative {order} of sin at 1: {f(1.0).item():8.5f}")
    f = grad(f)
assert np.isclose(f(1.0), np.cos(1.0))  # the fifth

# %% [markdown]
# ## À quoi servent les dérivées secondes
#
# Pour la régression linéaire, la leçon 5 a utilisé la hessienne $H = \frac{2}{n} X^\top X$. La bande peut maintenant la
# trouver. Elle ne dépend pas du point où l'on se trouve : la perte est un paraboloïde.

# %%
rng = np.random.default_rng(0)
n, p = 50, 3
X = rng.normal(size=(n, p))
Y = X @ [2.0, -1.0, 0.5] + 0.1 * rng.normal(size=n)


def loss(w):
    return ((X @ w - Y) ** 2).mean()


H = hessian(loss)(np.zeros(p))
print(H.round(3))
assert np.allclose(H, 2 / n * X.T @ X)
assert np.allclose(H, hessian(loss)(rng.normal(size=p)))

# %% [markdown]
# Avec un million de paramètres, personne ne peut stocker $H$. Mais $H v$ n'est pas plus long que le gradient, et ne
# coûte que quelques parcours : c'est le gradient de $\langle \nabla L, v \rangle$, où $v$ est une constante.

# %%
v = rng.normal(size=p)
w = Tensor(np.zeros(p), requires_grad=True)
(slope,) = gradients(loss(w), w, create_graph=True)
(product,) = gradients((slope * v).sum(), w)

print(f"H v = {product.numpy()}")
assert np.allclose(product.numpy(), H @ v)
(ready_made,) = hvp(loss, (np.zeros(p),), (v,))  # for any number of arrays
assert np.allclose(ready_made, H @ v)

# %% [markdown]
# La méthode de Newton remplace la perte par le paraboloïde qui coïncide avec elle jusqu'au second ordre au point où
# l'on se trouve, et va à son point le plus bas, $w - H^{-1} \nabla L$. Ici, le paraboloïde est la perte elle-même. Un
# seul pas suffit, et il n'y a pas de longueur à choisir :

# %%
w = np.zeros(p) - np.linalg.solve(H, grad(loss)(np.zeros(p)))
optimum, *_ = np.linalg.lstsq(X, Y)

print(f"after one step: {w}\nleast squares:  {optimum}")
assert np.allclose(w, optimum)

# %% [markdown]
# ## Un piège
#
# La fonction ci-dessous est juste, et sa dérivée première aussi. Mais elle garde $2x$, qu'elle a calculé, et non $x$,
# qu'on lui a donné. La dérivée seconde doit passer par ce qui a été gardé : d'où vient $2x$ ? Pour
# $f(x) = x \cdot x^2$, la vérité est $f''(3) = 18$. PyTorch renvoie 12 sans rien dire. minigrad exécute `forward` une
# fois de plus, sur des Tensors, pour que la bande le sache. Il ne s'arrête que là où un nombre a quitté la bande, et
# nomme la ligne.


# %%
class Square(minigrad.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(2 * x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (twice,) = ctx.saved_tensors
        return twice * grad


x = Tensor(3.0, requires_grad=True)
f = x * Square.apply(x)
(df,) = gradients(f, x, create_graph=True)
assert df.item() == 27  # 3 x^2
(d2f,) = gradients(df, x)
assert d2f.item() == 18

# %% [markdown]
# ## Le programme derrière la bande
#
# Une bande est une liste d'opérations dans l'ordre où elles ont été calculées : un programme sans boucles ni branches.
# Un parcours enregistré ne fait que l'allonger. `minigrad.source` l'affiche. Voici un pas entier de descente de
# gradient, pour un modèle linéaire avec biais :


# %%
def step(X, W, b, Y):
    return minigrad.mse_loss(minigrad.linear(X, W, b), Y)


def update(parameters, gradients):
    W, b = parameters
    dW, db = gradients
    return [W - 0.1 * dW, b - 0.1 * db]


W, b, Y = np.zeros((p, 2)), np.zeros(2), rng.normal(size=(n, 2))
program = minigrad.source(step, X, W, b, Y, grad_of=("W", "b"), update=update)
print(program)

# %% [markdown]
# Retrouvez-y les deux formules de la leçon 2, $\bar W = X^\top \bar{\hat Y}$ et $\bar b = \mathbf 1^\top \bar{\hat Y}$.
# Il ne reste aucun Tensor, et rien de minigrad : c'est le NumPy que l'on écrirait à la main. On peut l'appeler, et il
# donne les mêmes nombres que la bande, bit pour bit :

# %%
_, (new_W, new_b) = program(X, W, b, Y)

tensors = Tensor(W, requires_grad=True), Tensor(b, requires_grad=True)
dW, db = gradients(step(X, *tensors, Y), tensors)
assert "X.T @" in str(program)
assert np.array_equal(new_W, W - 0.1 * dW.numpy())
assert np.array_equal(new_b, b - 0.1 * db.numpy())
print("tape and program agree in every bit")

# %% [markdown]
# Et la dérivée seconde de tanh, telle que minigrad l'a trouvée. À la main, on obtient $-2 \tanh x\, (1 - \tanh^2 x)$ :

# %%
second = minigrad.source(lambda x: np.tanh(x).sum(), np.zeros(3), grad_of="x", order=2)
print(second)

x = np.array([-1.0, 0.0, 2.0])
_, _, d2 = second(x)
assert np.allclose(d2, -2 * np.tanh(x) * (1 - np.tanh(x) ** 2))

# %% [markdown]
# ## Exercices
#
# **Exercice 1.** Écrivez `derivative(f, k)`, la dérivée d'ordre `k` d'une fonction d'un nombre, comme une fonction.


# %% exercise 1 tags=["raises-exception"]
def derivative(f, k):
    return ...


# %% check 1
@exercise(1)
def check_1():
    answered(derivative(np.sin, 1))
    cases = ("sin", np.sin, 0, np.sin(0.5)), ("sin", np.sin, 3, -np.cos(0.5)), ("x^5", lambda x: x**5, 5, 120.0)
    for name, f, k, true in cases:
        expect(same(answered(derivative(f, k))(0.5), true, rtol=1e-9), f"at x = 0.5, for {name} and k = {k}")


# %% [markdown]
# **Exercice 2.** Écrivez `newton(f, w)`, un pas de la méthode de Newton à partir de `w`, de taille $(p,)$, pour une
# perte quelconque. La cellule suivante fait huit pas sur la régression logistique, où la perte n'est pas un
# paraboloïde. Regardez le gradient : à la fin, chaque pas double le nombre de zéros après la virgule.


# %% exercise 2 tags=["raises-exception"]
def newton(f, w):
    return ...


# %% check 2
sign = np.where(rng.normal(size=n) + X[:, 0] > 0, 1.0, -1.0)


def logistic(w):
    return minigrad.softplus(-sign * (X @ w)).mean()


@exercise(2)
def check_2():
    w, lengths = np.zeros(p), []
    for _ in range(8):
        w = answered(newton(logistic, w))
        expect(np.shape(w) == (p,), f"w should have the shape {(p,)}, and has {np.shape(w)}")
        w = np.array([float(entry) for entry in w])
        lengths.append(np.linalg.norm(grad(logistic)(w)))
    steps = "\n".join(f"  length of the gradient: {length:.1e}" for length in lengths)
    expect(lengths[-1] < 1e-12, f"the gradient should be zero by now, up to rounding\n{steps}")
    return steps


# %% [markdown]
# **Exercice 3.** $L = \frac{1}{N} \sum (\tanh(X W) - Y)^2$, où $Y$ est de taille $(n, q)$. Écrivez $\bar W$ en NumPy à
# la main, en deux ou trois lignes. Affichez ensuite ce que donne `minigrad.source`, et comparez.


# %% exercise 3 tags=["raises-exception"]
def gradient(X, W, Y):
    return ...


# %% check 3
@exercise(3)
def check_3():
    W = rng.normal(size=(p, 2))
    program = minigrad.source(lambda X, W, Y: ((np.tanh(X @ W) - Y) ** 2).mean(), X, W, Y, grad_of="W")
    _, true = program(X, W, Y)
    found = gradient(X.copy(), W.copy(), Y.copy())
    expect(same(found, true), "three factors, of the shapes of their inputs: the loss, tanh, the product")
    return program


# %% [markdown]
# ## À lire ensuite
#
# - `sweep` dans `minigrad/backprop.py` : le `if create_graph` est presque tout ce qu'il faut pour les gradients de
#   gradients.
# - `minigrad/transforms.py` : `grad`, `hessian`, `hvp` et les autres. Le mode direct y est aussi, sous la forme de deux
#   parcours à rebours.
# - `minigrad/program/source.py` : comment une bande devient un programme.

# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Écrire sa propre Function, et trouver ce qui ne va pas
#
# À la fin de cette leçon, vous saurez
#
# - écrire votre propre opération, `forward` et `backward` ;
# - faire vérifier son gradient, et lire ce que dit le vérificateur ;
# - nommer les erreurs courantes, et dire pourquoi une vérification en un seul point en laisse passer.
#
# Il vous faut la leçon 2.

# %% langue
import os

os.environ["MINIGRAD_LANG"] = "fr"  # les vérifications répondent en français

# %% [markdown]
# ## Le contrat
#
# Une `Function` est une opération faite de deux méthodes statiques, comme dans PyTorch : des fonctions dans une classe,
# qui ne reçoivent pas de `self`.
#
# - `forward(ctx, ...)` reçoit des tableaux et en renvoie un. Ce dont `backward` aura besoin, elle le garde dans le
#   *contexte* `ctx`, avec `ctx.save_for_backward`.
# - `backward(ctx, grad)` reçoit le cotangent du résultat, `grad`. Elle renvoie *un gradient pour chaque entrée de
#   forward*, de mêmes dimensions et de même dtype que cette entrée.
#
# Les formules sont celles de la leçon 2, multipliées par `grad` : `backward` ne sait pas ce qui vient après elle.

# %%
import numpy as np

import minigrad
from minigrad import Function, Tensor
from minigrad.lesson import answered, exercise, expect, same


class Linear(Function):
    @staticmethod
    def forward(ctx, X, W, b):
        ctx.save_for_backward(X, W)
        return X @ W + b

    @staticmethod
    def backward(ctx, grad):
        X, W = ctx.saved_tensors
        return grad @ W.T, X.T @ grad, grad.sum(0)


class MSE(Function):
    @staticmethod
    def forward(ctx, yhat, y):
        ctx.save_for_backward(yhat, y)
        return ((yhat - y) ** 2).mean()

    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        n, q = yhat.shape
        d = 2 / (n * q) * (yhat - y) * grad
        return d, -d


# %% [markdown]
# `apply` appelle l'opération et l'inscrit sur la bande. Tout ce qui n'est pas un Tensor avec `requires_grad` est une
# constante.

# %%
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
W, b = Tensor(rng.normal(size=(3, 2)), requires_grad=True), Tensor(np.zeros(2), requires_grad=True)

loss = MSE.apply(Linear.apply(X, W, b), Y)
loss.backward()
print(f"loss {loss.item():.4f}, gradients of shape {W.grad.shape} and {b.grad.shape}")
assert np.allclose(W.grad, 2 / 10 * X.T @ (X @ W.numpy() - Y))

# %% [markdown]
# ## Le vérificateur
#
# `minigrad.check` compare un `backward` à des dérivées numériques. Il choisit lui-même les entrées, de dimensions
# variées. Il doit donc savoir comment ces dimensions s'accordent. C'est ce que dit la *signature* :
#
# - `(n,p),(p,q),(q)->(n,q)` est celle de `Linear`. Il y a trois entrées : deux matrices et un vecteur. Le résultat est
#   une matrice.
# - Une lettre désigne une taille, que `check` choisit. La même lettre désigne la même taille : `W` a autant de lignes
#   que `X` a de colonnes.
# - `()` est un nombre seul. `(n,q),(n,q)->()` prend donc deux matrices de mêmes dimensions, et renvoie une perte.
#
# Le rapport vaut vrai quand tout est juste. Il compte des *promesses* : ce sur quoi compte quiconque utilise un
# `backward`. Avec `verbose=True`, il les énumère. La première est celle à laquelle tout le monde pense : le gradient
# est la dérivée. Deux autres demandent un mot. *Second ordre* (*second order*) : `backward` peut lui-même être dérivé
# (leçon 6). *Disposition* (*layout*) : un tableau est rangé en mémoire ligne par ligne ou colonne par colonne ; aucun
# nombre ne doit en dépendre.

# %%
LINEAR, LOSS = "(n,p),(p,q),(q)->(n,q)", "(n,q),(n,q)->()"

assert minigrad.check(Linear, signature=LINEAR)
report = minigrad.check(MSE, signature=LOSS)
print(report)
assert report

# %% [markdown]
# ## Une galerie d'erreurs
#
# La plus courante d'abord. Elle divise par le nombre d'exemples :


# %%
class DividesByRows(MSE):
    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        d = 2 / len(yhat) * (yhat - y) * grad
        return d, -d


one_output = Tensor(rng.normal(size=(5, 1)), requires_grad=True), Tensor(rng.normal(size=(5, 1)), requires_grad=True)
assert minigrad.gradcheck(DividesByRows.apply, one_output)
print("checked with one output: nothing is wrong\n")

report = minigrad.check(DividesByRows, signature=LOSS)
print(report)
assert not report
assert report.faults[0].kind == "factor"

# %% [markdown]
# `gradcheck` regarde les entrées qu'on lui donne, et rien d'autre. Avec une seule sortie, $n$ et $nq$ sont le même
# nombre : l'erreur est là, et ne peut pas se voir. `check` essaie des tailles différentes, et nomme le facteur.
#
# En voici quelques autres. Lisez d'abord chaque `backward`, et dites ce qui ne va pas avant d'exécuter la cellule.


# %%
class MSE2(MSE):
    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        return 2 / yhat.size * (yhat - y) * grad, None


class MSE3(MSE):
    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        d = 2 / yhat.size * (yhat - y)
        return d, -d


class Linear2(Linear):
    @staticmethod
    def backward(ctx, grad):
        X, W = ctx.saved_tensors
        return grad @ W.T, X.T @ grad, grad.mean(0)


class Linear3(Linear):
    @staticmethod
    def backward(ctx, grad):
        X, W = ctx.saved_tensors
        return grad @ W.T, X.T @ grad, grad


class Linear4(Linear):
    @staticmethod
    def backward(ctx, grad):
        X, W = ctx.saved_tensors
        return grad @ W.T, grad.T @ X, grad.sum(0)


gallery = [(MSE2, LOSS), (MSE3, LOSS), (Linear2, LINEAR), (Linear3, LINEAR), (Linear4, LINEAR)]
found = []
for function, signature in gallery:
    fault = minigrad.check(function, signature=signature).faults[0]
    found.append(fault.kind)
    print(f"{function.__name__}: {fault}\n")
assert found == ["missing", "cotangent-ignored", "averaged", "unsummed", "transposed"]

# %% [markdown]
# - `MSE2` fonctionne dans une boucle d'apprentissage, qui n'a pas besoin du gradient des cibles. Elle est fausse quand
#   même : `None` signifie que *le résultat ne dépend pas de cette entrée*.
# - `MSE3` est juste tant que la perte vient en dernier, car `grad` vaut alors 1. Écrivez `3 * loss`, et elle ne l'est
#   plus.
# - `Linear2` est juste pour un seul exemple : il en faut plusieurs pour voir l'erreur.
#
# Quand une vérification échoue, `gradcheck` lève une exception. Sa `GradcheckError` est une `AssertionError`. Celle de
# `torch.autograd.gradcheck` est une `RuntimeError`, qu'un `except AssertionError` ne rattrape pas. Mieux vaut ne pas la
# rattraper du tout.

# %%
several = Tensor(rng.normal(size=(5, 3)), requires_grad=True), Tensor(rng.normal(size=(5, 3)), requires_grad=True)
try:
    minigrad.gradcheck(MSE2.apply, several)
except AssertionError as error:
    print(f"{type(error).__name__}: {error}")
else:
    raise RuntimeError("nobody noticed")

# %% [markdown]
# ## Exercices
#
# Mettez une classe à la place de chaque ligne qui finit par `...`.
#
# **Exercice 1.** `Sigmoid`, $y = 1 / (1 + e^{-x})$, coefficient par coefficient. Sa dérivée est $y (1 - y)$ : gardez le
# résultat, et non l'entrée.

# %% exercise 1 tags=["raises-exception"]
Sigmoid = ...


# %% check 1
@exercise(1)
def check_1():
    values = answered(Sigmoid).apply(np.array([0.0, np.log(3)]))
    expect(same(values, [0.5, 0.75]), f"0 and ln 3 should give 0.5 and 0.75, and forward gives {values}")
    report = minigrad.check(Sigmoid, signature="()->()")
    expect(report, f"forward is, but not backward\n\n{report}")
    return report


# %% [markdown]
# **Exercice 2.** `Softmax`, $y_k = e^{x_k} / \sum_l e^{x_l}$ sur chaque ligne de `x`, de taille $(n, c)$. Montrez
# d'abord que $\bar x_k = y_k \left(\bar y_k - \sum_l \bar y_l y_l\right)$. Retranchez de chaque ligne son plus grand
# coefficient avant de prendre l'exponentielle : cela ne change rien au résultat, et évite tout débordement.

# %% exercise 2 tags=["raises-exception"]
Softmax = ...


# %% check 2
@exercise(2)
def check_2():
    softmax = answered(Softmax).apply
    values = softmax(np.array([[0.0, np.log(3)]]))
    expect(same(values, [[0.25, 0.75]]), f"0 and ln 3 should give 0.25 and 0.75, and forward gives {values}")
    values = softmax(np.zeros((2, 2)))
    expect(same(values, np.full((2, 2), 0.5)), f"two rows of zeros should give 0.5 each, and forward gives {values}")
    with np.errstate(all="ignore"):  # an overflow shows as nan
        values = softmax(np.array([[1000, 1000 + np.log(3)]]))
    expect(same(values, [[0.25, 0.75]]), f"1000 and 1000 + ln 3 should give 0.25 and 0.75, and forward gives {values}")
    report = minigrad.check(Softmax, signature="(n,c)->(n,c)")
    expect(report, f"forward is, but not backward\n\n{report}")
    return report


# %% [markdown]
# **Exercice 3.** Jouez l'adversaire : écrivez `Fooled`, une `MSE` dont le `backward` est faux, et qui passe pourtant
# `gradcheck` aux points `one_output` *et* `several` ci-dessus. Passe-t-elle aussi `check` ?

# %% exercise 3 tags=["raises-exception"]
Fooled = ...


# %% check 3
@exercise(3)
def check_3():
    arrays = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    fooled = answered(Fooled).apply
    expect(same(fooled(*arrays), MSE.apply(*arrays)), "its forward should be that of MSE")
    for name, point in (("one_output", one_output), ("several", several)):
        found = minigrad.gradcheck(fooled, point, raise_exception=False)
        expect(found, f"gradcheck notices it at the point {name}")
    report = minigrad.check(Fooled, signature=LOSS)
    expect(not report, "check finds nothing wrong with it")
    return f"here is how check found out\n\n{report}"


# %% [markdown]
# `minigrad grade 3_function.py Linear MSE Sigmoid Softmax` note les classes de ce fichier, le gradient de chaque entrée
# séparément (un notebook convient aussi). `minigrad grade --list` en propose d'autres.

# %% [markdown]
# ## À lire ensuite
#
# - `minigrad/function.py` : comment une `Function` s'inscrit sur la bande. Un corps qui s'en tient aux opérateurs et
#   aux méthodes fonctionne aussi sous `torch.autograd.Function` ; c'est ce que fait `torch_ref/`.
# - `minigrad/checks/diagnosis.py` : comment le vérificateur passe des nombres aux mots.

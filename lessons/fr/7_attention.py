# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. L'attention, et un tout petit GPT
#
# À la fin de cette leçon, vous saurez
#
# - écrire l'attention causale : trois produits de matrices et un softmax ;
# - mettre un GPT entier sur une page, et l'entraîner sur la bande jusqu'à ce qu'il invente des prénoms ;
# - regarder dans son attention, tirer des prénoms au sort, et dire ce que fait la température.
#
# Il vous faut les leçons 1, 2 et 5b.

# %% langue
import os

os.environ["MINIGRAD_LANG"] = "fr"  # les vérifications répondent en français

# %% [markdown]
# ## La tâche
#
# Un modèle de langue devine la lettre suivante. Il lit `.anna.` de gauche à droite ; le point marque le début et la
# fin. Après `.`, il devrait s'attendre à un `a`, après `.a` à un `n`, et ainsi de suite. Un prénom de quatre lettres
# donne cinq fois à deviner. Il suffit d'une liste de prénoms, et d'un numéro pour chaque lettre. Voici les 260 prénoms
# de femmes et les 260 prénoms d'hommes les plus fréquents aux États-Unis, comptés par le Bureau du recensement en 1990
# (les fichiers dist.female.first et dist.male.first, qui sont dans le domaine public).

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
# ## L'attention
#
# Chaque lettre est une ligne de $d$ nombres, et il y a $T$ lignes. Pour deviner ce qui suit la ligne $t$, le modèle
# doit regarder les lignes qui la précèdent. Lesquelles ? C'est à lui de le trouver.
#
# Chaque ligne pose donc une question, sa *requête* (*query*) $q_t$. Chaque ligne porte une étiquette, sa *clé* (*key*)
# $k_t$, et elle a quelque chose à dire, sa *valeur* (*value*) $v_t$. Toutes trois sont linéaires en la ligne. Mieux une
# clé répond à une requête, plus leur produit scalaire $q_t \cdot k_u$ est grand. Le softmax fait de ces produits des
# poids, dont la somme est 1. La ligne $t$ reçoit la moyenne pondérée des valeurs :
#
# $$A = \operatorname{softmax}\Big(\frac{Q K^\top}{\sqrt d}\Big), \qquad \text{result} = A V.$$
#
# La division par $\sqrt d$ empêche les produits de croître avec $d$ : une somme de $d$ produits de nombres aléatoires
# est de l'ordre de $\sqrt d$.
#
# *Causale* veut dire que la ligne $t$ ne doit pas voir les lignes suivantes, qui contiennent la réponse. Leurs produits
# sont remplacés par $-\infty$, et leurs poids deviennent 0. Comptez : un produit de matrices fait les requêtes, les
# clés et les valeurs, un deuxième compare, un troisième fait la moyenne. Entre les deux derniers, il y a un softmax.


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
# Sur la bande, tout cela ne fait qu'une poignée d'opérations, et la règle de la chaîne les remonte comme toujours.
# Voici le parcours entier, pour trois lignes de deux nombres :

# %%
q, k, v = (Tensor(rng.normal(size=(3, 2)), requires_grad=True) for _ in range(3))
result, _ = attention(q, k, v)
print(minigrad.table(result.sum()))

# %% [markdown]
# L'attention ne voit aucun ordre. Elle fait une moyenne, et peu importe à une moyenne quelle valeur vient en premier :
# échangez deux des lignes précédentes, et la dernière reçoit la même chose. On ajoute donc à chaque lettre sa place :
# une ligne de nombres par place, apprise comme toutes les autres.

# %%
x = rng.normal(size=(4, 3))
last = [attention(*np.split(x[order] @ W, 3, axis=-1))[0].numpy()[3] for order in ([0, 1, 2, 3], [2, 0, 1, 3])]
assert np.allclose(last[0], last[1])
print("the last row gets the same, whatever the order of those before it")

# %% [markdown]
# ## Le modèle entier
#
# - `letter` et `place` sont des tables de *plongements* (*embeddings*). Au départ, une lettre est la somme d'une ligne
#   de chacune.
# - La *normalisation de couche* (*layer norm*) ramène chaque ligne à une moyenne de 0 et un écart type de 1, puis à une
#   échelle qui s'apprend, `gain` et `bias`. Sans elle, les nombres grandiraient de couche en couche.
# - L'attention a quatre *têtes* (*heads*) : la ligne est coupée en quatre parties, qui regardent à des endroits
#   différents, puis sont recollées.
# - Deux applications linéaires avec un `relu` entre elles, comme dans la leçon 5b, traitent chaque ligne à part.
# - L'une et l'autre sont *ajoutées* à ce qui est déjà là. Un gradient a donc un chemin tout droit jusqu'au début, quoi
#   que fassent les couches.
# - Une dernière application linéaire donne un score à chaque lettre qui pourrait suivre.


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
# ## L'entraînement
#
# Avant l'entraînement, les 27 lettres sont à peu près aussi probables les unes que les autres, et la perte ne devrait
# pas être loin au-dessus de $\log 27 = 3.30$. Ensuite, chaque pas prend 32 prénoms. L'optimiseur est Adam, avec un pas
# qui rétrécit jusqu'à zéro.

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
# ## Il invente des prénoms
#
# Commencez par le point. Prenez les probabilités de ce qui suit, tirez une lettre au sort, ajoutez-la, et continuez
# jusqu'à ce que le point soit tiré. La *température* divise les scores avant le softmax. Au-dessous de 1, elle rend
# plus probables les lettres qui le sont déjà, et les prénoms plus ordinaires ; au-dessus de 1, elle fait le contraire.


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
# ## Où il regarde
#
# Une ligne est une lettre, une colonne est une lettre qu'elle peut regarder, et une case plus foncée un poids plus
# grand. Personne n'a dit aux têtes où regarder. Certaines ont appris à regarder la lettre même, d'autres l'une ou
# l'autre des deux précédentes.

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
# ## À quoi servent les tableaux
#
# La bande de la leçon 1 a une ligne par *nombre*. Sur une telle bande, un GPT a plus de cent mille lignes pour un seul
# prénom, et Python les traite une à une. Ici, une ligne est un *tableau* : une cinquantaine de lignes, quel que soit le
# nombre de prénoms. `python -m benchmarks.gpt` entraîne ce modèle sur les deux sortes de bande, côte à côte, une fois
# qu'elles sont d'accord sur la perte et sur tous les paramètres. Par lots de 32 prénoms, un prénom prend moins d'un
# millième du temps.

# %%
loss = loss_of(parameters, *batch(NAMES[:32]))
rows = [v for v in minigrad.tape(loss) if v.op]
print(f"{len(rows)} operations, of {sum(v.size for v in rows):,} numbers in all, for 32 names")
assert len(rows) < 100

# %% [markdown]
# ## Exercices
#
# **Exercice 1.** Un produit de requêtes et de clés peut aussi être masqué par une addition. Écrivez `mask(T)`, de
# taille $(T, T)$ : `softmax(scores + mask(T))` doit avoir les poids de l'attention causale, pour tous scores finis.


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
# **Exercice 2.** La rétropropagation à travers le dernier produit, à la main. `g` est le cotangent du résultat $A V$,
# de taille $(T, d)$. Renvoyez les cotangents des poids $A$ et des valeurs $V$.


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
# **Exercice 3.** À quel point un prénom surprend-il le modèle ? Écrivez `surprise(name)` : la moyenne de $-\log p$ sur
# les lettres d'un prénom et le point qui les suit. Le résultat est un nombre (`float`). Servez-vous de `batch` et de
# `loss_of`, ou calculez-le à la main. Comparez ensuite `anna` et `xqzwk`.


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
# ## À lire ensuite
#
# - `minigrad/ops/linalg.py` : les règles de `matmul`, pour un nombre quelconque d'axes devant.
# - `minigrad/nn/layers.py` : `Embedding` et `LayerNorm` sous forme de couches, avec les noms qu'elles portent dans
#   PyTorch.
# - `minigrad/optim/optimizers.py` : Adam, en quelques lignes.

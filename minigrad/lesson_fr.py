"""What the checks of the lessons say, in French: templates, in which {} stands for what a check fills in."""

FRENCH = {
    "exercise {}: ": "exercice {} : ",
    "right": "juste",
    "not yet right": "pas encore juste",
    "not answered yet": "pas encore de réponse",
    "; ": " ; ",
    "exercise {}": "exercice {}",
    "{}, exercise {}": "{}, exercice {}",
    "no verdict": "pas de verdict",
    "it was stopped after {} s": "arrêté au bout de {} s",
    "it ended the process ({})": "le processus s'est terminé ({})",
    "it stops with {}": "l'exécution s'arrête sur {}",
    "in {}, at: {}": "dans {}, à : {}",
    "in {}": "dans {}",
    # what can be seen of any answer
    "it is None, as without a return": "c'est None, comme sans return",
    "a tuple or a list of length {} is needed": "il faut un tuple ou une liste de longueur {}",
    "result {} of {}: {}": "résultat {} sur {} : {}",
    "other numbers": "ce ne sont pas les bons nombres",
    "its rows are of different lengths": "ses lignes ne sont pas de même longueur",
    "numbers are needed, and this is {}": "il faut des nombres, et c'est de type {}",
    "its shape is {}, and not {}": "ses dimensions sont {}, et non {}",
    "there is inf or nan in it": "il y a des inf ou des nan dedans",
    # lesson 1
    "da: a is used twice, once in the sum, once as a factor": "da : a sert deux fois, dans la somme et comme facteur",
    "db: b is used once, in the sum, and the sum is a factor": "db : b sert une fois, dans la somme, un facteur",
    "a row is a pair: what computes, and its rule": "une ligne est une paire : ce qui calcule, et sa règle",
    "the first of the pair should compute e^a": "le premier élément de la paire doit calculer e^a",
    "the rule returns a tuple of one partial, which is 0 where the cotangent is 0": (
        "la règle renvoie un tuple à un seul élément, qui vaut 0 quand le cotangent vaut 0"
    ),
    "in (e^x)^2, with x = 0.5, the cotangent of x comes out wrong": (
        "dans (e^x)^2, avec x = 0.5, le cotangent obtenu pour x est faux"
    ),
    "a list is needed, of a number for each path": "il faut une liste, avec un nombre pour chaque chemin",
    "there are three paths from r to a, and each has one contribution": (
        "trois chemins mènent de r à a, et chacun a une contribution"
    ),
    "a contribution is the product of all the derivatives along its path": (
        "une contribution est le produit de toutes les dérivées le long de son chemin"
    ),
    "minigrad finds the same": "minigrad trouve la même chose",
    # lesson 2
    "it has the shape of Y; and with which sign does Y enter the difference?": (
        "il a les dimensions de Y ; et avec quel signe Y entre-t-il dans la différence ?"
    ),
    "with n, p, q = {}, {}, {}: over how many entries is the mean taken, and in how many rows is b used?": (
        "avec n, p, q = {}, {}, {} : sur combien de coefficients porte la moyenne, et combien de lignes utilisent b ?"
    ),
    "row i has the weight s[i] in all its columns: which shape must s have for that?": (
        "la ligne i a le poids s[i] dans toutes ses colonnes : quelles dimensions s doit-il avoir pour cela ?"
    ),
    # lesson 3
    "0 and ln 3 should give 0.5 and 0.75, and forward gives {}": (
        "0 et ln 3 devraient donner 0.5 et 0.75, et forward donne {}"
    ),
    "0 and ln 3 should give 0.25 and 0.75, and forward gives {}": (
        "0 et ln 3 devraient donner 0.25 et 0.75, et forward donne {}"
    ),
    "two rows of zeros should give 0.5 each, and forward gives {}": (
        "deux lignes de zéros devraient donner 0.5 partout, et forward donne {}"
    ),
    "1000 and 1000 + ln 3 should give 0.25 and 0.75, and forward gives {}": (
        "1000 et 1000 + ln 3 devraient donner 0.25 et 0.75, et forward donne {}"
    ),
    "forward is, but not backward": "forward l'est, mais pas backward",
    "its forward should be that of MSE": "son forward doit être celui de MSE",
    "gradcheck notices it at the point {}": "gradcheck s'en aperçoit au point {}",
    "check finds nothing wrong with it": "check n'y trouve rien de faux",
    "here is how check found out": "voici comment check l'a trouvé",
    # lesson 4
    "look at {}; write (4, 1, 3) and (2, 1) below each other, aligned at the right": (
        "regardez {} ; écrivez (4, 1, 3) et (2, 1) l'un sous l'autre, alignés à droite"
    ),
    "x is used twice; the cotangent of m is a sum over the rows, and m itself a mean": (
        "x sert deux fois ; le cotangent de m est une somme sur les lignes, et m lui-même une moyenne"
    ),
    "Multiply should be a minigrad.Function": "Multiply devrait être une minigrad.Function",
    "forward should return the product, for the shapes {}": "forward doit renvoyer le produit, pour les dimensions {}",
    "backward, for the shapes {}": "backward, pour les dimensions {}",
    # lesson 5
    "each row should count as much as any other, those of the last batch, too": (
        "chaque ligne doit compter autant que les autres, celles du dernier lot aussi"
    ),
    "for features {}; the bias is a weight, too": "pour des caractéristiques {} ; le biais est un poids, lui aussi",
    "it ends {} % above the optimum": "elle finit {} % au-dessus de l'optimum",
    # lesson 5b
    "what is the probability of the right digit, and its -log?": (
        "quelle est la probabilité du bon chiffre, et son -log ?"
    ),
    "for {} rows and {} classes: it has the shape of the scores, each row adds up to 0, and mean means 1/n": (
        "pour {} lignes et {} classes : il a les dimensions des scores, chaque ligne a pour somme 0, et moyenne veut "
        "dire 1/n"
    ),
    "go back line by line: from the scores to W2, b2 and h, through relu, then to W1 and b1, as in lesson 2": (
        "remontez ligne par ligne : des scores à W2, b2 et h, à travers relu, puis à W1 et b1, comme dans la leçon 2"
    ),
    # lesson 6
    "at x = 0.5, for {} and k = {}": "en x = 0.5, pour {} et k = {}",
    "w should have the shape {}, and has {}": "w devrait être de taille {}, et il est de taille {}",
    "the gradient should be zero by now, up to rounding\n{}": (
        "le gradient devrait maintenant être nul, aux arrondis près\n{}"
    ),
    "three factors, of the shapes of their inputs: the loss, tanh, the product": (
        "trois facteurs, aux dimensions de leurs entrées : la perte, tanh, le produit"
    ),
    # lesson 7
    "mask({}) should have the shape ({}, {})": "mask({}) devrait être de taille ({}, {})",
    "nothing is added where a row may look; and what leaves nothing of e^s elsewhere?": (
        "on n'ajoute rien là où une ligne peut regarder ; et ailleurs, qu'est-ce qui ne laisse rien de e^s ?"
    ),
    "it is a product of matrices, and lesson 2 has its two rules: mind the shapes": (
        "c'est un produit de matrices, et la leçon 2 en a les deux règles : attention aux dimensions"
    ),
    "for {}: each letter and the dot behind them count, and nothing else": (
        "pour {} : chaque lettre compte, le point qui les suit aussi, et rien d'autre"
    ),
    # lesson 8
    "a single positive number": "un seul nombre, positif",
    "{} wide, 20 layers: the length goes to {}": "largeur {}, 20 couches : la longueur passe à {}",
    "dead is a unit, for all the images": "c'est une unité qui est morte, pour toutes les images",
    "what is short enough stays as it is": "ce qui est assez court reste tel quel",
    "one factor for all of them": "un même facteur pour tous",
}

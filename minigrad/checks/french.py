"""What a report of `check` or of `gradcheck` says, in French: templates, in which {} stands for what it fills in.

A sentence that fits none stays in English. What stands for {} is looked up, too. The kinds are names in the program.
"""

import re

from minigrad.engine.words import language, translated


def spoken(text: str) -> str:
    """`text`, sentence by sentence, in the language that is spoken."""
    if language() != "fr":
        return text
    sentences = re.split(r"(?<=[\w)`\]])\.(?: (?=[A-Zd(])|$)", text)
    return ". ".join(translated(sentence, FRENCH) for sentence in sentences).removesuffix(" " * text.endswith("."))


def titled(name: str) -> str:
    """The name of a fault: "factor of x"."""
    return name.replace(" of ", " de ") if language() == "fr" else name


FRENCH = {
    # the report
    "{}; an error of {} would show": "{} ; une erreur de {} se verrait",
    "{}, largest difference / allowance {}": "{}, plus grand écart / tolérance {}",
    "; {} entries at a kink or not resolved": " ; {} coefficients à un point anguleux ou non résolus",
    "check of {}: ": "check de {} : ",
    "gradcheck of {}: ok ({})": "gradcheck de {} : juste ({})",
    "gradcheck of {}: FAILED ({})": "gradcheck de {} : ÉCHEC ({})",
    "gradcheck of {}: {}": "gradcheck de {} : {}",
    "ok, but not all of it could be judged": "juste, mais tout n'a pas pu être jugé",
    "ok": "juste",
    "not checked": "non vérifié",
    "not judged": "non jugé",
    "the smallest inputs found that show it": "les plus petites entrées trouvées qui le montrent",
    "the operation, as minigrad has it": "l'opération, telle que minigrad la connaît",
    "d{} returned, * wrong": "d{} renvoyé, * faux",
    "should be": "attendu",
    "looked at: {}": "examiné : {}",
    "and {} more fault: verbose=True, or -v, has all of it": "et {} autre faute : verbose=True, ou -v, les dit toutes",
    "and {} more faults: verbose=True, or -v, has all of it": (
        "et {} autres fautes : verbose=True, ou -v, les dit toutes"
    ),
    "checked at {}: {} kept, {} not applicable; verbose=True, or -v, lists them": (
        "vérifié sur {} : {} tenues, {} sans objet ; verbose=True, ou -v, les énumère"
    ),
    "checked at {}: {} kept; verbose=True, or -v, lists them": (
        "vérifié sur {} : {} tenues ; verbose=True, ou -v, les énumère"
    ),
    "{} cases": "{} cas",
    "{} case": "{} cas",
    "{} promises": "{} promesses",
    "{} promise": "{} promesse",
    "{}, {} and {} are right": "{}, {} et {} sont justes",
    "{} and {} are right": "{} et {} sont justes",
    "{} is right": "{} est juste",
    # the promises
    "values and gradients are those of {}": "les valeurs et les gradients sont ceux de {}",
    "gradients equal the numerical derivative": "les gradients sont égaux à la dérivée numérique",
    "right under broadcasting": "juste quand les entrées sont diffusées",
    "kinks and ties": "points anguleux et ex æquo",
    "runs, and returns a gradient for each input": "s'exécute, et renvoie un gradient pour chaque entrée",
    "the result has the shape of the signature": "le résultat a les dimensions de la signature",
    "every differentiable input has a gradient": "chaque entrée dérivable a un gradient",
    "shapes are those of the inputs": "les dimensions sont celles des entrées",
    "dtypes are those of the inputs": "les dtypes sont ceux des entrées",
    "the same at the second call and at the hundredth": "pareil au deuxième appel et au centième",
    "changes nothing that it is given": "ne change rien de ce qu'on lui donne",
    "no two gradients are one array": "deux gradients ne sont jamais un même tableau",
    "linear in the incoming cotangent": "linéaire en le cotangent reçu",
    "what is tied is paid once": "des ex æquo ne sont payés qu'une fois",
    "right when only some inputs need a gradient": "juste quand seules certaines entrées demandent un gradient",
    "right in any memory layout": "juste quel que soit l'ordre en mémoire",
    "right to second order": "juste au second ordre",
    # the contract
    "forward raises {}": "forward lève {}",
    "backward raises {}": "backward lève {}",
    "forward returns {}; only real floating results have a derivative": (
        "forward renvoie {} ; seuls des résultats réels à virgule flottante ont une dérivée"
    ),
    "forward is {} at every entry of its result: nothing can be checked there": (
        "forward vaut {} en chaque coefficient de son résultat : rien ne peut y être vérifié"
    ),
    "Give inputs inside of its domain": "Donnez des entrées de son domaine",
    "backward returned {}, and forward has {} ({}): return one for each, None where there is no derivative": (
        "backward a renvoyé {}, et forward a {} ({}) : renvoyez-en un pour chacune, None là où il n'y a pas de dérivée"
    ),
    "forward returns {} for {}, and the signature says {}: one of the two is wrong": (
        "forward renvoie {} pour {}, et la signature dit {} : l'un des deux est faux"
    ),
    "None for {}, and the output depends on it: return a gradient for it, too": (
        "None pour {}, et la sortie en dépend : renvoyez-lui un gradient aussi"
    ),
    "forward writes into its {}, and others read it. Make a new array": (
        "forward écrit dans son {}, que d'autres lisent. Faites un nouveau tableau"
    ),
    "forward writes into its {}, and others read it": "forward écrit dans son {}, que d'autres lisent",
    "Make a new array": "Faites un nouveau tableau",
    (
        "backward writes into the incoming cotangent, and other nodes read it: no grad *= ... or out=grad; write "
        "grad = grad * ..."
    ): (
        "backward écrit dans le cotangent reçu, que d'autres nœuds lisent : ni grad *= ... ni out=grad ; écrivez "
        "grad = grad * ..."
    ),
    "backward writes into the input {}, and others read it": "backward écrit dans l'entrée {}, que d'autres lisent",
    "backward writes into the output of forward, and others read it": (
        "backward écrit dans la sortie de forward, que d'autres lisent"
    ),
    "backward writes into an array that forward saved: right once, wrong when it is called a second time": (
        "backward écrit dans un tableau que forward a gardé : juste une fois, faux au deuxième appel"
    ),
    "Compute a new array": "Calculez un nouveau tableau",
    "the gradient of {} has shape {}, and {} has {}: the forward broadcast this input, so sum over {} ({} does)": (
        "le gradient de {} est de taille {}, et {} de taille {} : forward a diffusé cette entrée, donc sommez sur "
        "{} ({} le fait)"
    ),
    "the gradient of {} has shape {}, and {} has {}: it is transposed": (
        "le gradient de {} est de taille {}, et {} de taille {} : il est transposé"
    ),
    "the gradient of {} has shape {}, and {} has {}: it is the gradient of {}": (
        "le gradient de {} est de taille {}, et {} de taille {} : c'est le gradient de {}"
    ),
    "the gradient of {} has shape {}, and {} has {}: the entries are right; .reshape them to {}'s shape": (
        "le gradient de {} est de taille {}, et {} de taille {} : les coefficients sont justes ; un .reshape leur "
        "donne la taille de {}"
    ),
    "the gradient of {} has shape {}, and {} has {}: the entries are right; {} has them all": (
        "le gradient de {} est de taille {}, et {} de taille {} : les coefficients sont justes ; {} les a tous"
    ),
    "the gradient of {} has shape {}, and {} has {}: each gradient has its input's shape": (
        "le gradient de {} est de taille {}, et {} de taille {} : chaque gradient a la taille de son entrée"
    ),
    "Write .T": "Écrivez .T",
    "Return them in the order of forward's inputs": "Renvoyez-les dans l'ordre des entrées de forward",
    "the gradient of {} is {}, and {} is {}: return it in the input's dtype": (
        "le gradient de {} est en {}, et {} en {} : renvoyez-le dans le dtype de l'entrée"
    ),
    "the gradients of {} and {} are one array: what is added to one is added to the other": (
        "les gradients de {} et de {} sont un même tableau : ce qu'on ajoute à l'un s'ajoute à l'autre"
    ),
    "Return a copy for one of them": "Renvoyez une copie pour l'un d'eux",
    "the gradient of {} is the same whatever the incoming cotangent: multiply by grad (the chain rule)": (
        "le gradient de {} est le même quel que soit le cotangent reçu : multipliez par grad (règle de la chaîne)"
    ),
    "the gradient of {} is not linear in the incoming cotangent: {}": (
        "le gradient de {} n'est pas linéaire en le cotangent reçu : {}"
    ),
    "when the cotangent doubles, it is four times as large: grad occurs twice": (
        "quand le cotangent double, il est quatre fois plus grand : grad y figure deux fois"
    ),
    (
        "at a cotangent of zero it is not zero: a term is added to grad that has to be multiplied with it (the "
        "chain rule)"
    ): (
        "pour un cotangent nul il n'est pas nul : un terme est ajouté à grad, qui doit lui être multiplié (règle "
        "de la chaîne)"
    ),
    # the diagnosis
    "{} is zero everywhere, and the output does depend on {}": "{} est nul partout, et la sortie dépend pourtant de {}",
    "{} has the wrong sign: it is exactly the negative of the gradient": (
        "{} a le mauvais signe : c'est exactement l'opposé du gradient"
    ),
    "{} has the wrong sign, too": "{} a aussi le mauvais signe",
    (
        "{} is a mean where a sum belongs: broadcasting used each entry of {} {} times, along axis {}, and {} is "
        "{} times too small"
    ): (
        "{} est une moyenne là où il faut une somme : la diffusion a utilisé chaque coefficient de {} {} fois, le "
        "long de l'axe {}, et {} est {} fois trop petit"
    ),
    (
        "{} is a mean where a sum belongs: each entry of {} goes into {} entries of the output (rows, positions), "
        "and {} is {} times too small: add them up, and do not divide"
    ): (
        "{} est une moyenne là où il faut une somme : chaque coefficient de {} entre dans {} coefficients de la "
        "sortie (lignes, positions), et {} est {} fois trop petit : additionnez, et ne divisez pas"
    ),
    "Write {}, not {}": "Écrivez {}, pas {}",
    "This would do it: {}": "Ceci le donnerait : {}",
    "a mean is taken where a sum belongs: {} uses each entry of {} {} times": (
        "une moyenne est prise là où il faut une somme : {} utilise chaque coefficient de {} {} fois"
    ),
    "{} is {} times too large: divide by the number of entries, {}, not by the number of rows, {}": (
        "{} est {} fois trop grand : divisez par le nombre de coefficients, {}, pas par le nombre de lignes, {}"
    ),
    "{} is {} times too large: one factor 2 too many": "{} est {} fois trop grand : un facteur 2 de trop",
    "(Or another size: inputs with unlike sizes, or a signature, would tell.)": (
        "(Ou une autre taille : des entrées de tailles différentes, ou une signature, le diraient.)"
    ),
    "{} is {} times too large: divide by {}": "{} est {} fois trop grand : divisez par {}",
    "{} is {} times too small: the derivative of a square is 2 times its base: a factor 2 is missing": (
        "{} est {} fois trop petit : la dérivée d'un carré est 2 fois sa base : il manque un facteur 2"
    ),
    "{} is {} times too small: multiply by {}": "{} est {} fois trop petit : multipliez par {}",
    "{} is {} times the gradient, in every entry": "{} vaut {} fois le gradient, en chaque coefficient",
    "{} does not depend on the incoming cotangent: multiply by grad (chain rule)": (
        "{} ne dépend pas du cotangent reçu : multipliez par grad (règle de la chaîne)"
    ),
    "{} uses only the diagonal of the Jacobian: each output depends on other entries of {}, too {}": (
        "{} n'utilise que la diagonale de la jacobienne : chaque sortie dépend aussi d'autres coefficients de {} {}"
    ),
    "{} is transposed: its rows are the columns of the gradient": (
        "{} est transposé : ses lignes sont les colonnes du gradient"
    ),
    "{} is the gradient of {}: return the gradients in the order of forward's inputs": (
        "{} est le gradient de {} : renvoyez les gradients dans l'ordre des entrées de forward"
    ),
    "{} takes the derivative at the output y instead of the input {}: use the saved {}": (
        "{} prend la dérivée en la sortie y au lieu de l'entrée {} : servez-vous de {} gardé"
    ),
    "{} puts the input {} where the derivative is written in terms of the output y: save y, and use that": (
        "{} met l'entrée {} là où la dérivée s'écrit avec la sortie y : gardez y, et servez-vous-en"
    ),
    "{} is not finite everywhere, and the derivative is: look for a division by 0, or inf - inf": (
        "{} n'est fini nulle part, et la dérivée l'est : cherchez une division par 0, ou inf - inf"
    ),
    "{} is not finite at {} of {} entries, and the derivative is: look for a division by 0, or inf - inf": (
        "{} n'est pas fini en {} coefficients sur {}, et la dérivée l'est : cherchez une division par 0, ou inf - inf"
    ),
    (
        "{} of {} entries are wrong; at entry {} the backward gives {} and the numerical derivative is {}: ratio "
        "{}, difference {}, allowed {}"
    ): (
        "{} coefficients sur {} sont faux ; au coefficient {} backward donne {} et la dérivée numérique est {} : "
        "rapport {}, écart {}, toléré {}"
    ),
    "{} of {} entries are wrong; {}": "{} coefficients sur {} sont faux ; {}",
    "{} is wrong, and no known pattern fits: {}": "{} est faux, et aucun motif connu ne convient : {}",
    "{}; {}[{}] is {}, should be {}": "{} ; {}[{}] vaut {}, attendu {}",
    "{}[{}] is {}, should be {}": "{}[{}] vaut {}, attendu {}",
    "{}: no entry of {}: rounding, or a function that is not smooth, hides its derivative": (
        "{} : aucun coefficient de {} : un arrondi, ou une fonction non lisse, cache sa dérivée"
    ),
    "{}: an error as large as the gradient could hide there": (
        "{} : une erreur aussi grande que le gradient s'y cacherait"
    ),
    "{} = {} is taken as a constant: pass {}": "{} = {} est pris pour une constante : donnez {}",
    "input {}: {}": "entrée {} : {}",
    # rarer promises that are broken
    (
        "{} is another at call number {} than at the first, with the same inputs: something is kept between calls"
    ): "{} change à l'appel numéro {}, avec les mêmes entrées : quelque chose est gardé d'un appel à l'autre",
    "Keep what backward needs on ctx, never on the class or in a global": (
        "Gardez sur ctx ce dont backward a besoin, jamais sur la classe ni dans une variable globale"
    ),
    "the same call gives {} another value each time: there is randomness inside (dropout?)": (
        "le même appel ne donne pas deux fois {} de même valeur : il y a du hasard dedans (dropout ?)"
    ),
    "Make the mask an input, or seed the generator in forward": (
        "Faites du masque une entrée, ou donnez une graine au générateur dans forward"
    ),
    "the result of forward": "le résultat de forward",
    (
        "the gradient of {} changes when forward runs again before the backward: the last call overwrites what the "
        "first one kept"
    ): (
        "le gradient de {} change si forward s'exécute encore avant backward : le dernier appel écrase ce que le "
        "premier a gardé"
    ),
    "Save it with ctx.save_for_backward": "Gardez-le avec ctx.save_for_backward",
    ("a second backward of the same call gives another gradient of {}: the first one has changed what forward saved"): (
        "un second backward du même appel donne un autre gradient de {} : le premier a changé ce que forward a gardé"
    ),
    "Compute a new array instead of writing into a saved one": (
        "Calculez un nouveau tableau au lieu d'écrire dans un tableau gardé"
    ),
    "The sum is not the gradient yet, either": "La somme n'est pas encore le gradient non plus",
    "the backward of {} changes {} in place, and others read it": (
        "le backward de {} change {} sur place, que d'autres lisent"
    ),
    "its input {}": "son entrée {}",
    "with the cotangent {} it is not what linearity says; look for abs, sign, clip or grad * grad": (
        "avec le cotangent {} il n'est pas ce que dit la linéarité ; cherchez abs, sign, clip ou grad * grad"
    ),
    "backward raises when only {} needs a gradient: {}": "backward lève quand seule {} demande un gradient : {}",
    (
        "the gradient of {} is another when only {} needs one: look at ctx.needs_input_grad; its entries belong to "
        "forward's inputs, in their order"
    ): (
        "le gradient de {} est un autre quand seule {} en demande un : voyez ctx.needs_input_grad ; ses éléments "
        "correspondent aux entrées de forward, dans leur ordre"
    ),
    "the gradient of {} is another when the {}: the values are equal, and lie in memory in another way": (
        "le gradient de {} est un autre quand {} : les valeurs sont égales, mais rangées autrement en mémoire"
    ),
    "it raises when the {}: {}": "il lève quand {} : {}",
    "inputs are {}": "l'ordre en mémoire des entrées est « {} »",
    "cotangent is {}": "l'ordre en mémoire du cotangent est « {} »",
    "column-major": "par colonnes",
    "backwards": "à rebours",
    "every second": "un sur deux",
    "read-only": "en lecture seule",
    "Look for .ravel('K'), .reshape(order=...), .strides, or writing through a view": (
        "Cherchez .ravel('K'), .reshape(order=...), .strides, ou une écriture à travers une vue"
    ),
    "the gradient is right, and its own derivative to {} is not: at entry {} {}, should be {}": (
        "le gradient est juste, et sa propre dérivée par rapport à {} ne l'est pas : au coefficient {} {}, attendu {}"
    ),
    (
        "Backward uses a number that forward computed from {}, and the tape does not know it: save the inputs, and "
        "compute the rest in backward"
    ): (
        "Backward se sert d'un nombre que forward a calculé à partir de {}, et que la bande ne connaît pas : gardez "
        "les entrées, et calculez le reste dans backward"
    ),
    (
        "{} is wrong exactly where entries are equal (ties): together, those equal to {} get {}, and where they move "
        "together the result changes by {} only"
    ): (
        "{} est faux exactement là où des coefficients sont égaux (ex æquo) : ensemble, ceux qui valent {} reçoivent "
        "{}, et quand ils bougent ensemble le résultat ne change que de {}"
    ),
    (
        "The cotangent of a tie goes to one of its entries, or is divided among them; it is not paid to each in full"
    ): "Le cotangent d'un ex æquo va à l'un d'eux, ou se partage entre eux ; il n'est pas versé en entier à chacun",
    "the result has shape {}, and that of {} has {}": "le résultat est de taille {}, et celui de {} de taille {}",
    "{} raises where this does not: {}": "{} lève là où ceci ne lève pas : {}",
    "the value is {}, and that of {} is {}": "la valeur est {}, et celle de {} est {}",
    "the value at entry {} is {}, and that of {} is {}": "la valeur au coefficient {} est {}, et celle de {} est {}",
    # the gradient as a whole
    "{} is not finite exactly {} ({}), and the derivative there is a number": (
        "{} n'est pas fini exactement {} ({}), et la dérivée y est un nombre"
    ),
    "Write it with the output y, or with e^-|x|": "Écrivez-le avec la sortie y, ou avec e^-|x|",
    "Put another number there first: np.where before the operation, not behind it": (
        "Mettez-y d'abord un autre nombre : np.where avant l'opération, pas après"
    ),
    "0/0, or a logarithm of 0, times 0": "0/0, ou un logarithme de 0, fois 0",
    (
        "{} is wrong exactly where entries of {} are equal (ties): those that share the place of the largest, say, "
        "share one cotangent"
    ): (
        "{} est faux exactement là où des coefficients de {} sont égaux (ex æquo) : ceux qui partagent la place du "
        "plus grand, par exemple, se partagent un cotangent"
    ),
    "Split it, or give it to one of them": "Partagez-le, ou donnez-le à l'un d'eux",
    (
        "{} is a mean where a sum belongs: entries of {} are used up to {} times, and what each of them gets is "
        "divided by that: add up, and do not divide"
    ): (
        "{} est une moyenne là où il faut une somme : des coefficients de {} servent jusqu'à {} fois, et ce que chacun "
        "reçoit est divisé par ce nombre : additionnez, et ne divisez pas"
    ),
    "{} divides by {} where the forward divides by {} (Bessel's correction): it is {} times what it should be": (
        "{} divise par {} là où forward divise par {} (correction de Bessel) : il vaut {} fois ce qu'il faut"
    ),
    "Give forward and backward the same divisor, {}": "Donnez à forward et à backward le même diviseur, {}",
    "{} is {} = {} times the gradient: it divides by the wrong size": (
        "{} vaut {} = {} fois le gradient : il divise par la mauvaise taille"
    ),
    "{} uses the mean of the incoming cotangent: each entry has one of its own": (
        "{} prend la moyenne du cotangent reçu : chaque coefficient a le sien"
    ),
    "{} has the right numbers, moved by {} along axis {}: cut the padding off on both sides, or look at where a slice "
    "begins": (
        "{} a les bons nombres, décalés de {} le long de l'axe {} : ôtez le remplissage des deux côtés, ou voyez où "
        "commence une tranche"
    ),
    "{}: {} is not used, and {} has an effect on that output, too": (
        "{} : {} ne sert pas, et {} agit pourtant aussi sur cette sortie"
    ),
    "the cotangent of output {}": "le cotangent de la sortie {}",
    "{}: {} are exchanged; they come in the order of the outputs": (
        "{} : {} sont échangés ; ils arrivent dans l'ordre des sorties"
    ),
    (
        "{} has one term where a sum belongs: forward uses entries of {} several times, and all of their cotangents "
        "must be added up (.sum over the axis; np.add.at(d, index, grad) where d[index] = grad or d[index] += grad "
        "keeps only the last)"
    ): (
        "{} a un seul terme là où il faut une somme : forward utilise des coefficients de {} plusieurs fois, et tous "
        "leurs cotangents s'additionnent (.sum le long de l'axe ; np.add.at(d, index, grad) là où d[index] = grad ou "
        "d[index] += grad ne garde que le dernier)"
    ),
    (
        "{} is the one that belonged to the inputs of an earlier call: something is kept between calls (a mask, a "
        "cache by shape?)"
    ): (
        "{} est celui des entrées d'un appel précédent : quelque chose est gardé d'un appel à l'autre (un masque, un "
        "cache selon la taille ?)"
    ),
    ("{} has only the digits of {} (relative error {}), though its dtype is {}: a {} array or .astype is on the way"): (
        "{} n'a que les chiffres de {} (erreur relative {}), alors que son dtype est {} : un tableau {} ou un .astype "
        "est en chemin"
    ),
    "Keep everything in the input's dtype": "Gardez tout dans le dtype de l'entrée",
    "{} is wrong exactly {}; it is right everywhere else": "{} est faux exactement {} ; partout ailleurs il est juste",
    "{}, where it is 0": "{}, où il vaut 0",
    "{}, where it is not finite": "{}, où il n'est pas fini",
    "{}, where it should be 0": "{}, où il devrait valoir 0",
    "{}, where it is {} times the gradient": "{}, où il vaut {} fois le gradient",
    "where entries of {} are equal (ties)": "là où des coefficients de {} sont égaux (ex æquo)",
    "at index {} of axis {} of {}": "à l'indice {} de l'axe {} de {}",
    "at all but index {} of axis {} of {}": "partout sauf à l'indice {} de l'axe {} de {}",
    "-1 (the last)": "-1 (le dernier)",
    "0 (the first)": "0 (le premier)",
    "at the entries that {} names, {} (= where += or -= belongs?)": (
        "aux coefficients que {} désigne, {} (un = là où il faut += ou -= ?)"
    ),
    "at all entries but those that {} names": "partout sauf aux coefficients que {} désigne",
    "at some of the entries that {} names, {} (= where += or -= belongs?)": (
        "à certains des coefficients que {} désigne, {} (un = là où il faut += ou -= ?)"
    ),
    "at the largest entry of {}": "au plus grand coefficient de {}",
    "where the output is 0": "là où la sortie vaut 0",
    "where |{}| is too large for e^|{}|, which overflows": "là où |{}| est trop grand pour e^|{}|, qui déborde",
    "where {} does not hold": "là où {} n'est pas vrai",
    "where {} holds": "là où {} est vrai",
    "where {} is large (from {} or {} on)": "là où {} est grand (à partir de {} ou {})",
    "where {} is small (up to {} or {})": "là où {} est petit (jusqu'à {} ou {})",
    "where not {}": "là où l'on n'a pas {}",
    "where {}": "là où {}",
    "{} is the wrong way round along axis {}: flip it": "{} est à l'envers le long de l'axe {} : retournez-le",
    (
        "{} is computed with {} the wrong way round along axis {}: flip it there (the derivative of a correlation is a "
        "convolution, and the other way round)"
    ): (
        "{} est calculé avec {} à l'envers le long de l'axe {} : retournez-le là (la dérivée d'une corrélation est une "
        "convolution, et inversement)"
    ),
    (
        "{} is computed with a matrix that should be transposed (as grad @ W instead of grad @ W.T): it passes only "
        "for square ones"
    ): (
        "{} est calculé avec une matrice qu'il faut transposer (comme grad @ W au lieu de grad @ W.T) : cela ne passe "
        "que si elle est carrée"
    ),
    (
        "{} has the right numbers, in the wrong places: entries are moved (by an index the wrong way round, a reshape "
        "for a transpose, a tile for a repeat)"
    ): (
        "{} a les bons nombres, aux mauvaises places : des coefficients sont déplacés (un indice à l'envers, un "
        "reshape pour une transposée, un tile pour un repeat)"
    ),
    "{} is right only where {} is symmetric: somewhere {} belongs ({} for {} in a quadratic form)": (
        "{} n'est juste que si {} est symétrique : il faut {} quelque part ({} pour {} dans une forme quadratique)"
    ),
    (
        "{} mixes entries along axis {} of {}, which forward keeps apart: a sum or a mean of the backward goes over "
        "axis {}, too, or over the wrong axis"
    ): (
        "{} mêle des coefficients le long de l'axe {} de {}, que forward tient séparés : une somme ou une moyenne de "
        "backward porte aussi sur l'axe {}, ou sur le mauvais axe"
    ),
    (
        "{} keeps entries along axis {} of {} apart, and forward mixes them: what each of them does to the others, by "
        "a sum or a mean over axis {}, is missing"
    ): (
        "{} tient séparés les coefficients le long de l'axe {} de {}, et forward les mêle : il manque ce que chacun "
        "fait aux autres, par une somme ou une moyenne sur l'axe {}"
    ),
    "{}: the cotangents {} of the output are lost; all others are right": (
        "{} : les cotangents {} de la sortie sont perdus ; tous les autres sont justes"
    ),
    "{}: the cotangents {} of the output are passed on in a wrong way; all others are right": (
        "{} : les cotangents {} de la sortie sont mal transmis ; tous les autres sont justes"
    ),
    (
        "{}: only the cotangents {} of the output arrive as they should; all others are lost (a return inside of a "
        "loop? only the first window?)"
    ): (
        "{} : seuls les cotangents {} de la sortie arrivent comme il faut ; tous les autres sont perdus (un return "
        "dans une boucle ? seulement la première fenêtre ?)"
    ),
    (
        "{}: only the cotangents {} of the output arrive as they should; all others are passed on in a wrong way (a "
        "return inside of a loop? only the first window?)"
    ): (
        "{} : seuls les cotangents {} de la sortie arrivent comme il faut ; tous les autres sont mal transmis (un "
        "return dans une boucle ? seulement la première fenêtre ?)"
    ),
    (
        "{} is right where the output depends on {}, and it is not 0 where it does not: a mask is missing, or an index "
        "that picks entries"
    ): (
        "{} est juste là où la sortie dépend de {}, et n'est pas nul là où elle n'en dépend pas : il manque un masque, "
        "ou un indice qui choisit des coefficients"
    ),
    (
        "{} is right where it is not 0, and entries of the output that depend on others of {} give them nothing: {} of "
        "{} of their partial derivatives are left out"
    ): (
        "{} est juste là où il n'est pas nul, et des coefficients de la sortie qui dépendent d'autres coefficients de "
        "{} ne leur donnent rien : {} sur {} de leurs dérivées partielles sont oubliées"
    ),
    "{} is the sum of the gradient over {}: each entry of {} has a gradient of its own": (
        "{} est la somme du gradient sur {} : chaque coefficient de {} a son propre gradient"
    ),
    "{} is the mean of the gradient over {}: each entry of {} has a gradient of its own": (
        "{} est la moyenne du gradient sur {} : chaque coefficient de {} a son propre gradient"
    ),
    "Look at the axis of a sum": "Voyez l'axe d'une somme",
    "everything": "tout",
    "index {} of axis {}": "à l'indice {} de l'axe {}",
    # one mistake: rarer ones
    "of the {} steps of the loop only the first counts, at {}: = where += belongs, or a return inside of the loop": (
        "des {} tours de la boucle seul le premier compte, à {} : un = là où il faut +=, ou un return dans la boucle"
    ),
    "of the {} steps of the loop only the last counts, at {}: = where += belongs, or a return inside of the loop": (
        "des {} tours de la boucle seul le dernier compte, à {} : un = là où il faut +=, ou un return dans la boucle"
    ),
    (
        "{} takes entries of {} several times, and of the cotangents of each only the last is kept where a sum "
        "belongs: add them up, with np.add.at(d, index, grad) for d[index] = grad or += grad"
    ): (
        "{} prend plusieurs fois des coefficients de {}, et de leurs cotangents seul le dernier est gardé là où il "
        "faut une somme : additionnez-les, avec np.add.at(d, index, grad) pour d[index] = grad ou += grad"
    ),
    "{} uses {} {} times, and only the first of their cotangents is taken: add them up over axis {}": (
        "{} utilise {} {} fois, et seul le premier des cotangents est pris : additionnez-les sur l'axe {}"
    ),
    "{} uses {} {} times, and only the last of their cotangents is taken: add them up over axis {}": (
        "{} utilise {} {} fois, et seul le dernier des cotangents est pris : additionnez-les sur l'axe {}"
    ),
    "two paths are left out: that through {} and that through {}": (
        "deux chemins sont oubliés : celui par {} et celui par {}"
    ),
    "two paths count {}: a sum where a mean belongs: that through {} and that through {}": (
        "deux chemins comptent {} : une somme là où il faut une moyenne : celui par {} et celui par {}"
    ),
    "two paths count {}: that through {} and that through {}": (
        "deux chemins comptent {} : celui par {} et celui par {}"
    ),
    "the path through {} counts {}": "le chemin par {} compte {}",
    "with the wrong sign": "avec le mauvais signe",
    "twice, with the wrong sign": "deux fois, avec le mauvais signe",
    "twice": "deux fois",
    "half": "pour moitié",
    "as if divided by {} where {} belongs": "comme divisé par {} là où il faut {}",
    "{} times too much": "{} fois de trop",
    "{} times too little": "{} fois trop peu",
    "{}: the minus of the quotient rule at {} is lost": "{} : le moins de la dérivée du quotient est perdu à {}",
    "the backward takes a mean where the derivative of the sum {} belongs": (
        "backward prend une moyenne là où il faut la dérivée de la somme {}"
    ),
    "{} divides by {}, and the backward does not: divide by it, too": (
        "{} divise par {}, et backward ne le fait pas : divisez-y aussi"
    ),
    "the 1/2 in the derivative of {} is missing": "il manque le 1/2 de la dérivée de {}",
    "the 1/2 in the derivative of {} is there twice": "le 1/2 de la dérivée de {} y est deux fois",
    "ln {} is missing in the derivative of {}": "il manque ln {} dans la dérivée de {}",
    "the power rule is applied to the exponent of {}: {}": (
        "la dérivée d'une puissance est appliquée à l'exposant de {} : {}"
    ),
    "the power rule is applied to {}, an exponential function: its derivative is {}": (
        "la dérivée d'une puissance est appliquée à {}, une exponentielle : sa dérivée est {}"
    ),
    "the power rule of {}: {}": "la dérivée de la puissance {} : {}",
    "the exponent is not multiplied in, a factor {} is missing": "l'exposant n'est pas multiplié, un facteur {} manque",
    "the exponent is not lowered by one": "l'exposant n'est pas diminué d'un",
    "it is the power itself": "c'est la puissance elle-même",
    "the new exponent is multiplied in, and it has to be the old one, {}": (
        "c'est le nouvel exposant qui est multiplié, et il faut l'ancien, {}"
    ),
    "{} + 1 is multiplied in, and it has to be the exponent, {}": "{} + 1 est multiplié, et il faut l'exposant, {}",
    "the exponent is lowered by two, and not by one": "l'exposant est diminué de deux, et non d'un",
    "the exponent goes up, and has to go down": "l'exposant augmente, et doit diminuer",
    "its derivative by {} is y ln {}": "sa dérivée par rapport à {} est y ln {}",
    "ln {} is not multiplied in at {}: {}": "ln {} n'est pas multiplié à {} : {}",
    "the quotient rule of {}: {} is not squared": "la dérivée du quotient {} : {} n'est pas au carré",
    "the quotient rule of {}: {} is not multiplied in": "la dérivée du quotient {} : {} n'est pas multiplié",
    "{} is differentiated as if its condition held everywhere": "{} est dérivé comme si sa condition valait partout",
    "{} is differentiated as if its condition held nowhere": "{} est dérivé comme si sa condition ne valait nulle part",
    "{} is differentiated as if its condition were turned round": "{} est dérivé comme si sa condition était inversée",
    "entries that are close to {}, within {}, count as equal to it (a tolerance)": (
        "des coefficients proches de {}, à {} près, comptent comme égaux (une tolérance)"
    ),
    "every entry gets the whole cotangent, and it belongs to the one that was chosen: {}": (
        "chaque coefficient reçoit tout le cotangent, et il revient à celui qui a été choisi : {}"
    ),
    "the cotangent is spread evenly, as of a mean, and it belongs to the one entry that was chosen: {}": (
        "le cotangent est réparti également, comme d'une moyenne, et il revient au coefficient choisi : {}"
    ),
    "the entry at the other end gets the cotangent (the smallest for the largest): {}": (
        "c'est le coefficient à l'autre bout qui reçoit le cotangent (le plus petit pour le plus grand) : {}"
    ),
    "the index of the entry that was chosen is read the wrong way round (row and column): {}": (
        "l'indice du coefficient choisi est lu à l'envers (ligne et colonne) : {}"
    ),
    "the {} bound of {} is left out": "la borne {} de {} est oubliée",
    "lower": "inférieure",
    "upper": "supérieure",
    "the mask of {} is left out: where something else is chosen, the derivative is 0": (
        "le masque de {} est oublié : là où autre chose est choisi, la dérivée est 0"
    ),
    "the derivative of {} is divided by": "on divise par la dérivée de {}",
    "the derivative of {} is applied twice": "la dérivée de {} est appliquée deux fois",
    "the derivative of {} is taken at {} instead of {}": "la dérivée de {} est prise en {} au lieu de {}",
    "the derivative of {} is given {} instead of {}": "la dérivée de {} reçoit {} au lieu de {}",
    "the derivative of {} is given {}": "la dérivée de {} reçoit {}",
    "the {} of the next step of the loop": "{} du tour suivant de la boucle",
    "the {} of the previous step of the loop": "{} du tour précédent de la boucle",
    "the derivative of {} takes {} for {}, and {} for {}": "la dérivée de {} prend {} pour {}, et {} pour {}",
    "its output": "sa sortie",
    "{} is differentiated by the rule of {}: its own derivative is {}": (
        "{} est dérivé par la règle de {} : sa propre dérivée est {}"
    ),
    "{} is differentiated by the rule of {}": "{} est dérivé par la règle de {}",
    "{} stands where the derivative of {} by {} belongs": "{} se trouve là où il faut la dérivée de {} par {}",
    "{} stands where the derivative of {} belongs": "{} se trouve là où il faut la dérivée de {}",
    "{} stands where {} belongs": "{} se trouve là où il faut {}",
    "the backward does {} itself, where its transpose belongs (the other way round)": (
        "backward refait {} lui-même, là où il faut sa transposée (le sens inverse)"
    ),
    "{} goes over axis {}, and in the backward over all entries": (
        "{} porte sur l'axe {}, et dans backward sur tous les coefficients"
    ),
    "the Jacobian of {} by {} is not multiplied in": "la jacobienne de {} par {} n'est pas multipliée",
    "the Jacobian of {} by {} is multiplied in twice": "la jacobienne de {} par {} est multipliée deux fois",
    "the Jacobian of {} by {} is {} in the backward, and has to be {}: save the output y": (
        "la jacobienne de {} par {} est {} dans backward, et doit être {} : gardez la sortie y"
    ),
    "{} is multiplied in once too often, at {}": "{} est multiplié une fois de trop, à {}",
    "{} is multiplied in once too little, at {}": "{} est multiplié une fois de moins qu'il ne faut, à {}",
    "{} is multiplied in at {}, and forward has it not": "{} est multiplié à {}, et forward ne l'a pas",
    "{} is multiplied in twice: {}": "{} est multiplié deux fois : {}",
    "{} is not multiplied in: {}": "{} n'est pas multiplié : {}",
    "the division by {} is missing: {}": "il manque la division par {} : {}",
    "it is divided by {} twice: {}": "il est divisé deux fois par {} : {}",
    "it is divided by {}, not the other way round: {}": "il est divisé par {}, et c'est le contraire qu'il faut : {}",
    "it is multiplied with {}, not the other way round: {}": (
        "il est multiplié par {}, et c'est le contraire qu'il faut : {}"
    ),
    "it is {} times the gradient: {}": "c'est {} fois le gradient : {}",
    "it is {} times the gradient": "c'est {} fois le gradient",
    "it is the gradient times {}, as if {} with the output {} came before": (
        "c'est le gradient fois {}, comme si {} de sortie {} venait avant"
    ),
    "it is the gradient times {}, the derivative of a sigmoid, once too often": (
        "c'est le gradient fois {}, la dérivée d'une sigmoïde, une fois de trop"
    ),
    "it is the gradient divided by {}": "c'est le gradient divisé par {}",
    "it is the gradient times {}": "c'est le gradient fois {}",
    "a sigmoid": "une sigmoïde",
    "a tanh": "une tanh",
    "{}, a constant (eps) of {}, is not in the backward": "{}, une constante (eps) de {}, manque dans backward",
    "{}, the bound of {}, is not in the backward": "{}, la borne de {}, manque dans backward",
    (
        "it is off by {} times the cotangent: a term is added that forward has not, or one is lost (of a penalty, "
        "perhaps)"
    ): (
        "l'écart est de {} fois le cotangent : un terme que forward n'a pas est ajouté, ou un terme est perdu (d'une "
        "pénalité, peut-être)"
    ),
    "the constant of {}": "la constante de {}",
    "the {} of `{}`, {}": "{} de `{}`, {}",
    "{}, which is {},": "{}, qui est {},",
    "Look for an .astype, or for np.zeros and np.ones without dtype=.": (
        "Cherchez un .astype, ou np.zeros et np.ones sans dtype=."
    ),
    "a constant of {}": "une constante de {}",
    "`{}` in {}": "`{}` dans {}",
    "{}, on the way to {},": "{}, en allant vers {},",
    "{} (with {} on it)": "{} (avec {} dessus)",
    # one mistake planted in the true backward, and its place
    "the softmax the {} (line {})": "softmax, {} (ligne {}),",
    "the {} of {}, the {} (line {})": "{} de {}, {} (ligne {}),",
    "the {} (line {})": "{} (ligne {})",
    "{}; or, which comes to the same, {}": "{} ; ou, ce qui revient au même, {}",
    (
        "{}: only the diagonal of the Jacobian of {} by {} is used: each entry of it depends on other entries of "
        "{}, too"
    ): (
        "{} : seule la diagonale de la jacobienne de {} par {} sert : chacun de ses coefficients dépend aussi "
        "d'autres coefficients de {}"
    ),
    "only the diagonal of the Jacobian of {} by {} is used: each entry of it depends on other entries of {}, too": (
        "seule la diagonale de la jacobienne de {} par {} sert : chacun de ses coefficients dépend aussi d'autres "
        "coefficients de {}"
    ),
    ("{}: the derivative of {} is written in terms of the output, and is given {}: save the output {}, and use that"): (
        "{} : la dérivée de {} s'écrit avec la sortie, et reçoit {} : gardez la sortie {}, et servez-vous-en"
    ),
    "{}: the derivative of {} is taken at {} instead of {}": "{} : la dérivée de {} est prise en {} au lieu de {}",
    "{}: the derivative of {}, which is {}, is missing": "{} : il manque la dérivée de {}, qui est {}",
    "{}: the derivative of {} is missing": "{} : il manque la dérivée de {}",
    "{}: the derivative of {} is multiplied in twice": "{} : la dérivée de {} est multipliée deux fois",
    "{}: the minus of {} is lost": "{} : le moins de {} est perdu",
    "{}: the mask of {} is taken from the wrong side": "{} : le masque de {} est pris du mauvais côté",
    "{}: the path through {} is left out: {}": "{} : le chemin par {} est oublié : {}",
    "it is one of the ways from {} to the output": "c'est un des chemins de {} à la sortie",
    "{} depends on {}, too": "{} dépend aussi de {}",
    "{}: the path through {} counts {} times": "{} : le chemin par {} compte {} fois",
    "{}: it is {} times the gradient": "{} : c'est {} fois le gradient",
    "{} inputs": "{} entrées",
    "{} input": "{} entrée",
    "the gradient of {}": "le gradient de {}",
    "`{}` (line {}) and {}": "`{}` (ligne {}) et {}",
    "{}: {}": "{} : {}",  # last of all: what stands before a colon, and behind it; and a place
    "{} (line {})": "{} (ligne {})",
}

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
    "{} gradients": "{} gradients",
    "{} gradient": "{} gradient",
    "{} inputs": "{} entrées",
    "{} input": "{} entrée",
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
    # one mistake planted in the true backward, and its place
    "the softmax the {} (line {})": "softmax, {} (ligne {}),",
    "the {} of {}, the {} (line {})": "{} de {}, {} (ligne {}),",
    "the {} (line {})": "{} (ligne {})",
    "`{}` (line {})": "`{}` (ligne {})",
    "axis {}": "l'axe {}",
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
}

"""Sphinx reads this; ``python tools/docs.py`` calls it, with what is generated beside the pages."""

import re

from docutils import nodes
from docutils.utils.math import latex2mathml

import minigrad

project = "minigrad"
author = "The minigrad developers"
copyright = "The minigrad developers"
release = version = minigrad.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["conf.py"]
html_theme = "furo"
html_title = "minigrad"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_extra_path = ["_extra"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"

myst_enable_extensions = ["dollarmath", "deflist", "html_image", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

autodoc_typehints = "none"  # the arguments are explained in words; mypy and editors have the types
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
default_role = "code"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False


# Prose of docstrings is text, in which x * y and |x| mean what they say, and no markup but `code`.
SPECIAL = re.compile(r"(``.*?``|`[^`]*`)|([*|\\]|_(?!\w))", re.DOTALL)
SECTIONS = "Args:", "Attributes:", "Raises:", "Returns:"


def plain(app, what, name, obj, options, lines):
    """Escape in a docstring what would be markup, but for code; what stands apart and indented is shown as it is."""
    written, example, shown, head = [], False, False, ""
    for before, line in zip(["", *lines], lines, strict=False):
        inside = line.startswith("    ")
        head = head if inside or not line else line
        apart = inside and not (before.strip() or example or shown or head in SECTIONS)
        shown = apart or (shown and (inside or not line))
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        text = line if example or shown else SPECIAL.sub(lambda found: found[1] or "\\" + found[2], line)
        written += ["::", "", text] if apart else [text]
    lines[:] = written


def skipped(app, what, name, obj, skip, options):
    """What a class has from another package is explained there."""
    return skip or not (getattr(obj, "__module__", None) or "minigrad").startswith("minigrad")


# Formulas are MathML, which browsers draw and screen readers read, without a script from anywhere.
def mathml(self, node):
    block = isinstance(node, nodes.math_block)
    text = re.sub(r"\\([bB]igg?)(?![a-zA-Z])", r"\\\1l", node.astext())  # \Big( is known as \Bigl(
    tree = latex2mathml.tex2mathml(text, as_block=block)
    self.body.append(f'<div class="math">{tree}</div>' if block else str(tree))
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(mathml, None), block_renderers=(mathml, None))
    app.config.html_math_renderer = "mathml"
    app.connect("autodoc-process-docstring", plain, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", skipped)

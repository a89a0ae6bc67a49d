"""A page of its own: one file with its style, its script and its data inside, which needs no network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from importlib import resources


def page_of(package: str, name: str, data: str, styles: Iterable[str] = (), /, **parts: str) -> str:
    """The template `name`.html in the folder page/ of a package, with its style, script, JSON data and other `parts`.

    Only the scripts and styles that are ours may run, by their hashes: those of the folder, and `styles` beside them.
    """
    template, style, script = (
        resources.files(package).joinpath("page", f"{name}.{suffix}").read_text("utf-8")
        for suffix in ("html", "css", "js")
    )
    allowed = f"script-src {digest(script)}; style-src {' '.join(map(digest, (style, *styles)))}"
    parts |= {
        "policy": f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'",
        "style": style,
        "script": script,
        # In a script element only "<" can end it or begin a comment; in JSON it may be written so.
        "data": data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)  # in one pass: no part is searched again


def digest(text: str) -> str:
    """The word in a Content-Security-Policy that allows a script or a style with this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

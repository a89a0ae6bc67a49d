"""The command line of the small examples: `--help`, `--epochs`, and the exit codes of digits.py."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable


def run(main: Callable[[int], None], doc: str | None, epochs: int, counted: str = "steps down the gradient") -> int:
    """Call `main` with the number of epochs that the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=epochs, help=f"{counted} (default {epochs})")
    chosen = parser.parse_args().epochs
    if chosen < 1:
        parser.error(f"epochs is at least 1, and not {chosen}")
    try:
        main(chosen)
    except ModuleNotFoundError as error:
        parser.error(f"this example needs {error.name}: python -m pip install {error.name}")
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        return 130
    return 0

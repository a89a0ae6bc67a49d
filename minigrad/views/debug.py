"""A debugger for the backward: forwards and backwards through its steps, one edge of the tape at a time."""

from __future__ import annotations

import cmd
import sys
from typing import IO, Any

import numpy as np

from minigrad.broadcasting import stretched_axes
from minigrad.engine.names import excerpt, input_names, line
from minigrad.engine.words import counted, shape, summary
from minigrad.tensor import Tensor
from minigrad.views import Command
from minigrad.views.formula import edge_equations
from minigrad.views.steps import Step, Trace, traced
from minigrad.views.table import aligned, undone

LARGEST = 8  # rows and columns of an array that is written out
ALIASES = {
    "b": "break", "bt": "list", "c": "continue", "cl": "clear", "exit": "quit", "h": "help", "j": "jump", "l": "list",
    "n": "next", "p": "print", "prev": "back", "q": "quit", "rc": "reverse_continue", "rn": "back", "s": "search",
    "reverse-continue": "reverse_continue", "reverse-next": "back", "step": "next", "w": "where",
}  # fmt: skip


class Debugger(cmd.Cmd):
    """Commands as in pdb and gdb; an empty line repeats the last one.

    Args:
        trace: the tape, and the backward that is stepped through.
        stdin, stdout: where commands come from and answers go; a terminal by default.
    """

    prompt = "(minigrad) "
    doc_header = "Commands (help NAME tells more; an empty line repeats the last):"

    def __init__(self, trace: Trace, stdin: IO[str] | None = None, stdout: IO[str] | None = None) -> None:
        super().__init__("tab", stdin, stdout)
        self.use_rawinput = stdin is None and sys.stdin.isatty()
        self.trace, self.at = trace, 0
        self.breaks: list[str] = []

    def run(self) -> None:
        """Read and carry out commands until quit or the end of the input."""
        trace = self.trace
        counts = f"{counted(len(trace.steps), 'step')}, {counted(len(trace.nodes), 'node')}"
        self.say(f"the backward of {trace.name[trace.output]}: {counts}; h for help")
        if trace.steps:
            self.show()
        else:
            self.the_end()
        self.cmdloop()

    def say(self, text: str) -> None:
        print(text, file=self.stdout)

    # ----------------------------------------------------------------------------------------------------- a step
    def show(self) -> None:
        step, name = self.trace.steps[self.at], self.trace.name
        node, x = step.node, step.input
        self.say(f"\n[{self.at + 1}/{len(self.trace.steps)}]  {name[node]} → {name[x]}")
        place = node.where
        found = excerpt(place)
        self.say("\n".join([line(place), *(found.marked() if found else ["      (the source is gone)"])]))
        letters = input_names(node)
        self.say(f"{name[node]} = {self.trace.call(node)}, to its input {letters[step.position]} = {name[x]}")
        self.array(f"cotangent of {name[node]}", step.cotangent)
        self.say("rule         " + "\n             ".join(text.unicode for text in edge_equations(self.trace, step)))
        self.array("it gives", step.partial)
        if undone(step.partial, step.contribution):
            self.array(f"for {name[x]}, {self.what_was_undone(step)}", step.contribution)
        if step.before is not None:
            self.array(f"added to what had come to {name[x]}", step.before)
            self.array(f"so far, d {name[self.trace.output]} / d {name[x]}", step.total)
        if self.at == len(self.trace.steps) - 1:
            self.the_end()

    def what_was_undone(self, step: Step) -> str:
        """How a partial became a contribution."""
        partial, x = step.partial, step.contribution
        if partial.shape == x.shape:
            return f"in {x.dtype}"
        axes = stretched_axes(x.shape, partial.shape)
        where = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
        return f"broadcast in the forward, summed over {where}"

    def array(self, title: str, array: Any) -> None:
        array = np.asarray(array)
        if array.ndim == 0 or (array.ndim == 1 and array.size <= LARGEST):
            self.say(f"{title}  {np.array2string(array, precision=5)}")
        elif array.ndim == 2 and max(array.shape) <= LARGEST:
            self.say(f"{title}, {shape(array)}")
            self.say("    " + np.array2string(array, precision=5, prefix="    ", max_line_width=120))
        else:
            self.say(f"{title}, {shape(array)}: {summary(array)}")

    def the_end(self) -> None:
        trace = self.trace
        if trace.failure is None:
            self.say("that was the last step")
            return
        node = trace.failed_at
        where = f" at {trace.name[node]}, {line(node.where)}" if node is not None else ""
        self.say(f"the backward stops here{where}: {type(trace.failure).__name__}: {trace.failure}")

    # --------------------------------------------------------------------------------------------------- commands
    def do_next(self, argument: str) -> None:
        """next [N] (n): the next step, or the N-th from here."""
        self.move(self.whole(argument, 1))

    def do_back(self, argument: str) -> None:
        """back [N] (rn, prev): the step before, or the N-th before."""
        self.move(-self.whole(argument, 1))

    def do_jump(self, argument: str) -> None:
        """jump N (j): to step N, counted from 1; jump NAME: to the first step from or to that tensor."""
        if argument.lstrip("-").isdigit():
            self.go(int(argument) - 1)
        else:
            self.seek(lambda step: argument in self.names(step), range(len(self.trace.steps)), argument)

    def do_search(self, argument: str) -> None:
        """search TEXT (s, /): the next step with TEXT in its names, operation, rule or line of code."""
        steps = self.trace.steps
        order = [*range(self.at + 1, len(steps)), *range(self.at + 1)]
        self.seek(lambda step: argument.lower() in self.words(step).lower(), order, argument)

    def do_break(self, argument: str) -> None:
        """break NAME (b): stop at steps from or to that tensor; break nan: where the first nan or infinity comes up;
        break: which there are."""
        known = {*self.trace.name.values(), "nan"}
        if argument in known:
            self.breaks.append(argument)
        elif argument:
            self.say(f"there is no tensor {argument!r}; there are {', '.join(sorted(known))}")
            return
        self.say(f"stops at: {', '.join(self.breaks) or 'nothing'}")

    def do_clear(self, argument: str) -> None:
        """clear [NAME] (cl): forget one place to stop at, or all."""
        self.breaks = [name for name in self.breaks if argument and name != argument]
        self.say(f"stops at: {', '.join(self.breaks) or 'nothing'}")

    def do_continue(self, argument: str) -> None:
        """continue (c): on to the next place to stop at, or to the last step."""
        self.run_to(range(self.at + 1, len(self.trace.steps)))

    def do_reverse_continue(self, argument: str) -> None:
        """reverse_continue (rc): back to the next place to stop at, or to the first step."""
        self.run_to(range(self.at - 1, -1, -1))

    def do_list(self, argument: str) -> None:
        """list (l): all steps, the present one marked."""
        rows = []
        for i, step in enumerate(self.trace.steps):
            mark, names = "→" if i == self.at else "", f"{self.trace.name[step.node]} → {self.trace.name[step.input]}"
            rows.append([mark, str(i + 1), names, edge_equations(self.trace, step)[0].unicode, line(step.node.where)])
        self.say(aligned(rows) if rows else "there are no steps")

    def do_where(self, argument: str) -> None:
        """where (w): the present step again."""
        self.go(self.at)

    def do_print(self, argument: str) -> None:
        """print NAME (p): a tensor: its value, and its gradient as far as it has come at this step."""
        trace = self.trace
        node = next((n for n in trace.nodes if trace.name[n] == argument), None)
        if node is None:
            self.say(f"there is no tensor {argument!r}; there are {', '.join(trace.name.values())}")
            return
        self.array(f"{argument}, {node.dtype}", trace.value[node])
        total = self.so_far(node)
        if total is None:
            self.say(f"nothing has come to {argument} yet")
        else:
            self.array(f"d {trace.name[trace.output]} / d {argument} so far", total)

    def do_help(self, arg: str) -> None:
        """help [NAME] (h): the commands, or what one of them does."""
        super().do_help(ALIASES.get(arg, arg))

    def do_quit(self, argument: str) -> bool:
        """quit (q): leave."""
        return True

    def do_EOF(self, argument: str) -> bool:
        """The end of the input."""
        if self.use_rawinput:
            self.say("")
        return True

    # ---------------------------------------------------------------------------------------------------- helpers
    def precmd(self, line: str) -> str:
        """A short name is the long one; "/text" searches."""
        line = line.strip()
        if line.startswith("/"):
            return f"search {line[1:]}"
        first, space, rest = line.partition(" ")
        return ALIASES.get(first, first) + space + rest

    def default(self, line: str) -> None:
        self.say(f"no command {line.partition(' ')[0]!r}; h has a list")

    def get_names(self) -> list[str]:
        return [name for name in dir(type(self)) if name != "do_EOF"]

    def completenames(self, text: str, *ignored: Any) -> list[str]:
        return [name for name in super().completenames(text) if name != "EOF"]

    def completedefault(self, text: str, *ignored: Any) -> list[str]:
        return [name for name in self.trace.name.values() if name.startswith(text)]

    def names(self, step: Step) -> tuple[str, str]:
        return self.trace.name[step.node], self.trace.name[step.input]

    def words(self, step: Step) -> str:
        rule = " ".join(text.unicode for text in edge_equations(self.trace, step))
        return " ".join([*self.names(step), step.node.op.name, rule, step.node.where.text])

    def so_far(self, node: Tensor) -> Any:
        """The sum of all that has come to `node` up to the present step; None if nothing has."""
        if node is self.trace.output:
            return self.trace.cotangents.get(node)
        return next((s.total for s in reversed(self.trace.steps[: self.at + 1]) if s.input is node), None)

    def whole(self, argument: str, default: int) -> int:
        return int(argument) if argument.isdigit() else default

    def move(self, by: int) -> None:
        self.go(self.at + by)

    def go(self, to: int) -> None:
        """To a step, if it is there."""
        if not self.trace.steps:
            self.the_end()
        elif to < 0:
            self.say("that would be before the first step")
        elif to >= len(self.trace.steps):
            self.the_end()
        else:
            self.at = to
            self.show()

    def seek(self, wanted: Any, order: Any, what: str) -> None:
        found = next((i for i in order if wanted(self.trace.steps[i])), None)
        if found is None:
            self.say(f"no step has {what!r}")
        else:
            self.go(found)

    def run_to(self, order: range) -> None:
        for i in order:
            step = self.trace.steps[i]
            hits = [name for name in self.breaks if name in self.names(step) or (name == "nan" and breaks_down(step))]
            if hits:
                self.at = i
                self.say(f"stopped by {hits[0]}")
                self.show()
                return
        if len(order):
            self.go(order[-1])
        else:
            self.move(1 if order.step > 0 else -1)


def breaks_down(step: Step) -> bool:
    """Whether this step is where a finite cotangent makes something that is not."""
    came_in = np.isfinite(step.cotangent).all() and (step.before is None or np.isfinite(step.before).all())
    return bool(came_in and not np.isfinite(step.total).all())


def debug(output: Tensor, gradient: Any = None) -> None:
    """Step through the backward of `output` in the terminal, one edge at a time; ``help`` has the commands.

    Each step shows the line with its expression marked, the cotangent that comes in, the rule, what it gives before and
    after broadcasting is undone, and what has come together so far. No `.grad` changes.

    Raises:
        TypeError: `output` is no Tensor.

    >>> import io
    >>> from unittest.mock import patch
    >>> x = Tensor([3.0], requires_grad=True)
    >>> loss = (x * x).sum()
    >>> with patch("sys.stdin", io.StringIO("quit")):  # what is typed otherwise
    ...     debug(loss)  # doctest: +ELLIPSIS
    the backward of loss: 3 steps, 3 nodes; h for help
    ...
    it gives  [1.]
    (minigrad)...
    """
    Debugger(traced(output, gradient)).run()


COMMAND = Command(
    "step through the backward of a script in the terminal",
    "Step through the backward, forwards and backwards, one edge of the tape at a time. Reads commands from standard "
    "input when that is no terminal.",
    lambda trace, options: Debugger(trace, None if sys.stdin.isatty() else sys.stdin).run(),
)

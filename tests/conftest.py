"""How the properties are hunted.

quick       the default: a few dozen examples each, minutes are not spent on it
thorough    ``python -m pytest --hypothesis-profile=thorough``: the same properties with fifty times the examples

In continuous integration the quick profile draws the same examples on every run. A red run is then the fault of the
commit it belongs to, and can be repeated; new examples are hunted where somebody is there to read them. (Hypothesis
would load a profile of its own there; loading ours replaces it.) No profile has a deadline: a shared machine is slow
at times, and that is no bug.
"""

import os
import signal
from importlib.util import find_spec
from operator import itemgetter

import pytest
from hypothesis import HealthCheck, settings

from minigrad.checks import checker, trial
from minigrad.engine import places
from minigrad.grade import examination

common = settings(
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", common, max_examples=40)
settings.register_profile("thorough", common, max_examples=2000)
settings.load_profile("quick")

# A shell starts what runs in its background with SIGINT ignored, and what is started from there inherits that: a Ctrl-C
# that a test sends would not arrive.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if find_spec("torch"):  # .ci/versions runs what needs no torch without it
    import torch

    torch.set_num_threads(1)  # the arrays are tiny; threads would only wait for each other

pytest.register_assert_rewrite("oracles")

if "MUTANT_UNDER_TEST" in os.environ:  # tools/mutation.sh puts a frame of its own before every function it changes
    places.ENGINE["mutmut.mutation"] = True


@pytest.fixture
def brief(monkeypatch):
    """An examination of three cases, and few calls: for tests of what stands around it."""
    for home in checker, examination:
        monkeypatch.setattr(
            home, "designed", lambda *form, all=home.designed: iter(itemgetter(0, 1, -1)([*all(*form)]))
        )
    monkeypatch.setattr(checker, "rare", lambda *form: iter(()))
    monkeypatch.setattr(checker, "EXAMPLES", 1)
    monkeypatch.setattr(trial.Trial, "calls", 4)

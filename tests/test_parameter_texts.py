"""A parameter that occurs in many places is described there in the same words.

Docstrings repeat these texts, because a text that is put in when a class is created
cannot be read where the class is written, by people or by editors. They are kept equal
here: this is the one place that says what they are.
"""

import inspect

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

import skinfluence
from skinfluence import datasets, metrics

PUBLIC = {
    name: getattr(module, name)
    for module in (skinfluence, metrics, datasets)
    for name in module.__all__
}
NETS = {
    "HyDRA",
    "InfluenceFunctions",
    "RepresenterPoints",
    "SOURCE",
    "TRAK",
    "TracIn",
}
RETRAINING = {
    "DownsamplingInfluence",
    "LeaveOneOutInfluence",
    "ShapleyInfluence",
    "TreeInfluence",
}
SEEDS = "eeds estimators whose own ``random_state`` is None"
PICKLES = "The entries are pickles: name no folder that others can write to."

# What every description of a parameter contains: its type, a common text.
EVERYWHERE = {
    "n_jobs": ("int, default=None", "; None obeys ``joblib.parallel_config``."),
    "random_state": ("int, RandomState or None, default=None", ""),
    "error_score": (
        '"raise" or float, default="raise"',
        "Result of a retraining that fails: its error, or this loss on every row",
    ),
    "verbose": (
        "int, default=0",
        "Above 0, the progress of retraining is printed, with the time left",
    ),
    "loss": ('default="auto"', "Evaluation loss"),
    "memory": ("default=None", ""),
}

# What it contains besides in methods of one kind.
BY_KIND = {
    "n_jobs": [(RETRAINING, "Workers for retraining; ")],
    "random_state": [
        (RETRAINING | {"InfluenceCleaner", "memorization_curve"}, SEEDS),
        ({"removal_curve"}, SEEDS),
        (
            NETS,
            "Seed of the training. None: a net draws from torch's global generator.",
        ),
    ],
    "memory": [
        (
            RETRAINING,
            "Keeps finished retrainings on disk, so that a killed run resumes",
        ),
        (
            RETRAINING,
            "; without ``random_state`` seeds are then the same in every run. "
            + PICKLES,
        ),
        (RETRAINING | {"InfluenceCleaner", "InfluenceSampler"}, PICKLES),
        (
            NETS,
            ", from which numbers are read and no pickled code. None: in memory.",
        ),
        (NETS, "Folder that keeps "),
    ],
}


def described(parameter):
    """Type and text of a parameter in each public docstring that has it."""
    out = {}
    for name, obj in PUBLIC.items():
        if inspect.isclass(obj) or inspect.isroutine(obj):
            parse = ClassDoc if inspect.isclass(obj) else FunctionDoc
            for found in parse(obj)["Parameters"]:
                if found.name == parameter:
                    out[name] = found.type, " ".join(found.desc)
    return out


@pytest.mark.parametrize("parameter", EVERYWHERE)
def test_a_parameter_is_described_in_the_same_words(parameter):
    kind, common = EVERYWHERE[parameter]
    found = described(parameter)
    assert len(found) > 2
    for name, (given, text) in found.items():
        assert given.endswith(kind), name
        assert common in text, name
        for names, words in BY_KIND.get(parameter, []):
            if name in names:
                assert words in text, name


@pytest.mark.parametrize("parameter", BY_KIND)
def test_every_class_with_the_parameter_is_checked(parameter):
    named = set.union(*(names for names, _ in BY_KIND[parameter]))
    assert named - NETS <= set(described(parameter))
    if parameter == "memory":  # a new method that keeps something has to say how
        assert set(described(parameter)) <= named


@pytest.mark.parametrize("name", [n for n, o in PUBLIC.items() if inspect.isclass(o)])
def test_every_parameter_of_these_names_is_described(name):
    signature = inspect.signature(PUBLIC[name])
    for parameter in set(EVERYWHERE) & set(signature.parameters):
        if parameter != "loss":
            assert name in described(parameter)

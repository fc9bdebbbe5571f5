"""No refit in extended precision is outside its certified interval, ever."""

import pytest
from certified_cases import Case, big_cases, breast_cancer, hard_cases, stopped
from certified_pairs import both, sets_of_rows, single_rows

HARD = list(hard_cases(range(4)))


@pytest.mark.parametrize("case", HARD, ids=lambda case: case.name)
def test_hard_tables(case):
    rows, sets = (8, 3) if case.name.startswith("multinomial") else (24, 8)
    done = both(case, 8, sets, slice(0, rows))
    assert done or case.seed % 4 == 2  # copies of columns


def test_breast_cancer():
    for C in (1, 1e4):
        case = Case(f"C={C}", stopped(C), *breast_cancer())
        single_rows(case, 12, ["loo", "newton"], slice(0, None, 25))


@pytest.mark.slow
def test_a_million_pairs():
    pairs = sum(single_rows(case, 60) for case in big_cases())
    assert pairs >= 1_000_000, pairs


@pytest.mark.slow
def test_a_hundred_thousand_sets():
    pairs = sum(sets_of_rows(case, 25, 40) for case in big_cases())
    assert pairs >= 100_000, pairs


@pytest.mark.slow
def test_many_hard_tables():
    for case in hard_cases(range(4, 60)):
        assert both(case, 20, 20) or case.seed % 4 == 2, case.name

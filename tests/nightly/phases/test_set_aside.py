"""Halving finds who breaks a statement, and does the work of everybody else."""

import pytest

from nightly.phases.set_aside import find_culprits


@pytest.mark.parametrize("poisoned", [set(), {0}, {99}, {3, 4}, {0, 50, 99}])
def test_it_finds_those_and_does_the_rest(poisoned):
    done, attempts = set(), []

    def attempt(group):
        attempts.append(group)
        if poisoned & set(group):
            return "overflow"
        done.update(group)
        return None

    culprits, left_alone = find_culprits(range(100), attempt, most_attempts=60)
    assert culprits == dict.fromkeys(poisoned, "overflow")
    assert done == set(range(100)) - poisoned
    assert left_alone == []
    assert len(attempts) <= 2 + len(poisoned) * 2 * 7


def test_one_alone_is_tried_once():
    assert find_culprits(["A"], lambda group: "overflow", most_attempts=9) == ({"A": "overflow"}, [])


def test_it_gives_up_where_too_many_fail():
    tried = []
    culprits, left_alone = find_culprits(range(64), lambda group: tried.append(group) or "overflow", most_attempts=8)
    assert len(tried) == 8
    assert set(culprits) | set(left_alone) == set(range(64))

"""In which order the files of a test run are handed out."""

from __future__ import annotations

from sharing import COMPUTES, TESTS, WAITS, in_turn, scope_of


def _scopes() -> set[str]:
    return {scope_of(file.name) for file in TESTS.glob("test_*.py")}


def test_every_long_one_is_a_stack_or_a_file_and_is_of_one_kind() -> None:
    assert {*WAITS, *COMPUTES} <= _scopes()
    assert not {*WAITS} & {*COMPUTES}


def test_of_each_kind_the_longest_come_first_and_none_is_lost() -> None:
    scopes = _scopes()
    turns = in_turn(scopes)
    assert sorted(turns) == sorted(scopes)
    for seconds in (WAITS, COMPUTES):
        lengths = [seconds[scope] for scope in turns if scope in seconds]
        assert lengths == sorted(lengths, reverse=True)


def test_those_that_wait_end_when_those_that_compute_do() -> None:
    """A run begins with one of each, and has half of what waits behind it when it has half of what computes."""
    turns = in_turn(_scopes())
    assert {turns[0] in WAITS, turns[1] in WAITS} == {True, False}
    waited = computed = 0
    for scope in turns:
        if waited >= sum(WAITS.values()) / 2:
            break
        waited, computed = waited + WAITS.get(scope, 0), computed + COMPUTES.get(scope, 0 if scope in WAITS else 1)
    others = sum(1 for scope in turns if scope not in WAITS and scope not in COMPUTES)
    assert computed / (sum(COMPUTES.values()) + others) > 0.4

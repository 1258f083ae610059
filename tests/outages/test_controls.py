"""The negative controls: each harness finds what is wrong. A commit takes some, another one others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perdure.engine.errors import Conflict, Ended, NotFound
from tests.outages.commits import cut_commits
from tests.outages.namespaces import DEAF, cut_one_off
from tests.outages.restarts import FORGETFUL, restart_under_load
from tests.outages.standby import lose_the_primary
from tests.shares import in_turn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # real processes, and servers that crash


def _some(path: Path) -> Iterator[tuple[int, Path]]:
    """Not each run of a seed shows what is wrong: it has to come between an answer and what was forgotten."""
    for seed in range(1, 6):
        folder = path / str(seed)
        folder.mkdir()
        yield seed, folder


def a_database_that_forgets(path: Path) -> None:
    """It says "committed" before that survives a crash."""
    for seed, folder in _some(path):
        restart_under_load(folder, seed, 30, servers=1, desks=6, settings=FORGETFUL)


def an_engine_that_believes_in_a_commit(path: Path) -> None:
    """Of which it has heard nothing."""
    for seed, folder in _some(path):
        cut_commits(folder, seed, 30, cuts=40, workers=0, desks=6, mutant="unknown_commit_taken_for_done")


def an_engine_that_forgets_what_was_asked(path: Path) -> None:
    """A client asks again, under its key, and that is done twice."""
    for seed, folder in _some(path):
        cut_commits(folder, seed, 30, cuts=40, workers=0, desks=6, mutant="forgets_what_was_asked")


def a_standby_that_lags_behind(path: Path) -> None:
    """And nobody waits for it."""
    for seed, folder in _some(path):
        lose_the_primary(folder, seed, 30, desks=6, workers=0, synchronous=False)


def connections_without_time_limits(_path: Path) -> None:
    """Who is cut off does not notice. When it comes back it has still written nothing."""
    cut = cut_one_off(chains=40, steps=10, lease=2.0, settings=DEAF, patience=15.0)
    try:
        cut.account.check()
    except AssertionError as error:
        raise RuntimeError("the fence did not hold") from error
    assert cut.noticed, "who was cut off did not notice"


LOST = (
    "was acknowledged, and is not there|there is no instance|the ledger has, and should have"
    "|account .* has .*, and was given|Order.* is {|stuck: "
)
"""Something that was acknowledged is gone, or a part of it: in the end, or for who asks for it."""
TWICE = (
    "an instance .* exists already|nobody has ordered|the ledger has, and should have"
    r"|account .* has .*, and was given|Order.* gives \[|Order.* is {|instance .* has ended"
)
"""Something that was asked once is done twice, as an event that is heard again, or refused as if it were."""
WRONG: list[tuple[Callable[[Path], None], str]] = [
    (a_database_that_forgets, LOST),
    (an_engine_that_believes_in_a_commit, LOST),
    (an_engine_that_forgets_what_was_asked, TWICE),
    (a_standby_that_lags_behind, LOST),
    (connections_without_time_limits, "who was cut off did not notice"),
]


@pytest.mark.parametrize(("wrong", "found"), in_turn(WRONG), ids=lambda each: getattr(each, "__name__", ""))
def test_what_is_wrong_is_found(tmp_path: Path, wrong: Callable[[Path], None], found: str) -> None:
    """By who asks meanwhile, or by the account in the end; any other failure shows nothing."""
    with pytest.raises((AssertionError, NotFound, Conflict, Ended), match=found):
        wrong(tmp_path)

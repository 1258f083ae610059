"""How slots are shared out: balanced within one, with as few moves as there can be, and for good.

Properties of the pure function, and of many workers that decide by it, each at its own time and by what it
has read a while ago.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.engine.instance import SLOTS
from perdure.engine.sharing import PATIENCE, Unserved, candidates, share, targets
from tests.engine.store.factory import BEGIN, LEASE, worker

NAMES = "abcdefgh"

Owners = dict[int, str]


@st.composite
def hubs(draw: st.DrawFn) -> tuple[int, list[str], Owners]:
    """Some slots, who is to have them, and who has them: perhaps nobody, or somebody else."""
    slots = draw(st.integers(1, 40))
    among = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    owner = st.one_of(st.none(), st.sampled_from(NAMES))
    owners = draw(st.lists(owner, min_size=slots, max_size=slots))
    return slots, among, {slot: name for slot, name in enumerate(owners) if name is not None}


def one_round(slots: int, among: Sequence[str], owners: Owners) -> tuple[Owners, int]:
    """Everybody decides by the same, and does it; returns how many slots were given or taken."""
    after, moved = dict(owners), 0
    for me in sorted({*among, *owners.values()}):
        take, give = share(me, among, owners, slots)
        for slot in give:
            del after[slot]
        for slot in take:
            assert slot not in after, "two want the same slot"
            after[slot] = me
        moved += len(take) + len(give)
    return after, moved


def balanced(slots: int, among: Sequence[str], owners: Mapping[int, str]) -> bool:
    """Whether every slot has an owner among them, and no two differ by more than one."""
    counts = Counter(owners.values())
    shares = [counts[name] for name in among]
    return len(owners) == slots and set(owners.values()) <= set(among) and max(shares) - min(shares) <= 1


@given(hubs())
def test_two_rounds_are_enough(hub: tuple[int, list[str], Owners]) -> None:
    """What is too much is given in the first, and taken in the second; nothing moves ever after."""
    slots, among, owners = hub
    owners, _ = one_round(slots, among, owners)
    owners, _ = one_round(slots, among, owners)
    assert balanced(slots, among, owners)
    assert one_round(slots, among, owners) == (owners, 0)


@given(hubs())
def test_nothing_moves_that_need_not(hub: tuple[int, list[str], Owners]) -> None:
    """Each gives no more than it has above the share of those who have most."""
    slots, among, owners = hub
    counts = Counter(owners.values())
    least, over = divmod(slots, len(among))
    given_away = sum(len(share(me, among, owners, slots).give) for me in among)
    most = sorted((counts[name] for name in among), reverse=True)
    assert given_away == sum(max(count - least - (place < over), 0) for place, count in enumerate(most))
    if balanced(slots, among, owners):
        assert given_away == 0


@given(hubs())
def test_whoever_is_not_among_them_gives_everything(
    hub: tuple[int, list[str], Owners],
) -> None:
    """Such as one that is about to leave; and takes nothing."""
    slots, among, owners = hub
    owners |= dict.fromkeys(range(0, slots, 3), "z")
    theirs = sorted(slot for slot, name in owners.items() if name == "z")
    assert share("z", among, owners, slots) == ((), tuple(theirs))
    assert share("z", [], owners, slots) == ((), ()), "nobody could take them"


@given(hubs(), st.integers(0, 2**32))
def test_it_converges_whatever_everybody_has_read(hub: tuple[int, list[str], Owners], seed: int) -> None:
    """Each acts at a time of its own, by what it read before others acted; workers come and go meanwhile."""
    slots, among, owners = hub
    random = Random(seed)
    here = list(among)
    read = {name: dict(owners) for name in NAMES}
    for _ in range(60):
        me = random.choice(NAMES)
        if random.random() < 0.6:
            read[me] = dict(owners)
            continue
        if random.random() < 0.1:
            here = random.sample(NAMES, random.randint(1, 6))
        act(me, here, read[me], owners, slots)
    for _ in range(4):
        for me in random.sample(NAMES, len(NAMES)):
            act(me, here, dict(owners), owners, slots)
    assert balanced(slots, here, owners), (here, owners)


def act(me: str, here: Sequence[str], read: Owners, owners: Owners, slots: int) -> None:
    """Do what a worker decides, as far as the store lets it: it gives its own, and takes what is free."""
    take, give = share(me, here, {**{k: v for k, v in read.items() if v != me}, **mine(owners, me)}, slots)
    for slot in give:
        del owners[slot]
    for slot in take:
        owners.setdefault(slot, me)


def mine(owners: Owners, me: str) -> Owners:
    """Everybody knows what it has itself."""
    return {slot: name for slot, name in owners.items() if name == me}


def test_who_joins_gets_its_share_and_no_more_than_that_moves() -> None:
    """Of 256 slots: 128 to the second, 85 to the third, and 64 to the fourth."""
    owners: Owners = {}
    among: list[str] = []
    moves = []
    for name in "abcd":
        among.append(name)
        before = dict(owners)
        for _ in range(2):
            owners, _ = one_round(SLOTS, among, owners)
        moves.append(sum(before.get(slot) != name for slot, name in owners.items()))
    assert moves == [256, 128, 85, 64]
    assert sorted(Counter(owners.values()).values()) == [64, 64, 64, 64]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 100, 255, 256, 300])
def test_shares_add_up(count: int) -> None:
    """All slots, and no two workers differ by more than one."""
    wanted = targets(dict.fromkeys(map(str, range(count)), 0))
    assert sum(wanted.values()) == SLOTS
    assert max(wanted.values()) - min(wanted.values()) <= 1


def test_servers_that_renew_their_leases_are_to_have_the_slots() -> None:
    """Not who runs activities alone, is about to leave, or has not been heard of; oneself in any case."""
    late = BEGIN + LEASE
    found = [
        worker("activities", turns=False, lease_until=late),
        worker("leaves", draining=True, lease_until=late),
        worker("silent", lease_until=BEGIN), worker("me", lease_until=BEGIN),
        worker("other", lease_until=late), worker("run", reserve=True, lease_until=late),
    ]  # fmt: skip
    assert candidates("me", found, {}, BEGIN) == ["me", "other"]
    assert candidates("other", found, {}, BEGIN) == ["other"]


def test_a_reserve_serves_alone() -> None:
    """Without a server it is the one that does so already, or the oldest."""
    found = [worker(name, reserve=True, lease_until=BEGIN + LEASE) for name in ("old", "new")]
    assert candidates("new", found, {}, BEGIN) == ["old"]
    assert candidates("old", found, {3: "new", 4: "dead"}, BEGIN) == ["new"]
    assert candidates("new", [worker("x", turns=False)], {}, BEGIN) == []


def test_a_slot_that_stays_free_is_anybodys() -> None:
    """It was free at every look for so long; one that was taken meanwhile begins anew."""
    unserved = Unserved()
    assert unserved.seen([1, 2], 10.0) == []
    assert unserved.seen([1, 2], 10.0 + PATIENCE / 2) == []
    assert unserved.seen([1], 10.0 + PATIENCE) == [1]
    assert unserved.seen([1, 2], 10.1 + PATIENCE) == [1]
    assert unserved.seen([2], 10.1 + 2 * PATIENCE) == [2]

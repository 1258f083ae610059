"""Servers that are killed with SIGKILL while clients work, and started again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from tests.black_box.account import check, settle
from tests.black_box.clients import Desk, Patient
from tests.black_box.customers import Crowd
from tests.black_box.moments import Watch
from tests.black_box.orders import SHOP
from tests.black_box.processes import Folder, Server

DESKS = 4


def kill_servers(
    path: Path, seed: int, kills: int, servers: int = 1, mutant: str | None = None
) -> Counter[str]:
    """Kill so often, at moments of a seed; then everything that was acknowledged must have come about.

    With two servers on the file, one goes on while the other is gone. Returns counts of what was done.
    """
    random, folder, counts = Random(f"kills {seed}"), Folder(path), Counter[str]()
    with ExitStack() as stack:
        running = [Server(folder, mutant=mutant) for _ in range(servers)]
        for each in running:
            stack.callback(each.kill)
        urls = [each.url for each in running]
        patient = Patient(urls, counts)
        stack.callback(patient.close)
        patient.ask("deploy", lambda client: client.deploy_source(SHOP.read_text("utf-8"), SHOP.name))
        crowd = Crowd([Desk(f"d{n}", Random(f"{seed} {n}"), Patient(urls, counts)) for n in range(DESKS)])
        watch = Watch(folder, crowd)
        with crowd.working():
            while counts["kills"] < kills and not crowd.failed:
                _kill(running, random, watch, counts)
        settle(patient, counts)
        for each in running:
            assert each.end() == 0, "a server that is told to ends well"
    return counts + check(folder, crowd.orders, crowd.moved)


def _kill(servers: Sequence[Server], random: Random, watch: Watch, counts: Counter[str]) -> None:
    """Kill one of them, or all; some of those that come after are killed before they answer anybody."""
    moment = watch.draw(random)
    watch.wait(moment)
    killed = [random.choice(servers)] if random.random() < 0.7 else list(servers)
    for each in killed:
        each.kill()
        counts["kills"] += 1
        counts[f"kill when {moment.kind}"] += 1
    for each in killed:
        each.begin()
        if random.random() < 0.2:
            watch.until_written(each, random.randint(1, 4))
            each.kill()
            counts["kills"] += 1
            counts["kill when beginning"] += 1
            each.begin()
    for each in killed:
        each.ready()

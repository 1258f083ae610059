"""Runs of scenarios with one fault, or two; and which faults there are."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, Literal

from perdure.compiler import compile_entity, compile_workflow
from perdure.compiler.encode import digest
from perdure.dsl import Severity, load
from perdure.dsl.source import Source
from perdure.engine import clock, ids
from perdure.engine.activities import Registry
from perdure.engine.client import Deployment
from tests.crash_points.account import check
from tests.crash_points.disks import Disk, MemoryDisk, SqliteDisk
from tests.crash_points.faults import Call, Fault, Injector, Kind
from tests.crash_points.member import Role
from tests.crash_points.world import Clock, World

StoreKind = Literal["memory", "sqlite"]
STORES: tuple[StoreKind, ...] = ("memory", "sqlite")


class Failure(AssertionError):
    """A promise was broken; the text says at which point."""


@dataclass(frozen=True)
class Scenario:
    """A fixed workflow and a fixed client. The script asserts what comes of it."""

    name: str
    script: Callable[[World], None]
    documents: tuple[str, ...] = ()
    activities: Callable[[World, Registry], None] = lambda _world, _registry: None
    roles: tuple[Role, ...] = (Role(),)


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    calls: tuple[Call, ...]
    hits: Counter[str]
    view: dict[str, Any]
    executions: dict[str, int]
    takeovers: int
    notes: tuple[str, ...]


def deployment(text: str) -> Deployment:
    """A document as it is deployed: a workflow or an entity."""
    loaded = load(Source("flow.perdure.yaml", text))
    wrong = [found for found in loaded.diagnostics if found.severity is Severity.ERROR]
    assert not wrong, "\n".join(f"{found.span} {found.code} {found.message}" for found in wrong)
    workflows = [compile_workflow(each) for each in loaded.workflows]
    entities = [compile_entity(each) for each in loaded.entities]
    program = workflows[0] if workflows else entities[0]
    return Deployment(
        name=program.name, version=program.version, digest=digest(program), program=program, source=text
    )


@cache
def _deployed(documents: tuple[str, ...]) -> tuple[Deployment, ...]:
    return tuple(map(deployment, documents))


@cache
def _template(documents: tuple[str, ...]) -> bytes:
    """Made as the reference model is."""
    return SqliteDisk.template(Clock(), _deployed(documents))


def _disk(scenario: Scenario, store: StoreKind, now: Clock) -> Disk:
    if store == "memory":
        return MemoryDisk(now, _deployed(scenario.documents))
    return SqliteDisk(now, _template(scenario.documents))


def run(scenario: Scenario, store: StoreKind, faults: Sequence[Fault] = ()) -> Run:
    """One run. Raises ``Failure``."""
    logging.getLogger("perdure").setLevel(logging.CRITICAL)
    now, injector = Clock(), Injector(tuple(faults))
    with ids.drawn_from(Random(1)):
        disk = _disk(scenario, store, now)
    try:
        world = World(now, disk, injector, scenario.roles, scenario.activities)
        with ids.drawn_from(world.random), clock.driven_by(world):
            scenario.script(world)
            world.settle()
            injector.heal()
            view = disk.view()
            calls = tuple(injector.log)
            check(world, prefixes=not faults)
        executions = {label: len(keys) for label, keys in world.ledger.keys.items()}
        return Run(calls, injector.hits, view, executions, world.takeovers, tuple(world.notes))
    except Exception as error:  # noqa: BLE001
        text = "".join(traceback.format_exception(error, limit=-8))
        shown = "+".join(map(str, faults)) or "no fault"
        raise Failure(f"{scenario.name} on {store}, {shown}: {error}\n{text}") from None
    finally:
        disk.close()


def points(control: Run) -> Iterator[Fault]:
    """Every single fault that a run without any leaves room for."""
    for call in control.calls:
        for kind, cut in call.kinds():
            yield Fault(call.number, kind, cut)
            if kind != "break":
                yield Fault(call.number, kind, cut, lasting=True)


class Bench:
    """A scenario on both stores: its runs without faults, and points of it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.controls = {store: run(scenario, store) for store in STORES}
        self._memory: dict[Fault, dict[str, Any]] = {}
        model, file = (self.controls[store] for store in STORES)
        self._equal(file.view, model.view, "without a fault")
        if [call.name for call in model.calls] != [call.name for call in file.calls]:
            raise Failure(f"{scenario.name}: the stores are asked for different things")

    def points(self, store: StoreKind) -> list[Fault]:
        """All single faults on a store."""
        return list(points(self.controls[store]))

    def check(self, store: StoreKind, *faults: Fault) -> Run:
        """One point; on SQLite compared with the same one on the reference model. Raises ``Failure``."""
        found = self._run(store, *faults)
        if store == "memory":
            if len(faults) == 1:
                self._memory[faults[0]] = found.view
        elif len(faults) == 1 and (same := self._same(faults[0])) is not None:
            if same not in self._memory:
                self._memory[same] = self._run("memory", same).view
            self._equal(found.view, self._memory[same], str(faults[0]))
        return found

    def _run(self, store: StoreKind, *faults: Fault) -> Run:
        found, control = run(self.scenario, store, faults), self.controls[store]
        shown = f"{self.scenario.name} on {store}, {'+'.join(map(str, faults))}"
        if not found.hits:
            raise Failure(f"{shown}: no fault was hit")
        calm = not found.takeovers and not any(note.endswith("dies") for note in found.notes)
        if calm and found.executions != control.executions:
            raise Failure(f"{shown}: done {found.executions} times, not {control.executions}: nobody died")
        return found

    @staticmethod
    def _same(fault: Fault) -> Fault | None:
        """What must come to the same on the reference model: a torn transaction was never begun."""
        if not fault.cut:
            return fault
        kind: Kind = "crash_before" if fault.kind == "tear" else "fail_before"
        return None if fault.lasting else Fault(fault.number, kind)

    def _equal(self, found: dict[str, Any], model: dict[str, Any], what: str) -> None:
        for name, rows in model.items():
            if found[name] != rows:
                both = f"{found[name]}\non the model:\n{rows}"
                raise Failure(f"{self.scenario.name}, {what}: C12: {name} differs:\n{both}")

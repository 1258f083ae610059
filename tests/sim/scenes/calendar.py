"""A schedule: what it starts is matched to what its expression names (I7)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any

from perdure.engine.client import Client
from perdure.engine.errors import Conflict, NotFound
from perdure.engine.instance import Status
from perdure.engine.schedules import MOST_AT_ONCE, Progress, progress_of, slot_times
from perdure.engine.store.rows import InstanceQuery, ScheduleRow
from tests.sim.scenes.stage import Scene, Stage, deployed
from tests.sim.world import SECOND

TICK = """\
dsl: perdure/1
name: tick
version: 1.0.0
schedule:
  - cron: "{cron}"
    timezone: {zone}
    overlap: {overlap}{catch_up}
    input: {{ at: "${{ string(schedule.time) }}" }}
do:
  - worked: {{ call: Work, with: {{ label: tick, n: 1, fails: 0 }} }}
  - nap: {{ wait: {nap} }}
"""
LOOKS = 200
"""Of every process, for which a client of the calendar rests at most."""
ZONES = ["UTC", "Europe/London", "America/St_Johns", "Australia/Lord_Howe"]


class Calendar(Scene):
    """Somebody pauses it and lets it go on, and starts one by hand."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._cron = stage.time("*/5 * * * *", "30 1 1 * *")
        self._zone = self.random.choice(ZONES)
        self._overlap = self.random.choice(["skip", "queue", "cancel_previous", "allow"])
        self._catch_up = self.random.random() < 0.6
        self._since = 0
        self._by_hand: set[str] = set()
        self._alone = True
        """Whether nobody has started one by hand."""
        self._pauses: list[tuple[int, int, int]] = []
        """Of each: how far the schedule was, when it was told to go on, and when that was known."""
        self._last: Progress | None = None

    def begin(self) -> None:
        """It begins with its version."""
        text = TICK.format(
            cron=self._cron,
            zone=self._zone,
            overlap=self._overlap,
            catch_up="\n    catch_up: 9000d" if self._catch_up else "",
            nap=self.stage.time("3s", "2d"),
        )
        Client(self.stage.hub.outside()).deploy([deployed(text)])
        self._since = next(
            since for name, _, _, since in self.stage.store.active_workflows() if name == "tick"
        )
        self.asking.spawn("calendar", self._use)

    def _use(self) -> None:
        for number in range(self.random.randint(1, 3)):
            self._let_pass()
            if self.random.random() < 0.3:
                self._start_by_hand(number)
            else:
                self._pause()
        while not (self.stage.at_peace() and self._is_quiet()):
            self.world.sleep(self.stage.poll)
        # From now on it would go on for ever.
        self.stage.done("calendar", "retire", lambda client: client.retire("tick", "1.0.0"))
        while self.stage.store.schedule("tick") is not None:
            self.world.sleep(self.stage.poll)

    def _let_pass(self) -> None:
        # As long as others look again that often: each look is a step, of which there are not too many.
        longest = 1_200_000 * SECOND if self.stage.long_time else LOOKS * self.stage.poll
        self.asking.rest(self.random.choice([self.stage.poll, longest]))

    def _there(self) -> ScheduleRow:
        while (row := self.stage.store.schedule("tick")) is None:
            self.world.sleep(self.stage.poll)
        return row

    def _pause(self) -> None:
        self._there()
        self.stage.done("calendar", "pause", lambda client: client.pause_schedule("tick"))
        before = progress_of(self._there()).after
        self._let_pass()
        asked = self.stage.store.time()
        self.stage.done("calendar", "resume", lambda client: client.resume_schedule("tick"))
        self._pauses.append((before, asked, self.stage.store.time()))

    def _start_by_hand(self, number: int) -> None:
        self._alone = False
        trigger = partial(_triggered, f"by hand {number}")
        answer = self.asking.until_done("calendar", "trigger", trigger)
        refused = answer.error is not None and not isinstance(answer.error, Conflict | NotFound)
        assert not refused, f"calendar: {answer.error!r}"
        if answer.error is None:
            self._by_hand.add(answer.value["id"])

    def _is_quiet(self) -> bool:
        """Whether everything that was due has been started and has ended; then its progress is kept."""
        row = self.stage.store.schedule("tick")
        if row is None or row.due is None or row.due <= self.stage.store.time():
            return False
        self._last = progress_of(row)
        ids = self._instances()
        # One started by hand in the second of a slot has the slot's id, and is what the slot started.
        due = self._due()
        begun = len([id_ for id_ in ids if _time_of(id_) in due]) >= self._last.started
        return begun and all(ids.values())

    def _instances(self) -> dict[str, bool]:
        """What was started, and whether it has ended."""
        rows = self.stage.store.instances(InstanceQuery(name="tick", limit=1000))
        return {row.id: row.status.ended for row in rows}

    def written(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        """Unless it allows that, nothing begins before what it has started before has ended."""
        if name != "commit" or self._overlap == "allow" or not self._alone:
            return
        query = InstanceQuery(name="tick", statuses=(Status.PENDING, Status.RUNNING), limit=1000)
        going = [row.id for row in self.stage.store.instances(query)]
        assert len(going) <= 1, f"I7: {going} go on at once"

    def account(self) -> None:
        """Each time that is due is started once, or passed over for a reason."""
        assert self._last is not None, "the calendar was never quiet"
        due = self._due()
        ids = self._instances()
        started = {_time_of(id_) for id_ in ids}
        by_hand = {_time_of(id_) for id_ in self._by_hand}
        assert started <= due | by_hand, f"I7: nobody asked for {started - due - by_hand}"
        left = due - started
        passed = {at for before, _, until in self._pauses for at in due if before < at <= until}
        surely = {at for before, asked, _ in self._pauses for at in due if before < at <= asked}
        assert surely <= left | by_hand, f"I7: {surely - left} were started, and it was paused"
        counted = len(left) - self._last.skipped
        # One started by hand in the second of a slot keeps the slot from starting it, and that is counted.
        least = len(surely - by_hand) - len(by_hand & due)
        assert least <= counted <= len(passed), f"I7: {counted} passed over without a word"
        # So many wait for their turn at most; what is due then is passed over, and is counted.
        queued = self._overlap == "queue" and len(due) <= MOST_AT_ONCE
        if self._catch_up and (queued or self._overlap == "allow"):
            assert left <= passed, f"I7: {left - passed} were not started"
        for id_ in ids:
            times = self.stage.times_done(id_, "tick")
            assert times == 1 or self._overlap == "cancel_previous", f"{id_} has worked {times} times"

    def _due(self) -> set[int]:
        """The times that its expression names, as far as it has come."""
        assert self._last is not None, "somebody has looked at its progress"
        after = self._last.after
        return set(takewhile(lambda at: at <= after, slot_times(self._cron, self._zone, self._since)))


def _time_of(id_: str) -> int:
    return round(datetime.fromisoformat(id_.partition("@")[2]).timestamp()) * SECOND


def _triggered(key: str, client: Client) -> Any:
    return client.trigger_schedule("tick", request_key=key)

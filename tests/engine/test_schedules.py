"""Schedules: workflows that are started by the calendar."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
import pytest

from perdure.engine import schedules
from perdure.engine.client import Client
from perdure.engine.errors import UserError
from perdure.engine.linked import link
from perdure.engine.scheduling import KEEP_EVERY, Scheduling
from perdure.engine.store.rows import Batch, InstanceQuery, ScheduleRow, ScheduleWrite
from perdure.engine.workplace import POLL_EVERY
from tests.engine.driver import SECOND, Hub, compiled, deployment

HOUR = 3600
NAP = """
dsl: perdure/1
name: {name}
version: {version}
schedule: [ {{ cron: "{cron}", timezone: {zone}{more} }} ]
events: {{ Go: {{}} }}
do:
  - go: {{ wait_for_event: Go, timeout: never }}
"""
QUICK = """
dsl: perdure/1
name: quick
version: 1.0.0
schedule:
  - cron: "0 * * * *"
    timezone: UTC
    input: { date: "${ string(schedule.time) }" }
do:
  - return: ${ input.date }
"""


def at(text: str) -> int:
    """A time as microseconds."""
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


class Calendar:
    """A hub whose schedules are looked at as a worker does it."""

    def __init__(self, hub: Hub, begin: str) -> None:
        self.hub = hub
        hub.clock.now = at(begin)
        self.scheduling = Scheduling(hub.store, hub.programs)
        self.tick = 0.0

    def deploy(self, text: str) -> None:
        """Deploy a document now."""
        Client(self.hub.store).deploy([deployment(compiled(text))])
        self.look()

    def look(self) -> None:
        """Look until nothing is left to do."""
        while True:
            self.hub.run()
            self.tick += max(KEEP_EVERY, POLL_EVERY)
            busy, _ = self.scheduling.round(self.hub.worker, self.hub.slots, self.hub.clock.now, self.tick)
            self.hub.run()
            if not busy:
                return

    def go_to(self, when: str, every: int = 600) -> None:
        """Let time pass to a moment, with a look every so many seconds."""
        until = at(when)
        while self.hub.clock.now < until:
            self.hub.clock.now = min(self.hub.clock.now + every * SECOND, until)
            self.look()

    def jump_to(self, when: str) -> None:
        """Let time pass while nothing looks; then look."""
        self.hub.clock.now = at(when)
        self.look()

    def started(self) -> list[str]:
        """When instances were started for, in order."""
        found = self.hub.store.instances(InstanceQuery(limit=1000))
        return sorted(each.id.partition("@")[2] for each in found)

    def row(self, schedule: str) -> ScheduleRow:
        """The row of a schedule."""
        found = self.hub.store.schedule(schedule)
        assert found is not None
        return found

    def outcomes(self, schedule: str) -> list[tuple[str, str | None]]:
        """What became of the last slot times."""
        return [(each.outcome, each.reason) for each in schedules.progress_of(self.row(schedule)).recent]


def nap(cron: str = "0 * * * *", more: str = "", zone: str = "UTC", version: str = "1.0.0") -> str:
    """A workflow that does not end by itself."""
    return NAP.format(name="nap", cron=cron, more=more, zone=zone, version=version)


@pytest.fixture
def calendar(hub: Hub) -> Calendar:
    """A hub at ten past midnight."""
    return Calendar(hub, "2026-03-01T00:10:00+00:00")


def test_each_slot_time_starts_one_instance(calendar: Calendar) -> None:
    """Under an id made from it, with the input computed from it, by the version that is active."""
    calendar.deploy(QUICK)
    calendar.go_to("2026-03-01T03:05:00+00:00")
    assert calendar.started() == ["2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z", "2026-03-01T03:00:00Z"]
    assert calendar.hub.output("quick@2026-03-01T02:00:00Z") == "2026-03-01T02:00:00Z"
    progress = schedules.progress_of(calendar.row("quick"))
    assert (progress.started, progress.skipped) == (3, 0)


def test_nothing_starts_before_its_time(calendar: Calendar) -> None:
    """A second early is early."""
    calendar.deploy(QUICK)
    calendar.go_to("2026-03-01T00:59:59+00:00")
    assert calendar.started() == []
    calendar.go_to("2026-03-01T01:00:00+00:00")
    assert len(calendar.started()) == 1


def test_a_crash_between_any_two_steps_starts_nothing_twice(calendar: Calendar) -> None:
    """The row and the start are one transaction."""
    calendar.deploy(QUICK)
    for hour in range(1, 4):
        calendar.hub.clock.now = at(f"2026-03-01T0{hour}:00:00+00:00")
        for _ in range(8):
            calendar.tick += KEEP_EVERY
            worker, slots = calendar.hub.worker, calendar.hub.slots
            calendar.scheduling.round(worker, slots, calendar.hub.clock.now, calendar.tick)
            calendar.hub.round()
            calendar.hub.crash()
            calendar.scheduling = Scheduling(calendar.hub.store, calendar.hub.programs)
    calendar.look()
    assert len(calendar.started()) == 3
    assert schedules.progress_of(calendar.row("quick")).started == 3


@pytest.mark.parametrize(
    ("zone", "cron", "begin", "until", "expected"),
    [
        # The clocks go from 1:00 to 2:00 on 29 March and from 2:00 to 1:00 on 25 October.
        (
            "Europe/London", "30 1 * * *", "2026-03-28T00:00:00+00:00", "2026-03-31T00:00:00+00:00",
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "Europe/London", "30 1 * * *", "2026-10-24T00:00:00+00:00", "2026-10-26T12:00:00+00:00",
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            "Europe/London", "0 * * * *", "2026-10-24T23:30:00+00:00", "2026-10-25T03:30:00+00:00",
            ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"],
        ),
        (
            "Asia/Kolkata", "0 9 * * MON", "2026-03-01T00:00:00+00:00", "2026-03-10T00:00:00+00:00",
            ["2026-03-02T03:30:00Z", "2026-03-09T03:30:00Z"],
        ),
    ],
)  # fmt: skip
def test_the_calendar_is_that_of_the_time_zone(
    hub: Hub, zone: str, cron: str, begin: str, until: str, expected: list[str]
) -> None:
    """What a change of the clocks skips or repeats is due once."""
    calendar = Calendar(hub, begin)
    calendar.deploy(nap(cron, ", overlap: allow", zone))
    calendar.go_to(until, every=1800)
    assert calendar.started() == expected


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 0 L * *", ["03-31", "04-30", "05-31"]),
        ("0 0 * * 5L", ["03-27", "04-24", "05-29"]),
        ("0 0 * * 1#2", ["03-09", "04-13", "05-11"]),
        ("0 0 * * 7", ["03-01", "03-08", "03-15"]),
        ("0 0 * * 0", ["03-01", "03-08", "03-15"]),
        ("0 0 5 apr-may *", ["04-05", "05-05"]),
        ("0 0 3 * mon", ["03-02", "03-03", "03-09"]),
    ],
)
def test_a_day_is_what_the_page_says(cron: str, days: list[str]) -> None:
    """The last one, the last or n-th of a name, Sunday twice; of both fields either suffices."""
    times = schedules.slot_times(cron, "UTC", at("2026-02-28T12:00:00+00:00"))
    found = [datetime.fromtimestamp(each / SECOND, UTC) for each in islice(times, len(days))]
    assert [each.strftime("%m-%d") for each in found] == days


def test_skip_passes_over_what_overlaps(calendar: Calendar) -> None:
    """The default: while the one before runs, none is started, and the row says so."""
    calendar.deploy(nap())
    calendar.go_to("2026-03-01T03:05:00+00:00")
    assert calendar.started() == ["2026-03-01T01:00:00Z"]
    assert calendar.outcomes("nap")[1:] == [("skipped", schedules.OVERLAPPED)] * 2
    calendar.hub.raise_event("Go", id="nap@2026-03-01T01:00:00Z")
    calendar.go_to("2026-03-01T04:05:00+00:00")
    assert calendar.started() == ["2026-03-01T01:00:00Z", "2026-03-01T04:00:00Z"]


def test_queue_lets_them_wait_for_each_other(calendar: Calendar) -> None:
    """In order, none lost, one at a time."""
    calendar.deploy(nap(more=", overlap: queue"))
    calendar.go_to("2026-03-01T03:05:00+00:00")
    for hour in (1, 2, 3):
        assert len(calendar.started()) == hour
        calendar.hub.raise_event("Go", id=f"nap@2026-03-01T0{hour}:00:00Z")
        calendar.look()
    assert calendar.started() == [f"2026-03-01T0{hour}:00:00Z" for hour in (1, 2, 3)]


def test_cancel_previous_makes_room(calendar: Calendar) -> None:
    """The one before is asked to end; the next is started when it has."""
    calendar.deploy(nap(more=", overlap: cancel_previous"))
    calendar.go_to("2026-03-01T02:05:00+00:00")
    assert calendar.started() == ["2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z"]
    assert calendar.hub.status("nap@2026-03-01T01:00:00Z") == "Canceled"
    assert calendar.hub.status("nap@2026-03-01T02:00:00Z") == "Running"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", ["2026-03-01T09:00:00Z"]),
        (", catch_up: 3h", ["2026-03-01T07:00:00Z", "2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z"]),
        (", catch_up: 1m", []),
    ],
)
def test_what_was_missed_is_caught_up(calendar: Calendar, more: str, expected: list[str]) -> None:
    """Within ``catch_up`` all; without it the last one; the others are on record as missed."""
    calendar.deploy(nap(more=", overlap: allow" + more))
    calendar.jump_to("2026-03-01T09:30:00+00:00")
    assert calendar.started() == expected
    missed = [reason for outcome, reason in calendar.outcomes("nap") if outcome == "skipped"]
    assert missed == [schedules.MISSED] * (9 - len(expected))


def test_years_of_absence_are_gone_through_in_slices(calendar: Calendar) -> None:
    """No look goes through more than a hundred; the end is that of one look."""
    calendar.deploy(nap("*/10 * * * *", ", overlap: allow"))
    calendar.jump_to("2026-03-15T00:00:30+00:00")
    assert calendar.started() == ["2026-03-15T00:00:00Z"]
    progress = schedules.progress_of(calendar.row("nap"))
    assert (progress.started, progress.skipped) == (1, 14 * 144 - 2)
    assert len(progress.recent) == schedules.RECENT


def test_a_new_version_goes_on_where_the_old_one_was(calendar: Calendar) -> None:
    """The row stays, with its pause and its progress; a version without a schedule has none."""
    calendar.deploy(nap(more=", overlap: allow"))
    calendar.go_to("2026-03-01T01:05:00+00:00")
    calendar.deploy(nap("30 * * * *", ", overlap: allow", version="1.1.0"))
    calendar.go_to("2026-03-01T02:05:00+00:00")
    assert calendar.started() == ["2026-03-01T01:00:00Z", "2026-03-01T01:30:00Z"]
    assert calendar.hub.instance("nap@2026-03-01T01:30:00Z").version == "1.1.0"
    calendar.deploy("dsl: perdure/1\nname: nap\nversion: 2.0.0\ndo: [ return: 1 ]")
    assert calendar.hub.store.schedules() == []


@pytest.mark.parametrize("again", ["activate", "deploy"])
def test_what_was_due_while_no_version_had_a_schedule_is_not_caught_up(
    calendar: Calendar, client: Client, again: str
) -> None:
    """A version that is made the active one again begins then, not when it was deployed."""
    calendar.deploy(nap(more=", overlap: allow, catch_up: 9h"))
    calendar.deploy("dsl: perdure/1\nname: nap\nversion: 2.0.0\ndo: [ return: 1 ]")
    calendar.go_to("2026-03-01T03:30:00+00:00")
    if again == "activate":
        client.activate("nap", "1.0.0")
        calendar.look()
    else:
        calendar.deploy(nap(more=", overlap: allow, catch_up: 9h"))
    calendar.go_to("2026-03-01T04:05:00+00:00")
    assert calendar.started() == ["2026-03-01T04:00:00Z"]


def test_a_pause_outlives_the_version(calendar: Calendar, client: Client) -> None:
    """Nobody has taken it back, though a version without a schedule was active meanwhile."""
    calendar.deploy(nap(more=", overlap: allow"))
    client.pause_schedule("nap")
    calendar.deploy("dsl: perdure/1\nname: nap\nversion: 2.0.0\ndo: [ return: 1 ]")
    client.activate("nap", "1.0.0")
    calendar.go_to("2026-03-01T02:05:00+00:00")
    assert (calendar.started(), calendar.row("nap").paused) == ([], True)


def test_an_input_that_does_not_fit_is_on_record(calendar: Calendar) -> None:
    """The schedule goes on; each slot time has its reason."""
    text = QUICK.replace("do:", "input: { schema: { required: [id] } }\ndo:")
    calendar.deploy(text)
    calendar.go_to("2026-03-01T01:05:00+00:00")
    assert calendar.started() == []
    ((outcome, reason),) = calendar.outcomes("quick")
    assert (outcome, reason and reason.partition(":")[0]) == ("skipped", "its input does not fit the schema")


def test_a_time_zone_that_this_machine_does_not_know_stops_no_other_schedule(calendar: Calendar) -> None:
    """Who deployed it knew more zones. The worker's thread ended, and that of each next owner."""
    calendar.deploy(QUICK)
    program = compiled(nap(more=", overlap: allow")).program
    unknown = msgspec.structs.replace(program.schedules[0], timezone="Mars/Phobos")
    elsewhere = link(msgspec.structs.replace(program, version="2.0.0", schedules=(unknown,)))
    calendar.deploy(nap(more=", overlap: allow"))
    before = calendar.row("nap")
    Client(calendar.hub.store).deploy([deployment(elsewhere)])
    calendar.go_to("2026-03-01T01:05:00+00:00")
    assert calendar.row("nap").version == before.version
    assert {each.id for each in calendar.hub.store.instances(InstanceQuery(limit=10))} == {
        "quick@2026-03-01T01:00:00Z",
        "nap@2026-03-01T01:00:00Z",
    }


def test_a_schedule_of_a_time_zone_that_this_machine_does_not_know_waits(calendar: Calendar) -> None:
    """Another machine has made its row, and this one owns its slot now."""
    calendar.deploy(QUICK)
    calendar.deploy(nap(more=", overlap: allow"))
    row = calendar.row("nap")
    elsewhere = msgspec.structs.replace(row, timezone="Mars/Phobos", revision=row.revision + 1)
    write = ScheduleWrite(id="nap", row=elsewhere, before=row.revision)
    calendar.hub.store.commit(Batch(worker=calendar.hub.worker, schedules=(write,)))
    calendar.go_to("2026-03-01T01:05:00+00:00")
    assert calendar.started() == ["2026-03-01T01:00:00Z"]
    assert calendar.row("nap") == elsewhere


def test_several_schedules_of_one_workflow(calendar: Calendar) -> None:
    """Each has a row of its own, and ids that tell them apart."""
    text = nap(more=", overlap: allow").replace(
        "schedule: [ ", 'schedule: [ { cron: "30 * * * *", timezone: UTC, overlap: allow }, '
    )
    calendar.deploy(text)
    calendar.go_to("2026-03-01T01:05:00+00:00")
    ids = {each.id for each in calendar.hub.store.instances(InstanceQuery(limit=10))}
    assert ids == {"nap@2026-03-01T00:30:00Z", "nap:2@2026-03-01T01:00:00Z"}


# -- what operators do ---------------------------------------------------------------------------------


@pytest.fixture
def client(calendar: Calendar) -> Client:
    """Whoever manages the hub."""
    return Client(calendar.hub.store)


def test_a_paused_schedule_starts_nothing(calendar: Calendar, client: Client) -> None:
    """Resumed, it goes on from then: what was due meanwhile is passed over."""
    calendar.deploy(nap(more=", overlap: allow, catch_up: 3h"))
    assert client.pause_schedule("nap") == {"changed": True}
    assert client.pause_schedule("nap") == {"changed": False}
    calendar.go_to("2026-03-01T02:30:00+00:00")
    assert calendar.started() == []
    assert client.resume_schedule("nap") == {"changed": True}
    calendar.go_to("2026-03-01T03:05:00+00:00")
    assert calendar.started() == ["2026-03-01T03:00:00Z"]
    assert [each["action"] for each in client.audit(target="nap")["items"]] == [
        "schedule.resume", "schedule.pause",
    ]  # fmt: skip


def test_the_past_can_be_filled_in(calendar: Calendar, client: Client) -> None:
    """Each slot time of the range once, also when it is asked for twice, whatever else runs."""
    calendar.deploy(QUICK)
    calendar.go_to("2026-03-01T01:05:00+00:00")
    for _ in range(2):
        client.backfill_schedule("quick", "2026-02-28T20:30:00Z", "2026-03-01T01:00:00Z")
        calendar.look()
    expected = [
        "2026-02-28T21:00:00Z",
        "2026-02-28T22:00:00Z",
        "2026-02-28T23:00:00Z",
        "2026-03-01T00:00:00Z",
    ]
    assert calendar.started() == [*expected, "2026-03-01T01:00:00Z"]
    once, again = ("started", None), ("skipped", "it was started before")
    assert calendar.outcomes("quick") == [once, *[once] * 4, again, *[again] * 5]


def test_a_range_that_is_asked_for_twice_at_once_is_filled_in_once(
    calendar: Calendar, client: Client
) -> None:
    """Two ranges, and what is due by itself, have a time in common in one look: nothing is held up by it."""
    calendar.deploy(QUICK)
    calendar.go_to("2026-03-01T01:05:00+00:00")
    calendar.hub.clock.now = at("2026-03-01T02:05:00+00:00")
    for _ in range(2):
        client.backfill_schedule("quick", "2026-03-01T00:00:00Z", "2026-03-01T02:00:00Z")
    calendar.look()
    assert calendar.started() == [f"2026-03-01T0{hour}:00:00Z" for hour in (0, 1, 2)]
    assert schedules.progress_of(calendar.row("quick")).backfill == ()


def test_an_occurrence_can_be_started_now(calendar: Calendar, client: Client) -> None:
    """Out of turn, with the input of this moment."""
    calendar.deploy(QUICK)
    found = client.trigger_schedule("quick")
    calendar.look()
    assert found["id"] == "quick@2026-03-01T00:10:00Z"
    assert calendar.hub.output(found["id"]) == "2026-03-01T00:10:00Z"


def test_schedules_are_shown(calendar: Calendar, client: Client) -> None:
    """With what is next and what became of the last ones."""
    calendar.deploy(QUICK)
    calendar.go_to("2026-03-01T01:05:00+00:00")
    (found,) = client.schedules()["items"]
    assert (found["id"], found["workflow"], found["next"], found["paused"]) == (
        "quick", "quick", "2026-03-01T02:00:00.000000Z", False,
    )  # fmt: skip
    shown: dict[str, Any] = client.schedule("quick")
    assert shown["recent"] == [
        {
            "at": "2026-03-01T01:00:00.000000Z",
            "outcome": "started",
            "instance": "quick@2026-03-01T01:00:00Z",
            "reason": None,
        }
    ]


@pytest.mark.parametrize(
    ("begin", "end"), [("now", "2026-03-01"), ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z")]
)
def test_a_range_that_is_none_is_refused(calendar: Calendar, client: Client, begin: str, end: str) -> None:
    """With a message, and nothing is started."""
    calendar.deploy(QUICK)
    with pytest.raises(Exception, match=r"range|time"):
        client.backfill_schedule("quick", begin, end)
    assert schedules.progress_of(calendar.row("quick")).backfill == ()


def test_a_range_of_very_many_times_is_refused(calendar: Calendar, client: Client) -> None:
    """A year that was mistyped starts nothing; the most that may be asked for is started."""
    calendar.deploy(nap("* * * * *", ", overlap: allow"))
    with pytest.raises(UserError, match=r"more than 10,000 times of 'nap'") as refused:
        client.backfill_schedule("nap", "2020-02-20T00:00:00Z", "2026-02-20T00:00:00Z")
    assert "ask for a part of it" in str(refused.value.hint)
    with pytest.raises(UserError, match="more than"):
        client.backfill_schedule("nap", "2026-02-20T00:00:00Z", "2026-02-26T22:40:00Z")
    assert schedules.progress_of(calendar.row("nap")).backfill == ()
    assert client.backfill_schedule("nap", "2026-02-20T00:00:00Z", "2026-02-26T22:39:00Z") == {
        "changed": True
    }


def test_a_row_is_plain_json(calendar: Calendar) -> None:
    """What is written can be read by anybody."""
    calendar.deploy(QUICK)
    calendar.go_to("2026-03-01T01:05:00+00:00")
    assert msgspec.json.decode(calendar.row("quick").progress)["started"] == 1
    assert calendar.row("quick").due == at("2026-03-01T02:00:00+00:00")
    assert datetime.fromtimestamp(0, UTC) == schedules.moment(0)


@pytest.mark.parametrize(("overlap", "second"), [("skip", "skipped"), ("queue", "waiting")])
def test_a_start_that_nobody_has_carried_out_yet_runs(calendar: Calendar, overlap: str, second: str) -> None:
    """Whoever looks next, maybe after a crash, does not take it for one that has ended."""
    calendar.deploy(nap(cron="* * * * *", more=f", overlap: {overlap}"))
    hub = calendar.hub
    for _ in range(3):
        hub.clock.now += 60 * SECOND
        calendar.tick += KEEP_EVERY
        calendar.scheduling.round(hub.worker, hub.slots, hub.clock.now, calendar.tick)
    hub.crash()
    calendar.look()
    assert [each for each, _ in calendar.outcomes("nap")][:2] == ["started", second]
    assert len(calendar.started()) == 1

"""PD227, PD228, PD229: schedules that can be read, and that fire."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.cron import check_cron, fires
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.expr.times import find_zone, zone_names
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes cron expressions and time zones that mean nothing, and schedules that stand twice."""
    seen: dict[tuple[str, str], Span] = {}
    for schedule in workflow.schedule:
        if diagnostics.full:
            return
        _cron(schedule, diagnostics)
        _zone(schedule, diagnostics)
        first = seen.setdefault((schedule.cron, schedule.timezone), schedule.cron_span)
        if first is not schedule.cron_span and schedule.input is None:
            related = [Related(span=first, message="first here")]
            message = f"the schedule {quote(schedule.cron)} stands twice: it starts two instances each time"
            diagnostics.add("PD212", message, schedule.cron_span, related=related)


def _cron(schedule: model.Schedule, diagnostics: Collector) -> None:
    try:
        check_cron(schedule.cron)
    except ValueError as error:
        hint = "for example '0 2 * * *': every day at two"
        diagnostics.add("PD227", str(error), schedule.cron_span, hint=hint)
        return
    if not fires(schedule.cron):
        message = f"the schedule {quote(schedule.cron)} never fires: no month has such a day"
        diagnostics.add("PD228", message, schedule.cron_span)


def _zone(schedule: model.Schedule, diagnostics: Collector) -> None:
    try:
        find_zone(schedule.timezone)
    except ValueError as error:
        near = suggest(schedule.timezone, zone_names())
        hint = (
            f"did you mean {quote(near)}?"
            if near
            else "a name such as Europe/London, UTC, or an offset such as +01:30"
        )
        diagnostics.add("PD229", str(error), schedule.timezone_span or schedule.span, hint=hint)

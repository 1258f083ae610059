"""What there is, for Prometheus: read from the database when it is asked for: every server says the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from perdure.server.problems import Problem

HINT = "install it beside the server: pip install 'perdure[metrics]'"


def exposition(stats: Mapping[str, Any], streams: int) -> tuple[bytes, str]:
    """The text, and its content type; ``stats`` are those of the hub, ``streams`` the open ones here.

    Raises ``Problem`` (501) where prometheus-client is missing.
    """
    try:
        from prometheus_client import (  # noqa: PLC0415
            CONTENT_TYPE_LATEST,
            CollectorRegistry,
            generate_latest,
        )
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415
    except ImportError:
        detail = "This server cannot write metrics: the package prometheus-client is missing."
        raise Problem(501, "not_installed", detail, hint=HINT) from None

    class Families:
        """What the registry asks for all it writes."""

        def collect(self) -> Iterable[GaugeMetricFamily]:
            for name, text, label, values in _families(stats, streams):
                family = GaugeMetricFamily(name, text, labels=[label] if label else [])
                for value, count in values.items():
                    family.add_metric([value] if label else [], count)
                yield family

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families())
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _families(stats: Mapping[str, Any], streams: int) -> Iterable[tuple[str, str, str, Mapping[str, float]]]:
    """Name, text, label and values of each gauge; the names are those of docs/operations.md."""
    tasks, messages, slots = stats["tasks"], stats["messages"], stats["slots"]
    yield "perdure_info", "The release of this server.", "version", {version("perdure"): 1}
    yield "perdure_instances", "Instances by status.", "status", stats["instances"]
    depth = {each["name"]: each["waiting"] for each in stats["queues"]}
    yield "perdure_queue_depth", "Tasks that no worker has taken yet, by queue.", "queue", depth
    yield (
        "perdure_tasks_claimed",
        "Tasks that workers have taken, or that tokens hold.",
        "",
        {"": tasks["claimed"]},
    )
    yield "perdure_messages", "Messages that nobody has taken yet.", "state", messages
    yield "perdure_timers", "Timers that have not fired.", "", {"": stats["timers"]}
    late = {"": stats["late_seconds"]}
    yield "perdure_timer_lag_seconds", "How long the earliest timer or message is overdue.", "", late
    yield (
        "perdure_dead_letter_count",
        "Messages that could not be delivered.",
        "",
        {"": stats["dead_letters"]},
    )
    yield "perdure_workers", "Live workers.", "", {"": stats["workers"]}
    yield "perdure_slots_owned", f"Slots that live workers have, of {slots['of']}.", "", {"": slots["owned"]}
    yield "perdure_counted_to", "A count of so many means as many or more.", "", {"": stats["most"]}
    yield "perdure_sse_clients", "Open event streams of this server.", "", {"": streams}

"""What may be purged, for every store."""

from __future__ import annotations

from collections.abc import Sequence

from perdure.engine.errors import Conflict, NotFound
from perdure.engine.instance import Instance


def check_ended(instance_id: str, present: Instance | None) -> Instance:
    """The instance, if it may be purged. Raises ``NotFound``, and ``Conflict`` when it has not ended."""
    if present is None:
        raise NotFound(f"there is no instance {instance_id!r}")
    if not present.status.ended:
        raise _refused(
            f"instance {instance_id!r} has not ended ({present.status})",
            "wait for its end, or terminate it",
        )
    return present


def check_family(instance_id: str, running: Sequence[str]) -> None:
    """Raises ``Conflict`` when somebody who belongs to it has not ended."""
    if running:
        more = f" and {len(running) - 1} more" if len(running) > 1 else ""
        raise _refused(
            f"instance {instance_id!r} has a child that has not ended: {running[0]!r}{more}",
            "wait for its end or terminate it, or purge and leave it running",
        )


def _refused(message: str, hint: str) -> Conflict:
    error = Conflict(message, hint=hint)
    error.code = "not_ended"
    return error

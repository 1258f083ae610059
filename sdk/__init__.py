"""perdure: durable workflows in YAML. What activities and programs import.

Names are found when they are used, so that importing one part loads no other.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.client import Client
    from perdure.engine.activities import (
        ActivityCanceled,
        ActivityError,
        Context,
        Pending,
        RetryAfter,
        activity,
    )
    from perdure.engine.entity_classes import EntityContext, entity, readonly
    from perdure.engine.errors import PerdureError

__all__ = [
    "ActivityCanceled",
    "ActivityError",
    "Client",
    "Context",
    "EntityContext",
    "Pending",
    "PerdureError",
    "RetryAfter",
    "activity",
    "entity",
    "readonly",
]

_HOMES = {
    "ActivityCanceled": "perdure.engine.activities",
    "ActivityError": "perdure.engine.activities",
    "Client": "perdure.client",
    "Context": "perdure.engine.activities",
    "EntityContext": "perdure.engine.entity_classes",
    "Pending": "perdure.engine.activities",
    "PerdureError": "perdure.engine.errors",
    "RetryAfter": "perdure.engine.activities",
    "activity": "perdure.engine.activities",
    "entity": "perdure.engine.entity_classes",
    "readonly": "perdure.engine.entity_classes",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version("perdure")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'perdure' has no attribute {name!r}")
    return getattr(import_module(home), name)

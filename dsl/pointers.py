"""References inside a JSON Schema: ``#/$defs/name``."""

from __future__ import annotations

from typing import Any


def target_of(reference: Any, root: Any) -> Any:
    """What a reference inside of a schema names; None for any other, and where nothing is."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    found = root
    for part in reference[2:].split("/") if len(reference) > 1 else ():
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found

"""The thing that is watched: a path. Yours may ask a service."""

from __future__ import annotations

from pathlib import Path

import perdure


@perdure.activity("CheckHealth")
def check_health(target: str) -> dict[str, bool]:
    """Whether the target is there."""
    return {"open": Path(target).exists()}

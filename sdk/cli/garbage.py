"""How often Python looks for garbage in a process of ours."""

from __future__ import annotations

import gc

YOUNG = 50_000
"""Objects made and not freed between two looks at the youngest of them; Python's own is 700."""


def collect_rarely() -> None:
    """Let the collector of this process look less often.

    Turns make many small objects and hardly a cycle, so reference counts free nearly all of them, and most of
    the looking, a quarter of the time of ``python -m bench chain``, is in vain. It is the process's own
    setting: a program of ours may choose it, a library may not.
    """
    gc.set_threshold(YOUNG, 20, 50)

"""Which of the deployed versions a range means: for child starts and for the next generation."""

from __future__ import annotations

import re
from collections.abc import Iterable

from perdure.dsl.versions import parse_range, parse_version


def newest(versions: Iterable[str], wanted: str) -> str | None:
    """The newest of the versions that is in the range; None when none is.

    ``wanted`` is a version or a range: ``1.4.0``, ``^1.2``, ``~1.2``, ``2``. No range means a pre-release.
    Of two that differ in their build alone it is the one with the greater text, so the order in which they
    come decides nothing. Raises ``ValueError``, with a message for people, for text that is no range.
    """
    range_ = parse_range(wanted)
    found = [
        (numbers, text)
        for text in versions
        if (numbers := parse_version(text)) is not None and numbers in range_
    ]
    return max(found)[1] if found else None


def latest(versions: Iterable[str], current: str) -> str | None:
    """The newest version that is newer than ``current`` and of its major number; None when none is.

    Before 1.0.0 the first number that is not 0 counts as the major one, as in the range ``^``.
    """
    found = newest(versions, "^" + re.split("[-+]", current)[0])
    return None if found is None or parse_version(found) == parse_version(current) else found

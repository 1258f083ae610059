"""I4: the golden histories mean the same in every process, whatever is different there."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

from tests.checkout import ROOT
from tests.golden.histories import digest, names

SEEDS = ("0", "4242")
ZONES = ("UTC", "Pacific/Kiritimati", "America/St_Johns")
LOCALES = ("C", "C.UTF-8")


@pytest.fixture(scope="module")
def here() -> list[str]:
    """What they come to in this process."""
    return [digest(name) for name in names()]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "zone", "locale"), [*itertools.product(SEEDS, ZONES, LOCALES)])
def test_every_state_is_the_same_elsewhere(here: list[str], seed: str, zone: str, locale: str) -> None:
    """With another hash seed, time zone and locale: of every history after each event, byte for byte."""
    environment = {
        **os.environ,
        "PYTHONHASHSEED": seed,
        "TZ": zone,
        "LC_ALL": locale,
        "LANG": locale,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    answer = subprocess.run(
        [sys.executable, "-m", "tests.golden", "digests"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.splitlines() == here

"""Who completes activities from outside: with a token, sooner or later, and often more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from perdure.engine.client import Client
from perdure.engine.errors import Conflict, Ended
from tests.sim.asking import Answer, Asking
from tests.sim.ledger import Given
from tests.sim.world import SECOND


class Outsiders:
    """``stopped`` says of an instance whether somebody may have kept it from waiting for an answer."""

    def __init__(self, asking: Asking, stopped: Callable[[str], bool]) -> None:
        self._asking = asking
        self._stopped = stopped
        self._tries: Counter[str] = Counter()
        """How often each token was used, or is being used."""

    def take(self, given: Given) -> None:
        """An activity has given its token away."""
        self._asking.spawn(f"{given.instance}: outsider", partial(self._use, given))

    def _use(self, given: Given) -> None:
        random = self._asking.world.random
        self._asking.rest(random.choice([SECOND, 30 * SECOND]))
        self._complete(given)
        if random.random() < 0.5:
            self._asking.rest(SECOND)
            self._complete(given)
        if random.random() < 0.5:
            answer = self._ask(given, given.result + 1)
            problem = f"a token of {given.instance} was used twice: {answer}"
            assert isinstance(answer.error, Conflict | Ended), problem

    def _complete(self, given: Given) -> None:
        """The first time it counts, unless nobody waits any more."""
        answer = self._ask(given, given.result)
        again = answer.doubtful or self._tries[given.token] > 1
        if isinstance(answer.error, Ended):
            assert again or self._stopped(given.instance), f"{given.instance}: {answer.error}"
            return
        assert answer.error is None, f"a token of {given.instance} is refused: {answer.error}"
        assert again or answer.value == {"changed": True}, f"a token of {given.instance} was used by nobody"

    def _ask(self, given: Given, result: int) -> Answer:
        self._tries[given.token] += 1
        return self._asking.until_done(given.instance, "token", partial(_completed, given.token, result))


def _completed(token: str, result: int, client: Client) -> object:
    return client.complete_token(token, result)

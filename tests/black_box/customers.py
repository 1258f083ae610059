"""Threads that place orders, and remember what was promised to them."""

from __future__ import annotations

import itertools
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from random import Random

from tests.black_box.orders import Order

PATIENCE = 90.0
"""Seconds after which a request that nobody has answered is a failure: a server is back long before."""


class Customer(threading.Thread, ABC):
    """Places one order after the other until it is closed."""

    def __init__(self, name: str, random: Random) -> None:
        super().__init__(name=name, daemon=True)
        self.random = random
        self.orders: list[Order] = []
        """Those that were acknowledged."""
        self.moved = Counter[str]()
        """What accounts were given beside the orders."""
        self.answered = 0
        """How many requests were."""
        self.error: BaseException | None = None
        self.tired = threading.Event()
        """Set when nothing is to be repeated any more."""
        self.stack = ExitStack()
        """What is closed in the end."""
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        """Whether the order that is being placed is the last one."""
        return self._closed.is_set()

    def close(self) -> None:
        """Place no more orders after this one."""
        self._closed.set()

    def run(self) -> None:
        try:
            for number in itertools.count():
                if self.closed:
                    break
                self.place(f"{self.name}-{number}")
        except BaseException as error:  # noqa: BLE001
            self.error = error
        finally:
            self.stack.close()

    @abstractmethod
    def place(self, id: str) -> None:
        """Place one order under this id, and expect of it what it has to give."""


class Crowd:
    """All customers together."""

    def __init__(self, customers: Sequence[Customer]) -> None:
        self._customers = customers

    @property
    def failed(self) -> bool:
        """Whether anybody got what is wrong."""
        return any(each.error for each in self._customers)

    @property
    def over(self) -> bool:
        """Whether nobody wants anything more."""
        return all(each.closed for each in self._customers)

    @property
    def answered(self) -> int:
        """How many requests were."""
        return sum(each.answered for each in self._customers)

    @property
    def orders(self) -> list[Order]:
        """All that were acknowledged."""
        return [order for each in self._customers for order in each.orders]

    @property
    def moved(self) -> Counter[str]:
        """What accounts were given beside the orders."""
        total = Counter[str]()
        for each in self._customers:
            total.update(each.moved)
        return total

    @contextmanager
    def working(self) -> Iterator[None]:
        """They place orders until the end of the block. Raises what went wrong for one of them."""
        for each in self._customers:
            each.start()
        try:
            yield
        except BaseException:
            for each in self._customers:
                each.tired.set()
            raise
        finally:
            for each in self._customers:
                each.close()
        for each in self._customers:
            each.join(2 * PATIENCE)
            assert not each.is_alive(), f"{each.name} does not come to an end"
            if each.error is not None:
                raise each.error

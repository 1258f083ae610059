"""The same promises through a pooler that gives each transaction another connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.engine.errors import StoreError
from perdure.engine.store.postgres import PostgresStore
from tests.engine.store import test_postgres
from tests.engine.store.factory import SECOND, Hub, batch, first_turn, postgres_hub, worker
from tests.many_workers.crowd import come_and_go
from tests.pgbouncer import pooled_url, pooler
from tests.postgres import Server

pytestmark = pytest.mark.slow  # a server is started, and a pooler


@pytest.fixture(scope="module")
def bouncer(postgres: Server) -> Iterator[Path]:
    """The directory of its socket."""
    with pooler(postgres) as directory:
        yield directory


class TestPostgresStorePooled(test_postgres.TestPostgresStore):
    """Every promise of a store, with nothing kept in a session."""

    @pytest.fixture
    def hub(self, postgres: Server, bouncer: Path) -> Iterator[Hub]:
        postgres.new_hub()
        hub = postgres_hub(pooled_url(bouncer))
        yield hub
        hub.close()


def test_nothing_runs_twice_while_pooled_workers_come_and_go(postgres: Server, bouncer: Path) -> None:
    """Real processes through the pooler share the slots, and hand them over under load (I3, I5)."""
    account, ran = come_and_go(postgres, chains=40, steps=10, lease=10.0, url=pooled_url(bouncer))
    account.check()
    assert (len(ran), set(ran.values())) == (400, {1})


def test_a_pooler_that_nobody_speaks_of_is_found(postgres: Server) -> None:
    """The negative control: what one prepares in a session of the pooler's is in the way of another."""
    postgres.new_hub()
    with pooler(postgres, connections=1) as directory:
        stores = [PostgresStore(pooled_url(directory).replace("&pooled=true", "")) for _ in range(2)]

        def work() -> None:
            for number in range(5):
                for which, store in enumerate(stores):
                    if not number:
                        store.join(worker(f"w{which}"), 3600 * SECOND)
                    store.commit(batch(first_turn(f"i{number}-{which}"), worker=f"w{which}"))

        with pytest.raises(StoreError, match="prepared statement"):
            work()
        for store in stores:
            store.close()

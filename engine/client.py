"""Everything that can be asked of a hub, as documents: the same for the API, the command line and code.

With a worker of this process that owns the slots, what is written rides in its batches; otherwise it
goes straight to the database. Methods may be called from any thread; they block.
"""

from __future__ import annotations

from perdure.engine.access import Access
from perdure.engine.bulk import Bulk
from perdure.engine.completing import Completing
from perdure.engine.deploying import Deploying, Deployment
from perdure.engine.entity_client import Entities
from perdure.engine.operations import Operations
from perdure.engine.queues import Queues
from perdure.engine.schedule_client import Schedules

__all__ = ["Client", "Deployment"]


class Client(Access, Bulk, Completing, Deploying, Entities, Operations, Queues, Schedules):
    """A client of the hub in ``store``. What it does as an operator is audited under the name ``actor``."""

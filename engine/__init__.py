"""Programs to durable executions: events, the machine, replay, turns, the owner, stores, the worker."""

"""Whose process has stopped in the middle of a message, and with it a transaction with all its locks.

Between messages that belong together (``executemany``, COPY) no time limit of a session counts: the server
reads what has begun. When the other end is cut off, the network's limits end it. When it is only stopped
(SIGSTOP, a paused container), its kernel goes on answering, and the server would wait until it goes on. So
whoever meets such a transaction ends its connection.
"""

from __future__ import annotations

from sqlalchemy import Text, bindparam, text

_END = (
    "SELECT pg_terminate_backend(activity.pid) FROM pg_stat_activity AS activity {more}"
    # It may also look idle: so it does when the first of the messages is none that does something.
    " AND activity.usename = current_user AND activity.state <> 'idle'"
    " AND activity.wait_event_type = 'Client'"
    " AND activity.state_change < clock_timestamp() - make_interval(secs => :seconds)"
)

END_MEMBER = text(
    _END.format(
        more=(
            "JOIN workers ON workers.xmax = activity.backend_xid"
            " WHERE workers.id = :worker AND workers.lease_until = :lease"
        )
    )
).bindparams(bindparam("worker", type_=Text))
"""Ends who holds the row of a worker whose lease has not changed, and has said nothing for so long."""

END_CLIENTS = text(
    _END.format(
        more=(
            "WHERE activity.backend_xid IS NOT NULL"
            " AND activity.application_name = current_setting('application_name')"
            " AND activity.pid IN (SELECT pg_locks.pid FROM pg_locks"
            " JOIN pg_class ON pg_class.oid = pg_locks.relation"
            " JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace"
            " WHERE pg_namespace.nspname = :schema"
            " GROUP BY pg_locks.pid HAVING bool_and(pg_locks.mode <> 'ExclusiveLock'))"
        )
    )
).bindparams(bindparam("schema", type_=Text))
"""Ends those of our programs that write to the hub, and have said nothing for so long.

An import, which waits for its file with all tables locked, is left alone.
"""

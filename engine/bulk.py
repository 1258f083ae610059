"""One act on many instances, chosen by a query: first counted, then carried out if the count still holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from perdure.engine.acts import Acts
from perdure.engine.errors import Conflict, PerdureError, UserError
from perdure.engine.filters import parse_filter
from perdure.engine.purging import Purging
from perdure.engine.store.rows import InstanceQuery

MOST = 1000
"""Instances that one request acts on."""
SHOWN = 100
"""Ids that a count shows."""
VERBS = ("suspend", "resume", "cancel", "terminate", "rewind", "restart")
PURGE = "purge"


class Bulk(Acts, Purging):
    """The part of a client that acts on many instances."""

    def count(self, verb: str, query: str) -> dict[str, Any]:
        """How many instances an act would meet, and the first of their ids. Raises as ``act_on`` does."""
        ids = self._chosen(verb, query)
        return {"verb": verb, "count": len(ids), "ids": ids[:SHOWN]}

    def act_on(
        self, verb: str, query: str, confirm: int, *, reason: str | None = None
    ) -> tuple[dict[str, Any], Mapping[str, PerdureError]]:
        """Do one thing to every instance that a query finds; newest first, each on its own and audited.

        ``confirm`` is their count. Returns how many have changed, and what was wrong with the others, by id.
        Raises ``Conflict`` (``count_changed``) and does nothing when there are more or fewer, ``UserError``
        for a query that says nothing or finds more than ``MOST``.
        """
        ids = self._chosen(verb, query)
        if len(ids) != confirm:
            problem = Conflict(
                f"the query finds {len(ids)} instances, and {confirm} were confirmed",
                hint="look again with dry_run",
            )
            problem.code = "count_changed"
            raise problem
        act = self._act_of(verb, reason)
        changed, problems = 0, dict[str, PerdureError]()
        for each in ids:
            try:
                changed += bool(act(each).get("changed", True))
            except PerdureError as error:
                problems[each] = error
        return {"verb": verb, "count": len(ids), "changed": changed}, problems

    def _act_of(self, verb: str, reason: str | None) -> Callable[[str], dict[str, Any]]:
        match verb:
            case "suspend":
                return partial(self.suspend, reason=reason)
            case "resume":
                return partial(self.resume, reason=reason)
            case "cancel":
                return partial(self.cancel, reason=reason)
            case "terminate":
                return partial(self.terminate, reason=reason)
            case "rewind":
                return partial(self.rewind, reason=reason)
            case "restart":
                return partial(self.restart, reason=reason)
            case _:
                return partial(self.purge, reason=reason)

    def _chosen(self, verb: str, query: str) -> list[str]:
        if verb not in {*VERBS, PURGE}:
            raise UserError(f"there is no act {verb!r}", hint=f"one of: {', '.join((*VERBS, PURGE))}")
        where = parse_filter(query, self.store.time())
        if not where:
            problem = UserError("nothing says which instances are meant", hint="a query, as status:Failed")
            problem.code = "no_filter"
            raise problem
        found = self.store.instances(InstanceQuery(where=where, chunks=False, limit=MOST + 1))
        if len(found) > MOST:
            problem = UserError(
                f"the query finds more than {MOST} instances, as many as one request acts on",
                hint="say more, as created<2030-01-31",
            )
            problem.code = "limit"
            raise problem
        return [each.id for each in found]

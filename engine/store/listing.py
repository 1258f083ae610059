"""The page of instances that a query asks for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, tuple_

from perdure.engine.store import tables as t
from perdure.engine.store.prefixes import has_prefix
from perdure.engine.store.rows import Condition, InstanceQuery

TAG = "tag."
_c = t.instances.c
_tags = t.instance_tags.c


def instances(query: InstanceQuery) -> Select[Any]:
    """The statement. Its values stand in it, since each query has another shape."""
    order = _c[query.order]
    turned = [each if query.ascending else each.desc() for each in (order, _c.id)]
    found = select(t.instances).where(*map(_holds, query.where)).order_by(*turned).limit(query.limit)
    if order.nullable:
        found = found.where(order.is_not(None))
    if query.statuses:
        found = found.where(_c.status.in_([str(status) for status in query.statuses]))
    if query.name is not None:
        found = found.where(_c.name == query.name)
    if not query.chunks:
        found = found.where(_c.chunk_of.is_(None))
    if query.id_prefix:
        found = found.where(*has_prefix(_c.id, query.id_prefix))
    if query.created_from is not None:
        found = found.where(_c.created_at >= query.created_from)
    if query.created_to is not None:
        found = found.where(_c.created_at <= query.created_to)
    if query.after is not None:
        place, last = tuple_(order, _c.id), tuple_(*query.after)
        found = found.where(place > last if query.ascending else place < last)
    for tag, value in query.tags:
        found = found.where(_tagged(tag, _tags.value == value))
    return found


def _tagged(tag: str, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return _c.id.in_(select(_tags.instance).where(_tags.tag == tag, condition))


def _holds(condition: Condition) -> ColumnElement[bool]:
    if condition.field.startswith(TAG):
        found = _tagged(condition.field.removeprefix(TAG), _has(_tags.value, condition))
        return ~found if condition.negated else found
    column = _c[condition.field]
    found = _has(column, condition)
    if not condition.negated:
        return found
    return or_(column.is_(None), ~found) if column.nullable else ~found


def _has(column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    if condition.compares is not None:
        return column.bool_op(condition.compares)(condition.time)
    begins = [and_(*has_prefix(column, each)) if each else column.is_not(None) for each in condition.prefixes]
    return or_(false(), column.in_(condition.values), *begins)

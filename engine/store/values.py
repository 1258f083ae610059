"""Large values, which rows refer to by key: read with them, in one query however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from perdure.engine.codec import is_key, keys_in
from perdure.engine.store import statements as s
from perdure.engine.store.rows import HistoryRow, Message, PayloadRow, TaskRow
from perdure.engine.store.transaction import Transaction

_replace = msgspec.structs.replace


def read(tx: Transaction, instances: Iterable[str], keys: Iterable[str]) -> dict[tuple[str, str], str]:
    """The texts behind some keys of instances, by both. A chunk has those of its parent too."""
    owners, wanted = sorted(set(instances)), sorted(set(keys))
    rows = tx.rows(s.VALUES, instances=owners, keys=wanted)
    found = {(instance, key): value for instance, key, value in rows}
    lenders = [] if len(found) == len(owners) * len(wanted) else tx.rows(s.PARENTS, instances=owners)
    if lenders:
        rows = tx.rows(s.VALUES, instances=sorted({parent for _, parent in lenders}), keys=wanted)
        lent = {(parent, key): value for parent, key, value in rows}
        for instance, parent in lenders:
            for key in wanted:
                if (parent, key) in lent:
                    found.setdefault((instance, key), lent[parent, key])
    return found


def payloads(tx: Transaction, instances: Sequence[str]) -> dict[str, dict[str, str]]:
    """Inputs, outputs and errors of instances, whole, by their keys."""
    rows = tx.rows_each(s.PAYLOADS, [{"the_instance": each} for each in instances])
    found: dict[str, dict[str, str]] = {
        each: dict(texts) for each, texts in zip(instances, rows, strict=True)
    }
    apart = {each: keys for each, texts in found.items() if (keys := list(filter(is_key, texts.values())))}
    for instance, keys in apart.items():
        known = read(tx, [instance], keys)
        found[instance] = {key: known.get((instance, text), text) for key, text in found[instance].items()}
    return found


def of_history(tx: Transaction, rows: list[HistoryRow]) -> list[HistoryRow]:
    """History rows of one instance with the values that they refer to."""
    found = {row.first_seq: keys for row in rows if (keys := keys_in(row.events))}
    if not found:
        return rows
    texts = read(tx, [row.instance for row in rows[:1]], [key for keys in found.values() for key in keys])
    return [
        _replace(row, values=_chosen(texts, row.instance, found[row.first_seq]))
        if row.first_seq in found
        else row
        for row in rows
    ]


def of_messages(tx: Transaction, rows: list[Message]) -> list[Message]:
    """Messages with the values that they refer to."""
    found = {row.id: keys for row in rows if (keys := keys_in(row.event))}
    if not found:
        return rows
    instances = [row.instance for row in rows if row.id in found]
    texts = read(tx, instances, [key for keys in found.values() for key in keys])
    return [
        _replace(row, values=_chosen(texts, row.instance, found[row.id])) if row.id in found else row
        for row in rows
    ]


def of_tasks(tx: Transaction, rows: list[TaskRow]) -> list[TaskRow]:
    """Tasks with the values that they refer to."""
    found = {(row.execution, row.seq): keys for row in rows if (keys := keys_in(row.body))}
    if not found:
        return rows
    instances = [row.instance for row in rows if (row.execution, row.seq) in found]
    texts = read(tx, instances, [key for keys in found.values() for key in keys])
    return [
        _replace(row, values=_chosen(texts, row.instance, found.get((row.execution, row.seq), [])))
        for row in rows
    ]


def _chosen(texts: dict[tuple[str, str], str], instance: str, keys: Sequence[str]) -> dict[str, str]:
    return {key: texts[instance, key] for key in keys if (instance, key) in texts}


def of_start(message: Message) -> list[PayloadRow]:
    """The values that come with the start of an instance, for as long as it is there."""
    return [
        PayloadRow(instance=message.instance, key=key, value=value) for key, value in message.values.items()
    ]

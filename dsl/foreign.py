"""Keys that people bring from other engines, and what they are here. Only for hints."""

from __future__ import annotations

from types import MappingProxyType

_ELSE_IF = "nest an 'if' in 'else': 'else: [{ if: …, then: […] }]'"

KEYS = MappingProxyType(
    {
        "actions": ("do",),
        "activity": ("call",),
        "args": ("with",),
        "arguments": ("with",),
        "backoff_coefficient": ("backoff",),
        "backoff_rate": ("backoff",),
        "case": ("when",),
        "cases": ("switch",),
        "condition": ("if", "when"),
        "default": ("else", "initial"),
        "description": ("summary",),
        "do": ("then",),
        "ensure": ("finally",),
        "except": ("catch",),
        "factor": ("backoff",),
        "for": ("for_each",),
        "foreach": ("for_each",),
        "function": ("call",),
        "id": ("name",),
        "idempotent_key": ("idempotency_key",),
        "initial_interval": ("delay",),
        "input": ("with", "input"),
        "inputs": ("with", "input"),
        "interval": ("delay",),
        "interval_seconds": ("delay",),
        "jobs": ("do",),
        "labels": ("tags",),
        "limit": ("attempts", "width"),
        "max_attempts": ("attempts",),
        "max_concurrency": ("width",),
        "max_interval": ("max_delay",),
        "max_iterations": ("limit",),
        "max_parallel": ("width",),
        "maximum_attempts": ("attempts",),
        "on_error": ("on_failure",),
        "parallelism": ("width",),
        "parameters": ("with",),
        "params": ("with",),
        "rescue": ("catch",),
        "result": ("output",),
        "retries": ("retry", "retries"),
        "run": ("call",),
        "signal": ("wait_for_event",),
        "sleep": ("wait",),
        "states": ("do",),
        "steps": ("do",),
        "subprocess": ("call_workflow",),
        "task": ("call",),
        "tasks": ("do",),
        "then": ("do",),
        "timeout_seconds": ("timeout",),
        "uses": ("call",),
        "variables": ("vars",),
        "wait_for_signal": ("wait_for_event",),
    }
)
"""The key that is meant: the first of these that is possible where the foreign one stands."""

ADVICE = MappingProxyType(
    {
        "catch": "wrap the step: '- name: {try: [- step: {…}], catch: […]}'",
        "on_error": "wrap the step in a 'try', and handle the error in its 'catch'",
        "on_failure": "wrap the step in a 'try', and handle the error in its 'catch'",
        "continue_on_error": "wrap the step in a 'try', with a 'catch' that goes on",
        "ignore_errors": "wrap the step in a 'try', with a 'catch' that goes on",
        **dict.fromkeys(("elif", "else_if", "elseif", "elsif"), _ELSE_IF),
        "depends_on": "steps run in the order of the list; what runs side by side is in 'parallel'",
        "needs": "steps run in the order of the list; what runs side by side is in 'parallel'",
        "run_after": "steps run in the order of the list; what runs side by side is in 'parallel'",
        "next": "the next step is the one below; branch with 'if' or 'switch'",
        "goto": "the next step is the one below; branch with 'if' or 'switch'",
        "transition": "the next step is the one below; branch with 'if' or 'switch'",
        "end": "the workflow ends after its last step, or with '- return: value'",
        "save_as": "a step's value is read by the step's name",
        "register": "a step's value is read by the step's name",
        "result_path": "a step's value is read by the step's name",
        "output_path": "a step's value is read by the step's name; 'output' replaces it",
    }
)
"""What to do instead, where no key means the same."""


def meant(name: str, possible: frozenset[str]) -> str | None:
    """The key that a foreign one stands for among the possible ones, in any spelling of words."""
    return next((key for key in KEYS.get(snake_case(name), ()) if key in possible and key != name), None)


def snake_case(name: str) -> str:
    """``chargeCard`` and ``charge-card`` as ``charge_card``."""
    spaced = "".join(f"_{each}" if each.isupper() else each for each in name)
    return spaced.replace("-", "_").replace(" ", "_").replace("__", "_").strip("_").lower()

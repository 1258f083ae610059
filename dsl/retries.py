"""Retry policies: the ``retries`` of the header, and ``retry`` of a step, which names one or is one."""

from __future__ import annotations

from collections.abc import Mapping

from perdure.dsl.diagnostics import quote
from perdure.dsl.duration import format_duration, parse_duration
from perdure.dsl.forms import Forms, plain
from perdure.dsl.model import Duration, Retry
from perdure.dsl.nodes import ListNode, MapNode, Node, ScalarNode
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest

DEFAULT_DELAY = parse_duration("1s")
DEFAULT_MAX_DELAY = parse_duration("1h")
DEFAULT_BACKOFF = 2.0


def decode_retry(node: Node, forms: Forms, policy: str | None = None) -> Retry:
    """A policy with its defaults put in; ``policy`` is its name in the header."""
    assert isinstance(node, MapNode), "the structure was checked"
    attempts, delay, when = node.get("attempts"), node.get("delay"), node.get("when")
    wait = DEFAULT_DELAY if delay is None else forms.duration(delay)
    backoff, jitter = node.get("backoff"), node.get("jitter")
    return Retry(
        attempts=1 if attempts is None else forms.count(attempts, "attempts"),
        delay=wait,
        backoff=DEFAULT_BACKOFF if backoff is None else float(plain(backoff)),
        max_delay=_max_delay(node, wait, forms),
        jitter="none" if jitter is None or plain(jitter) == "none" else "full",
        on=error_names(node.get("on"), ("*",)),
        except_=error_names(node.get("except"), ()),
        when=None if when is None else forms.expression(when),
        span=node.span,
        policy=policy,
        on_spans=item_spans(node.get("on")),
        except_spans=item_spans(node.get("except")),
    )


def decode_retry_reference(node: Node, policies: Mapping[str, Retry], forms: Forms) -> Retry | None:
    """The policy that ``retry`` names or is; None for an unknown name."""
    if isinstance(node, MapNode):
        return decode_retry(node, forms)
    assert isinstance(node, ScalarNode), "the structure was checked"
    if node.text not in policies:
        near = suggest(node.text, policies)
        hint = (
            f"did you mean {quote(near)}?" if near else "policies are declared under 'retries' of the header"
        )
        forms.error("PD219", f"there is no retry policy {quote(node.text)}", node.span, hint)
    return policies.get(node.text)


def error_names(node: Node | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """A list of error names, or the default without one."""
    if node is None:
        return default
    assert isinstance(node, ListNode), "the structure was checked"
    return tuple(str(plain(item)) for item in node.items)


def item_spans(node: Node | None) -> tuple[Span, ...]:
    """Where the items of a list stand."""
    return tuple(item.span for item in node.items) if isinstance(node, ListNode) else ()


def _max_delay(node: MapNode, delay: Duration, forms: Forms) -> Duration | None:
    given = node.get("max_delay")
    if given is None:
        return max(DEFAULT_MAX_DELAY, delay) if isinstance(delay, int) else None
    longest = forms.duration(given)
    if isinstance(longest, int) and isinstance(delay, int) and 0 < longest < delay:
        message = f"'max_delay' is shorter than the delay of {format_duration(delay)}"
        forms.error("PD407", message, given.span)
    return longest

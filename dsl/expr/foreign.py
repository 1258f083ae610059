"""What people write out of habit from Python, JavaScript, jq, Jinja and others, and what it is here.

Only for hints: none of these words means anything in an expression.
"""

from __future__ import annotations

from types import MappingProxyType

_CLOCK = "write now(), the recorded time of the turn"
_CHANCE = "chance belongs in an activity; an expression gives the same value on every replay"
_OUTSIDE = "an expression reads nothing from outside; pass it in the input, or let an activity read it"
_LATER = "add a duration: now() + duration('72h')"
_CALL = "an expression calls no activity; make it a step, '- name: {call: Activity}', and read its name"

FUNCTIONS = MappingProxyType(
    {
        "len": "write size(x)",
        "length": "write size(x)",
        "count": "write size(x)",
        "str": "write string(x)",
        "String": "write string(x)",
        "float": "write double(x)",
        "Number": "write double(x)",
        "round": "write math.round(x)",
        "ceil": "write math.ceil(x)",
        "floor": "write math.floor(x)",
        "abs": "write math.abs(x)",
        "sqrt": "write math.sqrt(x)",
        "max": "write math.greatest(a, b), or xs.max()",
        "min": "write math.least(a, b), or xs.min()",
        "sum": "write xs.sum()",
        "sorted": "write xs.sort()",
        "range": "write lists.range(n)",
        "any": "write xs.exists(x, test)",
        "all": "write xs.all(x, test)",
        "upper": "write x.upperAscii()",
        "lower": "write x.lowerAscii()",
        "trim": "write x.trim()",
        "concat": "join with +",
        "coalesce": "write a.?b.orValue(other)",
        "default": "write a.?b.orValue(other)",
        "isinstance": "write type(x) == int",
        "utcnow": _CLOCK,
        "today": _CLOCK,
        "time": _CLOCK,
        "date": _CLOCK,
        "random": _CHANCE,
        "rand": _CHANCE,
        "randint": _CHANCE,
        "uuid4": "write uuid('a label'): the same on every replay",
        "env": _OUTSIDE,
        "getenv": _OUTSIDE,
        "open": _OUTSIDE,
        "fetch": _OUTSIDE,
        "call": _CALL,
        "activity": _CALL,
        "wait": "waiting is a step: '- pause: {wait: 5m}'",
        "sleep": "waiting is a step: '- pause: {wait: 5m}'",
    }
)
"""Functions by their foreign names."""

METHODS = MappingProxyType(
    {
        "length": "write x.size()",
        "count": "write x.size()",
        "len": "write x.size()",
        "upper": "write x.upperAscii()",
        "toUpperCase": "write x.upperAscii()",
        "toUpper": "write x.upperAscii()",
        "lower": "write x.lowerAscii()",
        "toLowerCase": "write x.lowerAscii()",
        "toLower": "write x.lowerAscii()",
        "strip": "write x.trim()",
        "startswith": "write x.startsWith(text)",
        "endswith": "write x.endsWith(text)",
        "includes": "write value in x, or x.contains(text)",
        "has": "write value in x, or has(x.field)",
        "hasOwnProperty": "write has(x.field)",
        "find": "write xs.filter(x, test)[0], or text.indexOf(part)",
        "some": "write xs.exists(x, test)",
        "any": "write xs.exists(x, test)",
        "every": "write xs.all(x, test)",
        "reduce": "write xs.sum(), or a loop with 'set'",
        "forEach": "looping is a step: 'for_each' or 'fan_out'",
        "get": 'write x.?key.orValue(other), or x[?"key"].orValue(other)',
        "keys": "write m.transformList(k, v, k)",
        "values": "write m.transformList(k, v, v)",
        "items": "write m.transformList(k, v, [k, v])",
        "append": "write xs + [x]",
        "push": "write xs + [x]",
        "concat": "join with +",
        "toString": "write string(x)",
        "isoformat": "write string(x)",
        "toFixed": "write '%.2f'.format([x])",
        "add": "write x + y",
        **dict.fromkeys(("addDays", "addHours", "addMinutes", "addSeconds", "addDuration"), _LATER),
        **dict.fromkeys(("plusDays", "plusHours", "plusMinutes", "plusSeconds", "plus"), _LATER),
        "now": _CLOCK,
        "utcnow": _CLOCK,
        "today": _CLOCK,
    }
)
"""The same, called on a value."""

NAMES = MappingProxyType(
    {
        "True": "write true",
        "False": "write false",
        "None": "write null",
        "nil": "write null",
        "undefined": "write null; has(a.b) tests for a field",
        "not": "write !x",
        "steps": "a step's value is read by its name alone",
        "outputs": "a step's value is read by its name alone",
        "tasks": "a step's value is read by its name alone",
        "nodes": "a step's value is read by its name alone",
        "inputs": "write input",
        "params": "write input",
        "parameters": "write input",
        "trigger": "write input",
        "payload": "write input",
        "context": "what is known of the instance is in workflow, such as workflow.instance_id",
        "execution": "what is known of the instance is in workflow, such as workflow.instance_id",
        "instance": "what is known of the instance is in workflow, such as workflow.instance_id",
        "variables": "write vars.name",
        "env": _OUTSIDE,
        "secrets": _OUTSIDE,
        "datetime": _CLOCK,
        "Date": _CLOCK,
        "loop": "the number of the iteration is index",
    }
)
"""Names by their foreign names."""

WORDS = MappingProxyType(
    {
        "and": "write &&",
        "or": "write ||",
        "is": "write ==",
        "eq": "write ==",
        "ne": "write !=",
        "gt": "write >",
        "lt": "write <",
        "div": "write /",
        "mod": "write %",
        "if": "write test ? value : other",
        "then": "write test ? value : other",
        "for": "write xs.map(x, value)",
        "not": "write !(value in list)",
    }
)
"""Operators that are words elsewhere."""

SIGNS = MappingProxyType(
    {
        "<>": "write !=",
        "??": "write a.?b.orValue(other)",
        "**": "there are no powers; multiply, or use an activity",
        "=>": "write xs.map(x, x.field): the variable is the first argument",
        "===": "write ==",
        "!==": "write !=",
        ":=": "a name is given by a step: '- name: {value: …}'",
    }
)
"""Operators that have another sign elsewhere."""

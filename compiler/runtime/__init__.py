"""What compiled expressions call: values, operators, functions, and the conversion of results to JSON.

Nothing here parses expressions; Programs are loaded from stored trees.
"""

from __future__ import annotations

from perdure.compiler.runtime.errors import EvalError, LimitError
from perdure.dsl.expr.times import Duration, Timestamp

__all__ = ["Duration", "EvalError", "LimitError", "Timestamp"]

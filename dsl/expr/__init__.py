"""The expression language cel-1: text to a checked syntax tree."""

"""Measurements of perdure on real files: ``python -m bench NAME``. Ratios count, absolute figures vary."""

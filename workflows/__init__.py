"""Runnable examples, each with its activities: ``perdure init`` copies them."""

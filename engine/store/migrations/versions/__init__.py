"""The schema's versions, one a file, forward only."""

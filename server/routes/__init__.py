"""What answers: a noun a file. ``perdure.server.app`` has the table of routes."""

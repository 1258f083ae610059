"""What answers: a noun a file. A function says which route it answers; ``perdure.server.app`` has all."""

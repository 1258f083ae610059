"""The HTTP face of a hub: ``app.create_app`` makes it, ``serve.serve`` runs it.

``deployments`` holds what the command line and the HTTP client share with it.
"""

"""What is promised to others: ``workflow-v1.schema.json`` is the source of what documents hold.

``http-api-v1.openapi.json`` is written from the routes of the server.
"""

"""The JSON Schemas of the product; ``workflow-v1.schema.json`` is the source of what documents hold."""

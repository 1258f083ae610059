"""The management API of Azure Durable Functions, for the clients that people have already.

The model is the HTTP API of the Durable Functions extension and what its two official HTTP clients send and
need: ``azure-functions-durable`` 1.x (Python) and ``durable-functions`` 3.x (JavaScript).
``docs/durable-functions.md`` says where perdure differs, and why.
"""

"""The generated messages and stubs of ``tidings.gateway.v1``; nothing in here is written by hand."""

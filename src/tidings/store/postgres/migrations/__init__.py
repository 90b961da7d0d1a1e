"""Forward-only migrations: ``NNNN_name.sql`` brings a database from version NNNN - 1 to NNNN.

A file that has been released is never edited. The number stands in the table ``tidings_migration``.
"""

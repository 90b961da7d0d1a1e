"""The store on one SQLite file, for one gateway process: ``store`` opens it.

One thread or process writes, with group commit and ``synchronous=FULL``: what is answered survives a power cut.
A process has a thread beside, which copies the write-ahead log. Two threads read. ``driver`` alone names sqlite3; the
SQL stands in ``sql`` and ``migrations``. Nothing is imported here, for ``writer`` is a process of its own that needs a
part of this only.
"""

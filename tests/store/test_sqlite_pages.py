"""The pages of SQLite files: their size, and the memory for them."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tidings.store.sqlite.driver import SqliteSettings, connect, log_pages

FILLING = """
import sys
from pathlib import Path
from tidings.store.sqlite.driver import SqliteSettings, connect

def taken():
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) / 1024

def read(connection):
    before = taken()
    assert connection.execute("SELECT count(*) FROM note").fetchone() == (12_000,)
    return taken() - before

made = connect(sys.argv[1], SqliteSettings(cache_kib=16 * 1024))
before = taken()
made.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)")
for _ in range(12):
    made.execute(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000)"
        " INSERT INTO note (text) SELECT printf('%.3900c', 'x') FROM number"
    )
read(made)
print(taken() - before)
print(read(connect(sys.argv[1], SqliteSettings(cache_kib=16 * 1024))))
print(read(connect(sys.argv[1], SqliteSettings(cache_kib=4 * 16 * 1024), read_only=True)))
"""
"""Makes a file of 48 MB, and says how much memory is taken for its pages by who made it, wrote and read it: MiB."""


def test_a_file_keeps_the_pages_it_was_made_with(tmp_path: Path) -> None:
    older, newer = tmp_path / "older.db", tmp_path / "newer.db"
    with closing(sqlite3.connect(older)) as made:
        made.execute("PRAGMA page_size = 4096")
        made.execute("CREATE TABLE note (id INTEGER PRIMARY KEY)")
    for path, page_bytes in ((older, 4096), (newer, 8192), (newer, 8192)):
        with closing(connect(str(path), SqliteSettings())) as connection:
            assert connection.execute("PRAGMA page_size").fetchone() == (page_bytes,)
            assert log_pages(connection) == 16_000_000 // page_bytes


def test_the_memory_for_pages_is_what_the_setting_says(tmp_path: Path) -> None:
    command = (sys.executable, "-c", FILLING, str(tmp_path / "notes.db"))
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    made, opened, reading = map(float, answer.split())

    assert 12 < made < 22
    assert 12 < opened < 22
    assert 12 < reading < 22

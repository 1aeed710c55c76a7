from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cli_samples import SECRET

# Real sessions in a real database; a process of its own, because Django is configured once.
RECIPE = """
import subprocess, sys
from django.conf import settings
settings.configure(
    SECRET_KEY="synthetic", INSTALLED_APPS=["django.contrib.sessions"], USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "sessions.sqlite3"}},
)
import django
django.setup()
from django.core.management import call_command
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
call_command("migrate", verbosity=0)
keys = []
for number in range(12):
    store = SessionStore()
    store["user"] = number
    store.save()
    keys.append(store.session_key)
leaked = set(keys[::4])
with open("app.log", "w") as log:
    for key in leaked:
        log.write(f"2024-05-01T12:14:56Z Cookie: theme=dark; sessionid={key}\\n")
redactor = [sys.executable, "-m", "redactor"]
assert subprocess.run([*redactor, "scan", "--inventory", "exposures.db", "app.log"], capture_output=True).returncode == 1
every = "\\n".join(Session.objects.values_list("session_key", flat=True))
matched = subprocess.run([*redactor, "match", "--inventory", "exposures.db", "--print-ids", "--mark", "revoked"],
                         input=every, capture_output=True, text=True)
assert matched.stderr == "", matched.stderr
Session.objects.filter(session_key__in=matched.stdout.split()).delete()
assert set(Session.objects.values_list("session_key", flat=True)) == set(keys) - leaked
"""


def test_exactly_the_leaked_django_sessions_are_flushed(redactor, key_file, tmp_path):
    """From a log to the sessions' end: exactly the sessions in the log are gone from the database."""
    done = subprocess.run(
        [sys.executable, "-c", RECIPE],
        cwd=tmp_path,
        env=redactor.options["env"] | {"REDACTOR_HMAC_KEY_FILE": key_file},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in [Path(tmp_path, "exposures.db")])


def test_rows_columns_prefixes_and_ids(redactor, key_file, write):
    """match prints numbers, fingerprints and what to do; ids only when asked; CSV and prefixes are read."""
    write("in.log", b"2024-05-01T12:14:56Z sessionid=%s\n" % SECRET.encode())
    key = {"REDACTOR_HMAC_KEY_FILE": key_file}
    scanned = redactor("scan", "--inventory", "x.db", "in.log", **key)
    mark = scanned.out.decode().split()[-1]
    row = f"2\t{mark}\tsession\t2024-05-01T12:14:56Z\t2024-05-01T12:14:56Z\tno expiry known\trevoke session\n"
    line = SECRET.encode()
    match = ("match", "--inventory", "x.db")
    assert redactor(*match, stdin=b"other\n" + line + b"\n", **key) == (1, row.encode(), "")
    keys = b"lock:1\nsession:" + line + b"\n"
    assert redactor(*match, "--prefix", "session:", stdin=keys, **key) == (1, row.encode(), "")
    table = b'id;key\n7;"' + line + b'"\n'
    assert redactor(*match, "--column", "2", "--delimiter", ";", stdin=table, **key) == (1, row.encode(), "")
    assert redactor(*match, "--print-ids", stdin=b"x\n" + line, **key) == (1, line + b"\n", "")
    assert redactor(*match, stdin=b"other\n", **key) == (0, b"", "")
    code, out, err = redactor(*match, stdin=line)
    assert (code, out) == (2, b"")
    assert err.endswith("make one with 'redactor key new FILE'\n")

"""Create the database, the users and the catalog: `python -m djangoshop.seed`."""

from __future__ import annotations

import hashlib
from typing import Final

import django
from django.core.management import call_command

import ledger
from people import PEOPLE

CATALOG: Final = (("Kettle", 4900), ("Teapot", 3950), ("Cup", 890), ("Tray", 1990))


def main() -> None:
    """Fill an empty database."""
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    from django.contrib.auth.models import User

    from .models import Product

    for person in PEOPLE:
        user = User.objects.create_user(person.name, person.email, person.password)
        ledger.record("password", person.password)
        ledger.record("password-hash", user.password)
    for name, cents in CATALOG:
        Product.objects.create(name=name, cents=cents, digest=hashlib.sha256(name.encode()).hexdigest())


if __name__ == "__main__":
    main()

"""Django's database sessions, with every key and every encoded payload noted in the ledger."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import db

import ledger


class SessionStore(db.SessionStore):
    """The stock store; only what it writes and reads is recorded as well."""

    def encode(self, session_dict: dict[str, Any]) -> str:
        encoded: str = super().encode(session_dict)
        ledger.record("django-session-data", encoded)
        return encoded

    def _get_new_session_key(self) -> str:
        key: str = super()._get_new_session_key()
        ledger.record("django-session", key)
        return key

    @classmethod
    def get_model_class(cls) -> Any:
        from django.contrib.sessions.models import Session

        return Session

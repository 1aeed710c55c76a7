"""Logging of the Flask site: structlog in colours, werkzeug, urllib3 and http.client at DEBUG."""

from __future__ import annotations

import http.client
import io
import logging
import sys

import structlog


def configure() -> None:
    """Send everything to the console, as in development."""
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s:%(name)s:%(message)s")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    http.client.HTTPConnection.debuglevel = 1
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=True,
                force_colors=True,
                pad_event_to=24,
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )

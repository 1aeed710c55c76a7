"""Scrubbing of files at rest: containers, formats, atomic writes, receipts."""

"""Benchmarks of ``redactor``: speed, memory and accuracy, each in one command."""

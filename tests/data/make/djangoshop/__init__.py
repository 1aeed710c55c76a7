"""A small shop on Django that logs as much as a developer in a hurry would."""

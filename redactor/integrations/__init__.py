"""Hosts, each in a module of its own that imports its host; none imports another."""

"""From leak to revocation: findings for people, the inventory of what is exposed, and whom it hits."""

from redactor.report.findings import Finding, look
from redactor.report.inventory import Exposure, Inventory
from redactor.report.matching import Matched, match

__all__ = ["Exposure", "Finding", "Inventory", "Matched", "look", "match"]

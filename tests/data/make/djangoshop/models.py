"""What the shop sells and who bought it."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Product(models.Model):
    """An article with its stock."""

    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the product picture")
    cents = models.IntegerField()


class Order(models.Model):
    """One product bought by one user."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    reference = models.UUIDField()

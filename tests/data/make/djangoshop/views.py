"""The pages and the API of the Django shop."""

from __future__ import annotations

import hashlib
import logging
import uuid

from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

import ledger

from .models import Order, Product

log = logging.getLogger("shop.views")


class GatewayError(RuntimeError):
    """The payment gateway refused a charge."""


def home(request: HttpRequest) -> HttpResponse:
    """List the products."""
    products = list(Product.objects.order_by("id"))
    log.debug("catalog loaded products=%d cache=miss", len(products))
    return render(request, "home.html", {"products": products})


def product(request: HttpRequest, number: int) -> HttpResponse:
    """Show one product."""
    found = get_object_or_404(Product, pk=number)
    log.debug("product %d picture sha256:%s", found.pk, found.digest)
    return render(request, "home.html", {"products": [found]})


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer the load balancer."""
    return JsonResponse({"status": "ok"})


@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show the user's orders, with a signed link to the last invoice."""
    orders = list(Order.objects.filter(user=request.user).select_related("product"))
    signature = signing.TimestampSigner(salt="invoice").signature(str(request.user.pk))
    ledger.record("signed-url", signature)
    log.info("account page user=%s session=%s orders=%d", request.user, request.session.session_key, len(orders))
    link = f"/download/invoice-{request.user.pk}.pdf?signature={signature}"
    return render(request, "home.html", {"products": [o.product for o in orders], "link": link})


def download(request: HttpRequest, number: int) -> HttpResponse:
    """Serve an invoice."""
    body = b"%PDF-1.7 invoice " + str(number).encode()
    log.info("invoice %d sent digest=sha256:%s", number, hashlib.sha256(body).hexdigest())
    return HttpResponse(body, content_type="application/pdf")


@require_POST
@login_required
def add_to_cart(request: HttpRequest) -> HttpResponse:
    """Buy one product."""
    chosen = get_object_or_404(Product, pk=request.POST["product"])
    order = Order.objects.create(user=request.user, product=chosen, reference=uuid.uuid4())
    log.info("order %s created for user_id=%d", order.reference, request.user.pk)
    return JsonResponse({"reference": str(order.reference)})


@require_POST
@login_required
def checkout(request: HttpRequest) -> HttpResponse:
    """Charge the user's orders. The gateway refuses, and says too much about it."""
    refresh = RefreshToken.for_user(request.user)
    token = refresh.access_token
    ledger.record("jwt", str(refresh))
    ledger.record("jwt", str(token))
    try:
        _charge({"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())})
    except GatewayError:
        log.exception("checkout failed user=%s META cookie=%r", request.user, request.META["HTTP_COOKIE"])
        raise
    return JsonResponse({"status": "paid"})


def _charge(headers: dict[str, str]) -> None:
    raise GatewayError(f"401 Unauthorized: POST http://127.0.0.1:9100/v1/charges headers={headers}")


@api_view(["GET"])
@permission_classes([IsAuthenticated])
def orders(request: Request) -> Response:
    """List the caller's orders."""
    return Response([str(order.reference) for order in Order.objects.filter(user=request.user)])


def export(request: HttpRequest) -> HttpResponse:
    """Export orders for a spreadsheet, which can send no header and so puts the token in the URL."""
    claims = AccessToken(request.GET["access_token"])
    log.info("export for user_id=%s token_type=%s jti=%s", claims["user_id"], claims["token_type"], claims["jti"])
    return HttpResponse("reference\n", content_type="text/csv")

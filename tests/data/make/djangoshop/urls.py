"""The routes of the Django shop."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy
from rest_framework_simplejwt import views as jwt

from . import views

FORM = {"template_name": "form.html"}

urlpatterns = [
    path("", views.home),
    path("healthz", views.healthz),
    path("products/<int:number>/", views.product),
    path("account/", views.account),
    path("cart/", views.add_to_cart),
    path("checkout/", views.checkout),
    path("download/invoice-<int:number>.pdf", views.download),
    path("accounts/login/", auth.LoginView.as_view(**FORM), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "accounts/password_reset/",
        auth.PasswordResetView.as_view(
            **FORM,
            email_template_name="reset_email.txt",
            subject_template_name="reset_subject.txt",
            success_url=reverse_lazy("password_reset_done"),
        ),
        name="password_reset",
    ),
    path(
        "accounts/password_reset/done/",
        auth.PasswordResetDoneView.as_view(template_name="done.html"),
        name="password_reset_done",
    ),
    path(
        "accounts/reset/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(**FORM, success_url=reverse_lazy("login")),
        name="password_reset_confirm",
    ),
    path("api/token/", jwt.TokenObtainPairView.as_view()),
    path("api/token/refresh/", jwt.TokenRefreshView.as_view()),
    path("api/orders/", views.orders),
    path("export.csv", views.export),
]

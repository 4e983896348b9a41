"""Included below /api/v1/ by the API's own URLs."""

from __future__ import annotations

from django.urls import path

from accounts.api.views import KeyViewSet, MeView

keys = KeyViewSet.as_view({"get": "list", "post": "create"}, detail=False)
key = KeyViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}, detail=True)
rotation = KeyViewSet.as_view({"post": "rotate"}, detail=True)

urlpatterns = [
    path("keys", keys, name="key-list"),
    path("keys/<uuid:key_id>", key, name="key-detail"),
    path("keys/<uuid:key_id>/rotate", rotation, name="key-rotate"),
    path("me", MeView.as_view(), name="me"),
]

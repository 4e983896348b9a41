from __future__ import annotations

from django.urls import path

from accounts import account_page, key_pages, people_page, usage_page, views

app_name = "accounts"

urlpatterns = [
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-in/link/<str:token>/", views.sign_in_link, name="sign_in_link"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("password/", views.password, name="password"),
    path("", account_page.account, name="account"),
    path("sessions/<str:handle>/end/", account_page.end_session, name="session_end"),
    path("sessions/end-others/", account_page.end_other_sessions, name="sessions_end_others"),
    path("export/", account_page.export_all, name="export"),
    path("close/", account_page.close, name="close"),
    path("people/", people_page.people, name="people"),
    path("people/invite/", people_page.invite, name="invite"),
    path("people/<uuid:user_id>/link/", people_page.invite_again, name="invite_again"),
    path("usage/", usage_page.usage, name="usage"),
    path("keys/", key_pages.keys, name="keys"),
    path("keys/new/", key_pages.create, name="key_create"),
    path("keys/bookmark/", key_pages.create_bookmark, name="key_bookmark"),
    path("keys/<uuid:key_id>/rename/", key_pages.rename, name="key_rename"),
    path("keys/<uuid:key_id>/rotate/", key_pages.rotate, name="key_rotate"),
    path("keys/<uuid:key_id>/revoke/", key_pages.revoke, name="key_revoke"),
]

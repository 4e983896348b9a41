from __future__ import annotations

from django.urls import path

from downloads.web import home, jobs, library, pages

urlpatterns = [
    path("", home.home, name="home"),
    path("active", home.active, name="active"),
    path("jobs/<uuid:job_id>", jobs.job, name="job"),
    path("jobs/<uuid:job_id>/log", jobs.log, name="job_log"),
    path("jobs/<uuid:job_id>/delete", jobs.delete, name="job_delete"),
    path("jobs/<uuid:job_id>/<slug:verb>", jobs.act, name="job_act"),
    path("library", library.library, name="library"),
    path("library/selection", library.selection, name="library_selection"),
    path("docs/errors", pages.error_codes, name="error_codes"),
    path("help", pages.help_page, name="help"),
    path("theme", pages.theme, name="theme"),
    path("site.webmanifest", pages.manifest, name="manifest"),
]

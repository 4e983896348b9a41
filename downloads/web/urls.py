from __future__ import annotations

from django.urls import path

from downloads.web import batches, cookies, home, jobs, library, lists, pages, presets, preview, shared, sharing

urlpatterns = [
    path("", home.home, name="home"),
    path("active", home.active, name="active"),
    path("preview", preview.look, name="look"),
    path("preview/<uuid:probe_id>", preview.looked, name="looked"),
    path("lists", lists.read, name="read_list"),
    path("lists/<uuid:probe_id>", lists.browse, name="list"),
    path("thumbnail", preview.thumbnail, name="thumbnail"),
    path("jobs/<uuid:job_id>", jobs.job, name="job"),
    path("jobs/<uuid:job_id>/log", jobs.log, name="job_log"),
    path("jobs/<uuid:job_id>/delete", jobs.delete, name="job_delete"),
    path("jobs/<uuid:job_id>/<slug:verb>", jobs.act, name="job_act"),
    path("batches", batches.all_batches, name="batches"),
    path("batches/<uuid:batch_id>", batches.batch, name="batch"),
    path("batches/<uuid:batch_id>/<slug:verb>", batches.act, name="batch_act"),
    path("library", library.library, name="library"),
    path("library/selection", library.selection, name="library_selection"),
    path("files/<uuid:file_id>/links", sharing.links, name="links"),
    path("links/<uuid:link_id>/revoke", sharing.revoke, name="link_revoke"),
    path("s/<str:token>", shared.shared_file, name="shared_file"),
    path("s/<str:token>/<str:filename>", shared.shared_file, name="named_shared_file"),
    path("cookies", cookies.listed, name="cookies"),
    path("cookies/new", cookies.store, name="cookies_store"),
    path("cookies/<uuid:cookie_id>/delete", cookies.delete, name="cookies_delete"),
    path("cookies/<uuid:cookie_id>/test", cookies.test, name="cookies_test"),
    path("cookies/<uuid:cookie_id>/test/<uuid:probe_id>", cookies.tested, name="cookies_tested"),
    path("presets", presets.listed, name="presets"),
    path("presets/new", presets.new, name="preset_new"),
    path("presets/<uuid:preset_id>", presets.edit, name="preset"),
    path("presets/<uuid:preset_id>/delete", presets.delete, name="preset_delete"),
    path("docs/errors", pages.error_codes, name="error_codes"),
    path("help", pages.help_page, name="help"),
    path("language", pages.language, name="language"),
    path("theme", pages.theme, name="theme"),
    path("offline", pages.offline, name="offline"),
    path("sw.js", pages.service_worker, name="service_worker"),
    path("site.webmanifest", pages.manifest, name="manifest"),
]

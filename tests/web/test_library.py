from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from downloads.models import Job, Node, Status
from tests.factories import JobFactory, MediaFileFactory, row


def listed(page: Client, address: str) -> list[str]:
    return [job.title for job in page.get(address).context["page"].jobs]


def numbered(user: User, count: int) -> list[str]:
    return [JobFactory(owner=user, finished=True, title=f"clip {number}").title for number in range(count)]


def test_is_empty_at_first(page: Client) -> None:
    assert "Your library is empty" in page.get("/library").text


def test_shows_the_newest_first_page_by_page_and_back(page: Client, user: User) -> None:
    titles = numbered(user, 60)[::-1]
    first = page.get("/library").context
    second = page.get(first["older"]).context
    third = page.get(second["older"]).context
    assert [job.title for job in first["page"].jobs] == titles[:25]
    assert [job.title for job in second["page"].jobs] == titles[25:50]
    assert [job.title for job in third["page"].jobs] == titles[50:]
    assert (first["newer"], third["older"]) == ("", "")
    assert listed(page, third["newer"]) == titles[25:50]
    assert listed(page, second["newer"]) == titles[:25]


def test_a_page_of_which_all_was_deleted_gives_way_to_the_first(page: Client, user: User) -> None:
    titles = numbered(user, 26)[::-1]
    last = page.get("/library").context["older"]
    assert listed(page, last) == titles[25:]
    oldest = page.get(last).context["page"].jobs
    page.post("/library/selection", {"verb": "delete", "job": [job.pk for job in oldest], "next": last})
    assert listed(page, last) == titles[:25]


def test_finds_by_title_link_and_reference(page: Client, user: User) -> None:
    JobFactory(owner=user, title="Rain on a roof", url="https://sounds.example/1")
    JobFactory(owner=user, title="Other", url="https://sounds.example/rain")
    JobFactory(owner=user, title="Third", client_reference="rain")
    JobFactory(owner=user, title="Fourth")
    assert listed(page, "/library?q=rain") == ["Third", "Other", "Rain on a roof"]
    assert "Nothing found" in page.get("/library?q=snow").text


def test_filters_by_status_and_counts_them(page: Client, user: User) -> None:
    JobFactory(owner=user, broken=True, title="bad")
    JobFactory(owner=user, finished=True, title="good")
    answer = page.get("/library?status=failed")
    assert [job.title for job in answer.context["page"].jobs] == ["bad"]
    assert [(item["label"], item["count"], item["is_chosen"]) for item in answer.context["filters"]] == [
        ("All", 2, False),
        ("Completed", 1, False),
        ("Failed", 1, True),
    ]


def test_filters_by_tag_and_leads_back(page: Client, user: User) -> None:
    JobFactory(owner=user, title="one", tags=["music", "live"])
    JobFactory(owner=user, title="two", tags=["music"], broken=True)
    JobFactory(owner=user, title="three")
    answer = page.get("/library?tag=music&q=t")
    assert [job.title for job in answer.context["page"].jobs] == ["two", "one"]
    assert [(tag["label"], tag["address"], tag["is_chosen"]) for tag in answer.context["tags"]] == [
        ("music", "/library?q=t", True),
        ("live", "/library?tag=live&q=t", False),
    ]
    assert answer.context["filters"][2]["address"] == "/library?status=failed&tag=music&q=t"
    assert "No download with the tag “music” is like that." in page.get("/library?tag=music&q=nothing").text


def test_a_tag_stays_over_pages(page: Client, user: User) -> None:
    for number in range(60):
        JobFactory(owner=user, title=str(number), tags=["odd"] if number % 2 else [])
    first = page.get("/library?tag=odd").context
    assert len(first["page"].jobs) == 25
    assert listed(page, first["older"]) == ["9", "7", "5", "3", "1"]


def test_tags_and_untags_several(page: Client, user: User) -> None:
    jobs = [JobFactory(owner=user, tags=["old"]), JobFactory(owner=user, running=True)]
    ticks = {"job": [job.pk for job in jobs], "next": "/library?tag=old"}
    answer = page.post("/library/selection", ticks | {"verb": "tag", "tag": " new ,  two words, new"}, follow=True)
    assert answer.redirect_chain == [("/library?tag=old", 302)]
    assert "2 of 2 done: tagged “new, two words”." in answer.text
    assert [row(Job, job.pk).tags for job in jobs] == [["old", "new", "two words"], ["new", "two words"]]
    assert row(Job, jobs[1].pk).version == jobs[1].version + 1
    page.post("/library/selection", ticks | {"verb": "untag", "tag": "new, old"})
    assert [row(Job, job.pk).tags for job in jobs] == [["two words"], ["two words"]]


@pytest.mark.parametrize(
    ("tag", "said"),
    [("", "Write a tag first."), (" , ", "Write a tag first."), ("x" * 51, "at most 50"), ("a\x07", "at most 50")],
)
def test_a_tag_that_cannot_be_is_refused(page: Client, user: User, tag: str, said: str) -> None:
    job = JobFactory(owner=user)
    sent = {"job": [job.pk], "verb": "tag", "tag": tag}
    assert said in page.post("/library/selection", sent, follow=True).text
    assert row(Job, job.pk).tags == []


def test_more_than_ten_tags_are_refused(page: Client, user: User) -> None:
    full, other = JobFactory(owner=user, tags=[str(number) for number in range(10)]), JobFactory(owner=user)
    sent = {"job": [full.pk, other.pk], "verb": "tag", "tag": "more"}
    assert (
        "1 of 2 done: tagged “more”. A download has at most ten"
        in page.post("/library/selection", sent, follow=True).text
    )
    assert "more" not in row(Job, full.pk).tags


@pytest.mark.parametrize(
    "query",
    ["status=nonsense", "tag=%00", "tag=" + "x" * 99, "before=x", "after=%00", "q=%00", "q=" + "a" * 999, "before="],
)
def test_makes_do_with_any_query(page: Client, user: User, query: str) -> None:
    JobFactory(owner=user)
    assert page.get(f"/library?{query}").status_code == 200


def test_shows_nothing_of_anybody_else(page: Client, other: User) -> None:
    JobFactory(owner=other, title="Secret", finished=True)
    answer = page.get("/library")
    assert "Secret" not in answer.text
    assert answer.context["filters"][0]["count"] == 0


def test_asks_the_database_equally_often_however_many_jobs_there_are(
    page: Client, user: User, worker: Node, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    MediaFileFactory(job=JobFactory(owner=user, finished=True))
    page.get("/library")
    with django_assert_num_queries(10):
        page.get("/library")
    for _ in range(20):
        MediaFileFactory(job=JobFactory(owner=user, finished=True))
    with django_assert_num_queries(10):
        page.get("/library")


def test_does_to_several_what_their_state_allows(page: Client, user: User) -> None:
    waiting, done = JobFactory(owner=user), JobFactory(owner=user, finished=True)
    answer = page.post("/library/selection", {"verb": "cancel", "job": [waiting.pk, done.pk]}, follow=True)
    assert row(Job, waiting.pk).status == Status.CANCELLED
    assert "1 of 2 done: cancel. The state of the others does not allow it." in answer.text


def test_deletes_several_and_undoes_all_of_it(page: Client, user: User) -> None:
    jobs = [JobFactory(owner=user, finished=True, title=f"clip {number}") for number in range(2)]
    running = JobFactory(owner=user, running=True)
    ticks = {"verb": "delete", "job": [job.pk for job in (*jobs, running)]}
    answer = page.post("/library/selection", ticks | {"next": "/library?q=clip"}, follow=True)
    assert answer.redirect_chain == [("/library?q=clip", 302)]
    assert "2 of 3 deleted." in answer.text
    assert list(Job.objects.present()) == [running]
    assert [item["count"] for item in page.get("/library").context["filters"]] == [1, 1]
    at = answer.text.partition('name="at" value="')[2].partition('"')[0]
    page.post("/undo", {"at": at})
    assert set(Job.objects.present()) == {*jobs, running}


def test_offers_nothing_to_undo_where_nothing_was_deleted(page: Client, user: User) -> None:
    job = JobFactory(owner=user, running=True)
    answer = page.post("/library/selection", {"verb": "delete", "job": [job.pk]}, follow=True)
    assert "0 of 1 deleted." in answer.text
    assert 'action="/undo"' not in answer.text


def test_touches_nothing_of_others_however_it_is_asked(page: Client, other: User) -> None:
    job = JobFactory(owner=other, finished=True)
    page.post("/library/selection", {"verb": "delete", "job": [job.pk]})
    page.post("/library/selection", {"verb": "keep", "job": [job.pk]})
    page.post("/library/selection", {"verb": "tag", "tag": "mine", "job": [job.pk]})
    assert row(Job, job.pk).version == job.version


@pytest.mark.parametrize("ticks", [[], ["x"], [str(uuid.uuid4())]])
def test_asks_for_ticks_when_there_are_none(page: Client, ticks: list[str]) -> None:
    answer = page.post("/library/selection", {"verb": "cancel", "job": ticks}, follow=True)
    assert "Tick the downloads first." in answer.text


def test_knows_no_other_verbs_for_several(page: Client, user: User) -> None:
    job = JobFactory(owner=user)
    answer = page.post("/library/selection", {"verb": "explode", "job": [job.pk]}, follow=True)
    assert "Nothing was done." in answer.text


def test_trying_several_again_stops_where_the_quota_ends_and_says_so(
    page: Client, user: User, settings: Settings
) -> None:
    settings.MAX_JOBS_PER_DAY = 1
    jobs = JobFactory.create_batch(2, owner=user, broken=True)
    sent = {"job": [str(job.pk) for job in jobs], "verb": "retry"}
    assert "You can submit 1 jobs a day" in page.post("/library/selection", sent, follow=True).text
    assert sorted(row(Job, job.pk).status for job in jobs) == [Status.FAILED, Status.QUEUED]


def test_one_that_the_quota_has_no_room_for_says_so(page: Client, user: User, settings: Settings) -> None:
    settings.MAX_JOBS_PER_DAY = 1
    first, second = JobFactory.create_batch(2, owner=user, broken=True)
    page.post(f"/jobs/{first.pk}/retry")
    assert "You can submit 1 jobs a day" in page.post(f"/jobs/{second.pk}/retry", follow=True).text
    assert row(Job, second.pk).status == Status.FAILED


# --- What changes while one looks on ----------------------------------------------------------------------------


ROWS = {"HX-Request": "true", "HX-Target": "rows"}


def test_fetches_rows_and_their_counts_anew(
    page: Client, user: User, worker: Node, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = JobFactory(owner=user, broken=True, title="A walk")
    address = "/library?q=walk&status="
    whole = page.get(address).text
    assert f'<div id="rows" hx-get="{address.replace("&", "&amp;")}" hx-trigger="jobs-changed from:body"' in whole
    assert f'action="/jobs/{job.pk}/retry"' in whole
    page.post(f"/jobs/{job.pk}/retry", headers={"HX-Request": "true"})
    with django_assert_num_queries(6):
        answer = page.get(address, headers=ROWS)
    assert answer.text.startswith('<div id="rows"')
    assert "Queued" in answer.text
    assert "Try again" not in answer.text
    assert '<nav class="filters" id="filters" hx-swap-oob="morph"' in answer.text
    assert 'id="library"' not in answer.text


def test_is_fetched_whole_when_nothing_is_left_of_it(page: Client, user: User) -> None:
    job = JobFactory(owner=user, broken=True)
    page.post(f"/jobs/{job.pk}/retry")
    answer = page.get("/library?status=failed", headers=ROWS)
    assert answer["HX-Retarget"] == "#library"
    assert answer.text.startswith('<div id="library"')
    assert 'hx-target="#library"' in answer.text, "the next download comes with what is done to several"


# --- Coming back ------------------------------------------------------------------------------------------------


def test_leads_to_a_job_and_back_to_the_same_place(page: Client, user: User) -> None:
    gone, _ = JobFactory(owner=user, finished=True, title="A walk"), JobFactory(owner=user, title="A run")
    place = "/library?q=walk&tag=&status=completed"
    (link,) = re.findall(rf'href="(/jobs/{gone.pk}[^"]*)"', page.get(place).text)
    shown = page.get(link.replace("&amp;", "&")).text
    escaped = place.replace("&", "&amp;")
    assert f'<a href="{escaped}">Library</a>' in shown
    assert f'<input type="hidden" name="next" value="{escaped}">' in shown
    answer = page.post(f"/jobs/{gone.pk}/delete", {"next": place})
    assert answer["Location"] == place


def test_the_library_as_such_makes_no_long_links(page: Client, user: User) -> None:
    job = JobFactory(owner=user, finished=True)
    assert f'href="/jobs/{job.pk}" ' in page.get("/library").text
    assert f'href="/jobs/{job.pk}" ' in page.get("/").text

"""The least valid rows; a test states what matters to it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, Protocol, TypeVar, cast

import factory
from django.utils import timezone

from accounts.models import User
from downloads.models import Batch, BatchKind, BatchStatus, Job, MediaFile, Status

T = TypeVar("T")


class _UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User

    username = factory.Sequence(lambda number: f"user{number}")
    password = "!"


class _JobFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Job

    owner = factory.SubFactory(_UserFactory)
    url = "http://media.example/clip.mp4"
    host = "media.example"

    class Params:
        running = factory.Trait(
            status=Status.RUNNING,
            attempt=1,
            lease=factory.LazyFunction(uuid.uuid4),
            lease_expires_at=factory.LazyFunction(lambda: timezone.now() + timedelta(seconds=20)),
            worker="node/1/1",
            started_at=factory.LazyFunction(timezone.now),
        )
        finished = factory.Trait(
            status=Status.COMPLETED,
            attempt=1,
            progress_percent=100,
            started_at=factory.LazyFunction(timezone.now),
            finished_at=factory.LazyFunction(timezone.now),
            expires_at=factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1)),
        )
        broken = factory.Trait(
            status=Status.FAILED,
            attempt=1,
            error_code="not_found",
            error_message="Gone.",
            started_at=factory.LazyFunction(timezone.now),
            finished_at=factory.LazyFunction(timezone.now),
        )


class _BatchFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Batch

    owner = factory.SubFactory(_UserFactory)
    kind = BatchKind.BATCH
    status = BatchStatus.RUNNING


class _MediaFileFactory(factory.django.DjangoModelFactory):
    """A row without bytes; `stored` in conftest writes both."""

    class Meta:
        model = MediaFile

    job = factory.SubFactory(_JobFactory, finished=True)
    kind = "media"
    is_main = True
    storage_key = factory.LazyFunction(lambda: f"{uuid.uuid4()}/1/{uuid.uuid4()}.mp4")
    filename = "clip.mp4"
    mime_type = "video/mp4"
    size_bytes = 5
    sha256 = "0" * 64


class Make(Protocol[T]):
    """What a factory is to its callers; factory_boy itself has no types."""

    def __call__(self, **fields: Any) -> T: ...
    def create_batch(self, size: int, **fields: Any) -> list[T]: ...
    def build_batch(self, size: int, **fields: Any) -> list[T]: ...


UserFactory = cast("Make[User]", _UserFactory)
BatchFactory = cast("Make[Batch]", _BatchFactory)
JobFactory = cast("Make[Job]", _JobFactory)
MediaFileFactory = cast("Make[MediaFile]", _MediaFileFactory)


def row(model: Any, pk: Any) -> Any:
    """The row as the database has it now."""
    return model.objects.get(pk=pk)

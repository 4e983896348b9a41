# mediadl in one image: docker run -p 8080:8080 -e API_KEY=… -v mediadl-data:/app/data mediadl
FROM python:3.13-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv /app/.venv && /app/.venv/bin/pip install --quiet --no-deps --require-hashes -r requirements.txt

FROM python:3.13-slim-trixie
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /app
COPY --from=build /app/.venv /app/.venv
COPY . .
# Static files are collected at build time, so that /app can be read-only at run time.
RUN DATA_DIR=/tmp/build /app/.venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/build \
    && mkdir -p /app/data \
    && chown 10001:10001 /app/data
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=:: \
    PORT=8080 \
    LOG_FORMAT=json
USER 10001
EXPOSE 8080
VOLUME /app/data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "mediadl.healthcheck"]
ENTRYPOINT ["tini", "--"]
CMD ["python", "manage.py", "up"]

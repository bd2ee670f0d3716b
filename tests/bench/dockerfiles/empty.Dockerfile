# Empties the cache mounts of the rivals.
FROM warmbase-bench/debian
ARG ROUND
RUN --mount=type=cache,id=warmbase-bench-uv,target=/mnt/uv \
    --mount=type=cache,id=warmbase-bench-pip,target=/mnt/pip \
    find /mnt/uv /mnt/pip -mindepth 1 -delete

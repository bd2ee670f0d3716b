# Stands in for an official slim Python image with uv: a Debian root filesystem, `python`, `pip`, `uv`.
FROM warmbase-bench/debian
COPY pip /usr/local/lib/python3.13/dist-packages/
COPY uv uvx pip3 /usr/local/bin/
RUN ln -s /usr/bin/python3.13 /usr/local/bin/python && ln -s pip3 /usr/local/bin/pip && \
    rm -f /usr/lib/python3.13/EXTERNALLY-MANAGED

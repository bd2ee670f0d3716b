# As guides to pip recommend. What the bench adds: the name of the cache mount, and ROUND, as in `guide.Dockerfile`.
FROM warmbase-bench/python
WORKDIR /app
COPY requirements.txt .
ARG ROUND
RUN --mount=type=cache,id=warmbase-bench-pip,target=/root/.cache/pip \
    pip install -r requirements.txt
COPY . .
CMD ["python", "main.py"]

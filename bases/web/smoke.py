"""Does real work with what `web` brings: an API on a database, tokens, templates, the servers. No network.

Run it with the image's Python; it exits non-zero and says which check failed.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta


def expect(what: str, got: object, wanted: object) -> None:
    """End the run unless `got` is what was `wanted`."""
    if got != wanted:
        sys.exit(f"smoke: {what}: got {got!r}, wanted {wanted!r}")


def check_api() -> None:
    """Store and read through FastAPI, pydantic and SQLAlchemy, called as an ASGI server would."""
    import httpx
    from fastapi import FastAPI, Form, HTTPException
    from pydantic import BaseModel, EmailStr
    from sqlalchemy import create_engine, select
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
    from sqlalchemy.pool import StaticPool

    class Base(DeclarativeBase):
        pass

    class Account(Base):
        __tablename__ = "account"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str]

    class NewAccount(BaseModel):
        email: EmailStr

    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    app = FastAPI()

    @app.post("/accounts", status_code=201)
    def create(account: NewAccount) -> dict[str, int]:
        with Session(engine) as session:
            row = Account(email=account.email)
            session.add(row)
            session.commit()
            return {"id": row.id}

    @app.get("/accounts/{number}")
    async def read(number: int) -> NewAccount:
        with Session(engine) as session:
            row = session.scalar(select(Account).where(Account.id == number))
            if row is None:
                raise HTTPException(404)
            return NewAccount(email=row.email)

    @app.post("/login")
    async def login(name: str = Form()) -> str:
        return name

    async def talk() -> list[tuple[int, object]]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://web.example") as client:
            answers = [
                await client.post("/accounts", json={"email": "ada@web-smoke.com"}),
                await client.post("/accounts", json={"email": "nobody"}),
                await client.get("/accounts/1"),
                await client.get("/accounts/2"),
                await client.post("/login", data={"name": "ada"}),
            ]
            return [(answer.status_code, answer.json()) for answer in answers]

    created, refused, found, missing, logged_in = asyncio.run(talk())
    expect("fastapi creates", created, (201, {"id": 1}))
    expect("pydantic refuses", refused[0], 422)
    expect("sqlalchemy reads", found, (200, {"email": "ada@web-smoke.com"}))
    expect("fastapi misses", missing[0], 404)
    expect("python-multipart", logged_in, (200, "ada"))


def check_tokens_and_pages() -> None:
    import jinja2
    import jwt

    key = "a key of at least thirty-two bytes"
    claims = {"sub": "ada", "exp": datetime.now(UTC) + timedelta(minutes=1)}
    token = jwt.encode(claims, key, algorithm="HS256")
    expect("pyjwt", jwt.decode(token, key, algorithms=["HS256"])["sub"], "ada")
    page = jinja2.Environment(autoescape=True).from_string("<b>{{ name }}</b>").render(name="<ada>")
    expect("jinja2", page, "<b>&lt;ada&gt;</b>")


def check_drivers_and_servers() -> None:
    """Load what is compiled, and let the servers read a configuration."""
    import alembic.config
    import asyncpg
    import gunicorn.config
    import httptools
    import psycopg
    import redis
    import uvicorn
    import uvloop

    expect("psycopg is the compiled one", psycopg.pq.__impl__, "binary")
    expect("asyncpg", asyncpg.Range(1, 3).lower, 1)
    expect("redis", redis.Redis.from_url("redis://cache.example:6380/2").get_connection_kwargs()["db"], 2)
    expect("alembic", alembic.config.Config().get_main_option("script_location"), None)
    expect("gunicorn", gunicorn.config.Config().address, [("127.0.0.1", 8000)])

    async def loop_of() -> str:
        return type(asyncio.get_running_loop()).__module__

    expect("uvloop", uvloop.run(loop_of()).partition(".")[0], "uvloop")
    config = uvicorn.Config("web:app", http="httptools", port=8080, log_config=None)
    expect("uvicorn", (config.port, httptools.__name__), (8080, "httptools"))


def main() -> None:
    """Run every check."""
    check_api()
    check_tokens_and_pages()
    check_drivers_and_servers()


if __name__ == "__main__":
    main()

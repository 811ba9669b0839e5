"""The application: its parts, and the order in which a request goes through them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from api import pages, probes
from api.access import Access
from api.answers import Answers, Shelf
from api.counter import Counter
from api.endpoints import router
from api.forms import Turns
from api.freshness import Freshness
from api.gate import Gate
from api.openapi import describe
from api.problems import handle_problems
from api.reader import Reader


@dataclass(frozen=True)
class Options:
    """How the API is served.

    Args:
        url: the database, with a login that may read schema `analytics`.
        only_loopback: bound to this machine: a token is needed only once one exists.
        origins: web pages of these origins may read it from a browser.
        demo: whether it is the demo's database.
    """

    url: str
    only_loopback: bool = True
    origins: Sequence[str] = ()
    demo: bool = False


def create_app(options: Options) -> FastAPI:
    """Make the application; it connects to the database when it is started."""
    reader, shelf = Reader(options.url), Shelf()
    freshness = Freshness(reader.connect)
    access = Access(freshness, only_loopback=options.only_loopback, origins=options.origins)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        reader.open()
        yield
        reader.close()
        await freshness.close()

    app = FastAPI(
        title="Afterclose",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.answers = Answers(reader, shelf)
    app.state.access = access
    app.state.counter = Counter(access, freshness, shelf)
    app.state.freshness = freshness
    app.state.options = options
    app.state.turns = Turns()
    handle_problems(app)
    app.include_router(router)
    app.include_router(probes.router)
    app.include_router(pages.router)
    app.add_middleware(Gate, access=access, freshness=freshness, shelf=shelf)
    describe(app)
    return app

"""The one place where the parts meet."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aiohttp import web
from aiohttp.typedefs import Middleware

from handlers.addresses import believe
from handlers.bodies import MAX_BODY
from handlers.cors import Origins, allow_origins
from handlers.credentials import Credentials
from handlers.draining import Draining
from handlers.endpoint import answer_errors
from handlers.hosts import serve_only
from handlers.http import Gate
from handlers.limits import Limits
from handlers.logbook import Logbook
from handlers.routes import add_routes
from rooms import database, media, schema
from rooms.context import Context
from rooms.cursors import open_signer
from rooms.database import Database, SqliteDatabase
from rooms.errors import Unavailable
from rooms.journal import Journal
from rooms.publishing import InTurn
from rooms.response_cache import ResponseCache
from rooms.sealing import Sealer
from rooms.streams import Streams
from rooms.tail import Tail
from server.admission import Admissions
from server.assets import add_assets, add_eliza_assets
from server.catching_up import CatchingUp
from server.config import BadSetting, Settings
from server.connections import HEAD_SECONDS, Connections
from server.courier import delivering
from server.drain import Drain
from server.expiry import expiring
from server.fanout import Fanout
from server.fetcher import fetching
from server.first_start import Welcome, provision
from server.followers import Followers
from server.limits import TokenBuckets
from server.overdue import ending_overdue
from server.retention import forgetting
from server.saving import saving
from server.session_sweep import announcing
from server.sharing import sharing_replies
from server.sockets import SocketServer

# The drain has waited for whoever it could wait for. aiohttp waits twice: for handlers that are left, and
# then for what they leave behind.
SHUTDOWN_SECONDS = 0.1
BACKLOG = 4_096
STATEMENT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Node:
    """One running process: where it listens, and what a new operator has to be told."""

    ctx: Context
    port: int
    welcome: Welcome | None


@asynccontextmanager
async def running(settings: Settings, hurry: asyncio.Event | None = None) -> AsyncIterator[Node]:
    """Run a node until the block ends; raise BadSetting if it cannot start as it is set.

    The end is a drain, which waits for nobody once there is reason to ``hurry``.
    """
    with alone(settings):
        store = database.connect(settings.database, STATEMENT_SECONDS)
        try:
            media.tidy(settings.policy().media)
            with naming(store):
                await _prepare_schema(store)
            async with (
                writing(settings, store) as (ctx, fanout),
                saving(ctx),
                _listening(settings, ctx, fanout, hurry or asyncio.Event()) as port,
            ):
                # Only now: what is shown once must not be lost to a port that is taken.
                yield Node(ctx, port, await provision(ctx))
        finally:
            await store.close()


@contextmanager
def naming(store: Database) -> Iterator[None]:
    """Raise BadSetting, with the setting's name, if the database turns out to be away."""
    try:
        yield
    except Unavailable as error:
        if isinstance(store, SqliteDatabase):
            raise
        cause = getattr(error.__cause__, "orig", error.__cause__)
        address = store.url.set(drivername="postgresql", query={}).render_as_string()
        reason = str(getattr(cause, "__cause__", None) or cause).partition("\n")[0]
        raise BadSetting(
            f"DATABASE_URL={address}: the database cannot be reached: {reason or 'it does not answer'}"
        ) from None


@asynccontextmanager
async def writing(settings: Settings, store: Database) -> AsyncIterator[tuple[Context, Fanout]]:
    """Give the domain's surroundings, with a journal that writes to the open store until the block ends."""
    secret = settings.secret.get_secret_value() if settings.secret else None
    cursors, tail = await open_signer(store, secret), Tail()
    streams, responses = Streams(), ResponseCache()
    fanout = Fanout(cursors, tail, streams)
    policy = settings.policy()
    publisher = InTurn(streams, responses, fanout)
    journal = Journal(store, publisher, policy=policy, responses=responses)
    journal.start()
    try:
        replays = asyncio.Semaphore(settings.max_replays)
        sealer = Sealer(secret) if secret else None
        ctx = Context(
            store, journal, journal.clock, cursors, tail, policy, sealer, replays=replays, streams=streams
        )
        yield ctx, fanout
    finally:
        await journal.close()


def create_app(
    settings: Settings,
    ctx: Context,
    fanout: Fanout,
    draining: Draining,
    followers: Followers,
    logs: Logbook,
) -> tuple[web.Application, SocketServer]:
    """Return the application with every route, and the Socket.IO server in it."""
    limits = Limits(TokenBuckets() if settings.rate_limits == "on" else None)
    gate = Gate(ctx, Credentials(ctx, settings.trust()), limits, draining, followers, fanout, logs)
    app = web.Application(middlewares=list(_middlewares(settings)), client_max_size=MAX_BODY)
    add_routes(app, gate)
    admissions = Admissions(gate, fanout, CatchingUp(ctx, fanout))
    sockets = SocketServer(
        gate,
        admissions,
        ping_interval=settings.ping_interval,
        ping_timeout=settings.ping_timeout,
        origins=Origins(settings.cors_origin),
    )
    sockets.eio.draining = draining
    sockets.add_to(app)
    # Last: elizaOS's client has pages at all paths that are nothing else.
    if settings.ui_dir is None:
        add_assets(app)
    else:
        add_eliza_assets(app, settings.ui_dir)
    return app, sockets


def _middlewares(settings: Settings) -> Iterator[Middleware]:
    """Yield what each request goes through, from the outside in; what nobody set costs nothing."""
    if settings.trusted_proxies:
        yield believe(settings.trusted_proxies)
    if settings.cors_origin:
        yield allow_origins(Origins(settings.cors_origin))
    yield answer_errors
    if hosts := settings.hosts():
        yield serve_only(hosts)


@asynccontextmanager
async def _listening(
    settings: Settings, ctx: Context, fanout: Fanout, hurry: asyncio.Event
) -> AsyncIterator[int]:
    draining = Draining()
    followers = Followers(fanout, draining)
    logs = Logbook()
    app, sockets = create_app(settings, ctx, fanout, draining, followers, logs)
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - it is set up
    connections = Connections(runner.server)
    try:
        listener = await _listen(settings, connections)
        # Until the drain is over: a credential may end meanwhile.
        async with (
            logs.attached(logging.getLogger("parley")),
            expiring(ctx, sockets.admissions),
            forgetting(ctx, settings.retention(), sockets.held),
            ending_overdue(ctx, fanout),
            announcing(ctx, fanout),
            sharing_replies(ctx),
            fetching(settings.policy().reach) as fetcher,
            delivering(ctx, fetcher),
        ):
            try:
                yield listener.sockets[0].getsockname()[1]
            finally:
                drain = Drain(sockets, followers, connections, draining, settings.drain_seconds, hurry)
                await drain.run(listener)
    finally:
        await runner.cleanup()
        await connections.stop()
        await sockets.shutdown()


async def _listen(settings: Settings, connections: Connections) -> asyncio.Server:
    tls = _tls(settings)
    patience = HEAD_SECONDS if tls else None
    try:
        return await asyncio.get_running_loop().create_server(
            connections,
            settings.host,
            settings.port,
            ssl=tls,
            ssl_handshake_timeout=patience,
            backlog=BACKLOG,
        )
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        why = str(error.strerror).rpartition("): ")[2]  # asyncio names the address once more before it
        raise BadSetting(
            f"Cannot listen on {where}: {why}; choose another port with --port or PARLEY_PORT"
        ) from None


async def _prepare_schema(store: Database) -> None:
    """Bring SQLite up to date by itself; a shared database is migrated when its operator says so."""
    if isinstance(store, SqliteDatabase):
        await schema.upgrade(store)
    elif not await schema.is_current(store):
        raise BadSetting("The database does not have this version's schema; run 'parley migrate' first")


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Keep other processes from serving the same SQLite file until the block ends."""
    file = settings.sqlite_file
    if file is None:
        yield
        return
    with _open_lock(file) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadSetting(
                f"Another Parley serves {file} already; stop it, or set another PARLEY_DATA_DIR"
            ) from None
        yield


def _open_lock(file: Path) -> IO[str]:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(f"{file}.lock").open("w")
    except OSError as error:
        raise BadSetting(f"Cannot write to {file.parent}: {error.strerror}; set PARLEY_DATA_DIR") from None


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        raise BadSetting(
            f"PARLEY_TLS_CERT={settings.tls_cert} and PARLEY_TLS_KEY={settings.tls_key} "
            f"must be a certificate and its key in PEM: {error.strerror or error}"
        ) from None
    return context

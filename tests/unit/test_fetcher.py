"""The fetcher: what was checked is what is connected to, and the other side decides nothing."""

import asyncio
from socket import AF_INET, AddressFamily

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from rooms.reach import Reach
from server.fetcher import FetchFailed, Request, fetching
from tests.receiving import receiving

LOOPBACK = Reach.beyond(["127.0.0.1"])


class Names(AbstractResolver):
    """A resolver that gives the next of these answers each time it is asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
        """Give the next answer."""
        address = self.answers.pop(0)
        return [ResolveResult(hostname=host, host=address, port=port, family=AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Keep nothing open."""


async def greet(_request: web.Request) -> web.Response:
    """Answer."""
    return web.Response(text="hello")


async def failure(reach: Reach, request: Request, *names: str) -> str:
    """Return why the request got no answer."""
    async with fetching(reach, Names(*names) if names else None) as fetcher:
        with pytest.raises(FetchFailed) as caught:
            await fetcher.fetch(request)
    return caught.value.reason


async def test_an_answer_is_returned_whatever_its_status() -> None:
    """Method, headers and body arrive as given; the caller judges the status."""

    async def echo(request: web.Request) -> web.Response:
        said = f"{request.method} {request.headers['X-A']} {await request.text()}"
        return web.Response(status=418, text=said, headers={"X-B": "b"})

    async with receiving(echo) as port, fetching(LOOPBACK) as fetcher:
        answer = await fetcher.fetch(
            Request("POST", f"http://127.0.0.1:{port}/", headers={"X-A": "a"}, body=b"body")
        )
    assert (answer.status, answer.headers["X-B"], answer.body) == (418, "b", b"POST a body")


SPELLINGS = (
    "127.0.0.1 127.0.0.1. 127.1 0177.0.0.1 2130706433 0 0.0.0.0 0x7f000001 0x7f.1 "
    "[::1] [::ffff:127.0.0.1] localhost localhost."
)


@pytest.mark.parametrize("host", SPELLINGS.split())
async def test_loopback_is_refused_in_every_spelling(host: str) -> None:
    """Whatever this machine's resolver would make of the name, nobody connects there."""
    visits: list[str] = []

    async def note(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.Response()

    async with receiving(note, "0.0.0.0") as port:
        reason = await failure(Reach(), Request("GET", f"http://{host}:{port}/"))
    assert reason in ("forbidden_address", "unknown_host")
    assert visits == []


async def test_a_name_that_is_allowed_may_lead_to_loopback() -> None:
    """The operator's word about a name counts wherever the name leads."""
    async with receiving(greet) as port, fetching(Reach.beyond(["localhost"])) as fetcher:
        assert (await fetcher.fetch(Request("GET", f"http://localhost:{port}/"))).body == b"hello"


async def test_a_name_is_resolved_once_for_each_request() -> None:
    """A resolver that gives a private address the second time finds nobody who asks it twice."""
    visits: list[str] = []

    async def note(request: web.Request) -> web.Response:
        assert request.transport is not None
        visits.append(request.transport.get_extra_info("sockname")[0])
        return web.Response()

    names = Names("127.0.0.1", "127.0.0.2")
    async with (
        receiving(note) as port,
        receiving(note, "127.0.0.2", port),
        fetching(LOOPBACK, names) as fetcher,
    ):
        request = Request("GET", f"http://rebinding.example:{port}/")
        assert (await fetcher.fetch(request)).status == 200
        assert names.answers == ["127.0.0.2"]
        with pytest.raises(FetchFailed, match="forbidden_address"):
            await fetcher.fetch(request)
    assert visits == ["127.0.0.1"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """Where an answer points to was never checked, so it is a failure, even if it points to itself."""
    visits: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with receiving(redirect) as port:
        assert await failure(LOOPBACK, Request("POST", f"http://127.0.0.1:{port}/")) == "redirect"
    assert visits == ["/"]


async def test_who_does_not_answer_in_time_is_waited_for_no_longer() -> None:
    """The time is that of the whole answer, so that sending a byte now and then does not help."""
    gone = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await gone.wait()
        return web.Response()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not gone.is_set():
            await response.write(b".")
            await asyncio.sleep(0)
        return response

    for handler in (hang, trickle):
        gone.clear()
        async with receiving(handler) as port:
            request = Request("GET", f"http://127.0.0.1:{port}/", seconds=0.2, max_answer=2**30)
            assert await failure(LOOPBACK, request) == "timeout"
            gone.set()


async def test_an_answer_is_read_up_to_its_limit() -> None:
    """One byte too many is a failure, whether the answer says its size or not."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = b"x" * int(request.query["size"])
        if "chunked" not in request.query:
            return web.Response(body=body)
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(body)
        return response

    async with receiving(answer) as port, fetching(LOOPBACK) as fetcher:
        for how in ("", "&chunked=1"):
            url = f"http://127.0.0.1:{port}/?size="
            fits = await fetcher.fetch(Request("GET", f"{url}100{how}", max_answer=100))
            assert len(fits.body) == 100
            with pytest.raises(FetchFailed, match="too_large"):
                await fetcher.fetch(Request("GET", f"{url}101{how}", max_answer=100))


async def test_nothing_is_remembered_from_one_request_to_the_next() -> None:
    """A cookie that was set is not sent, and each request has a connection of its own."""
    seen: list[tuple[str | None, int]] = []

    async def set_cookie(request: web.Request) -> web.Response:
        assert request.transport is not None
        seen.append((request.headers.get("Cookie"), request.transport.get_extra_info("peername")[1]))
        response = web.Response()
        response.set_cookie("a", "b")
        return response

    names = Names("127.0.0.1", "127.0.0.1")
    async with receiving(set_cookie) as port, fetching(LOOPBACK, names) as fetcher:
        for _ in range(2):
            await fetcher.fetch(Request("GET", f"http://hooks.example:{port}/"))
    assert [cookie for cookie, _ in seen] == [None, None]
    assert len({client for _, client in seen}) == 2


async def test_proxies_of_the_environment_are_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve the name once more, and be asked for what was never checked."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with receiving(greet) as port, fetching(LOOPBACK) as fetcher:
        assert (await fetcher.fetch(Request("GET", f"http://127.0.0.1:{port}/"))).body == b"hello"


async def test_a_packed_answer_is_not_unpacked() -> None:
    """The limit counts what arrives, so that nothing grows behind it."""

    async def pack(_request: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"})

    async with receiving(pack) as port, fetching(LOOPBACK) as fetcher:
        assert (await fetcher.fetch(Request("GET", f"http://127.0.0.1:{port}/"))).body == b"\x1f\x8b\x08"


async def test_nobody_there_is_a_failure() -> None:
    """A port that nobody listens on, and somebody who hangs up, are told apart from no name."""
    async with receiving(greet) as port:
        pass
    assert await failure(LOOPBACK, Request("GET", f"http://127.0.0.1:{port}/")) == "unreachable"

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with receiving(hang_up) as port:
        assert await failure(LOOPBACK, Request("GET", f"http://127.0.0.1:{port}/")) == "unreachable"


async def test_an_unverified_peer_is_a_failure() -> None:
    """Who speaks no TLS, or has no certificate for the name, is not told anything."""
    async with receiving(greet) as port:
        assert await failure(LOOPBACK, Request("POST", f"https://127.0.0.1:{port}/")) == "bad_certificate"


async def test_an_unknown_name_is_a_failure() -> None:
    """A resolver that knows nothing of the name says so."""

    class Nobody(Names):
        async def resolve(
            self, host: str, port: int = 0, family: AddressFamily = AF_INET
        ) -> list[ResolveResult]:
            raise OSError("Name or service not known")

    async with fetching(Reach(), Nobody()) as fetcher:
        with pytest.raises(FetchFailed, match="unknown_host"):
            await fetcher.fetch(Request("GET", "http://nobody.example/"))

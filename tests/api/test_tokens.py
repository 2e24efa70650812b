"""JWTs: what makes one good, with a shared secret, a public key, and published keys."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import RSAAlgorithm

from handlers import tokens
from tests.rest import API, Reply
from tests.running import Parley, Start
from tests.talking import speaking_by_hand, talking

SECRET = "a secret that is long enough " * 3  # for each of the HS algorithms
OTHER_SECRET = "another secret of that length " * 3
PATH = f"{API}/message-servers"
UNAUTHORIZED = (401, "AUTHENTICATION_FAILED")
UNSIGNED = (
    "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0."  # {"alg": "none", "typ": "JWT"}
    "eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9."  # {"sub": "ann", "exp": 4102444800}
)

Sign = Callable[..., str]


def signed(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **headers: str) -> str:
    """Return a token of ann's for the next minute, with these claims changed; None leaves one out."""
    everything = {"sub": "ann", "exp": int(time.time()) + 60, **claims}
    kept = {name: value for name, value in everything.items() if value is not None}
    return jwt.encode(kept, key, algorithm, headers=headers or None)


def pem(key: Any) -> str:
    """Return the public half of a key as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    """Give a private RSA key."""
    return rsa.generate_private_key(65_537, 2_048)


async def ask(parley: Parley, token: str) -> Reply:
    """Send a request with a token."""
    return await parley.bearer(token).get(PATH)


async def test_a_token_is_good_on_rest_and_on_sockets(start: Start) -> None:
    """The principal is the token's subject, a user with the rights of its memberships."""
    parley = await start(jwt_secret=SECRET)
    channel_id = await parley.service.new_channel("talk", "ann", "ben")
    assert (await parley.bearer(signed({})).submit(channel_id)).data["userId"] == "ann"
    assert (await parley.api_key(signed({})).submit(channel_id)).data["userId"] == "ann"
    assert (await parley.bearer(signed({})).submit(channel_id, author_id="ben")).status == 403
    async with talking(parley.url, {"token": signed({})}) as talker:
        assert talker.all("ready")[0]["principal"] == {"id": "ann", "kind": "user"}


async def test_a_token_brings_no_rights_of_its_own(start: Start) -> None:
    """Whatever a token claims beside its subject, it is a plain user's."""
    parley = await start(jwt_secret=SECRET)
    boasting = signed({"scopes": "messages:read messages:write", "kind": "service", "role": "admin"})
    channel_id = await parley.service.new_channel("talk", "ben")
    assert (await parley.bearer(boasting).history(channel_id)).status == 404
    assert (await parley.bearer(boasting).having(X_Entity_Id="ben").history(channel_id)).status == 403
    assert (await parley.bearer(boasting).post(PATH, {"name": "x"})).status == 403


async def test_a_token_is_verified_once_and_for_no_longer_than_it_lasts(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes with every request costs a look-up; a token that differs in one sign is another one."""
    parley = await start(jwt_secret=SECRET)
    decode, decoded = jwt.decode, []

    def count(token: str, *words: Any, **options: Any) -> Any:
        decoded.append(token)
        return decode(token, *words, **options)

    monkeypatch.setattr(jwt, "decode", count)
    token = signed({})
    assert [(await ask(parley, token)).status for _ in range(3)] == [200] * 3
    assert decoded == [token]
    assert (await ask(parley, token[:-5] + token[-5:].swapcase())).refusal == UNAUTHORIZED
    now = time.time()
    with monkeypatch.context() as later:
        later.setattr(tokens.time, "time", lambda: now + 61)
        await ask(parley, token)
    assert decoded.count(token) == 2


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": int(time.time()) - 10},
    "without expiry": {"exp": None},
    "expiry no number": {"exp": "soon"},
    "not yet valid": {"nbf": int(time.time()) + 86_400},
    "without subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject with a space": {"sub": "a b"},
    "subject not ASCII": {"sub": "ü"},
    "subject too long": {"sub": "x" * 129},
    "other issuer": {"iss": "https://other.example"},
    "without issuer": {"iss": None},
    "other audience": {"aud": "other"},
    "without audience": {"aud": None},
}


@pytest.mark.parametrize("what", BAD_CLAIMS)
async def test_a_token_with_bad_claims_is_refused(start: Start, what: str) -> None:
    """Each is 401 on REST and a refused handshake; the same token with good claims is accepted."""
    parley = await start(jwt_secret=SECRET, jwt_issuer="https://id.example", jwt_audience="parley")
    good = {"iss": "https://id.example", "aud": ["other", "parley"]}
    assert (await ask(parley, signed(good))).status == 200
    bad = signed({**good, **BAD_CLAIMS[what]})
    assert (await ask(parley, bad)).refusal == UNAUTHORIZED
    async with speaking_by_hand(parley.url) as socket:
        assert (await socket.connect({"token": bad}))["data"]["code"] == "AUTHENTICATION_FAILED"


@pytest.mark.parametrize("subject", [5, ["ann"], {"id": "ann"}, True], ids=str)
async def test_a_subject_that_is_no_text_is_refused(start: Start, subject: object) -> None:
    """A subject of another type is 401, not a failure."""
    parley = await start(jwt_secret=SECRET)
    body = jwt.api_jws.encode(
        f'{{"sub": {jwt.api_jwt.json.dumps(subject)}, "exp": 4102444800}}'.encode(), SECRET, "HS256"
    )
    assert (await ask(parley, body)).refusal == UNAUTHORIZED


async def test_an_unchecked_issuer_and_audience_may_be_anything(start: Start) -> None:
    """Only what the operator has set is compared."""
    parley = await start(jwt_secret=SECRET)
    assert (await ask(parley, signed({"iss": "anybody", "aud": "anything"}))).status == 200


async def test_a_badly_signed_token_is_refused(start: Start) -> None:
    """Another secret, no signature, another algorithm and a cut token are all 401."""
    parley = await start(jwt_secret=SECRET)
    good = signed({})
    head, claims, signature = good.split(".")
    forgeries = {
        "other secret": signed({}, OTHER_SECRET),
        "alg none": UNSIGNED,
        "signature cut": f"{head}.{claims}.",
        "signature changed": f"{head}.{claims}.{signature[::-1]}",
        "other claims": f"{head}.{signed({'sub': 'ben'}).split('.')[1]}.{signature}",
        "algorithm not allowed": signed({}, algorithm="HS512"),
        "no token": "a.b.c",
        "two parts": f"{head}.{claims}",
    }
    outcomes = {what: (await ask(parley, token)).refusal for what, token in forgeries.items()}
    assert outcomes == dict.fromkeys(forgeries, UNAUTHORIZED)
    assert (await ask(parley, good)).status == 200


async def test_the_algorithms_that_are_named_are_allowed(start: Start) -> None:
    """With HS512 set, HS512 is good and HS256 is not."""
    parley = await start(jwt_secret=SECRET, jwt_algorithms=["HS512"])
    assert (await ask(parley, signed({}, SECRET, "HS512"))).status == 200
    assert (await ask(parley, signed({}, SECRET, "HS256"))).refusal == UNAUTHORIZED


async def test_a_leeway_forgives_slow_clocks(start: Start) -> None:
    """A token may be as many seconds too old as the operator allows."""
    parley = await start(jwt_secret=SECRET, jwt_leeway=120)
    assert (await ask(parley, signed({"exp": int(time.time()) - 60}))).status == 200
    assert (await ask(parley, signed({"exp": int(time.time()) - 180}))).refusal == UNAUTHORIZED


async def test_a_public_key_verifies_what_its_private_half_signed(
    start: Start, rsa_key: rsa.RSAPrivateKey
) -> None:
    """RS256 with the right key is good; another key's token is 401."""
    parley = await start(jwt_public_key=pem(rsa_key))
    assert (await ask(parley, signed({}, rsa_key, "RS256"))).status == 200
    other = rsa.generate_private_key(65_537, 2_048)
    assert (await ask(parley, signed({}, other, "RS256"))).refusal == UNAUTHORIZED


async def test_a_public_key_is_no_shared_secret(start: Start, rsa_key: rsa.RSAPrivateKey) -> None:
    """A token that is signed with the public key as an HMAC secret is 401, and so is an unsigned one."""
    public = pem(rsa_key)
    parley = await start(jwt_public_key=public)
    claims = jwt.utils.base64url_encode(b'{"sub":"ann","exp":4102444800}').decode()
    head = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT"}').decode()
    # PyJWT refuses to forge this, so it is done by hand.
    forged = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        f"{head}.{claims}".encode(), public.encode()
    )
    token = f"{head}.{claims}.{jwt.utils.base64url_encode(forged).decode()}"
    assert (await ask(parley, token)).refusal == UNAUTHORIZED
    assert (await ask(parley, UNSIGNED)).refusal == UNAUTHORIZED


@pytest.mark.parametrize(
    ("algorithm", "make"),
    [
        ("ES256", lambda: ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate),
    ],
)
async def test_elliptic_keys_are_good_too(start: Start, algorithm: str, make: Callable[[], Any]) -> None:
    """ES256 and EdDSA work without being named."""
    key = make()
    parley = await start(jwt_public_key=pem(key))
    assert (await ask(parley, signed({}, key, algorithm))).status == 200


@pytest.fixture
async def published(rsa_key: rsa.RSAPrivateKey) -> AsyncIterator[dict[str, Any]]:
    """Serve a JWKS over HTTP; what it answers, and under which URL, is in the dict."""
    jwk = {
        **RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True),
        "kid": "one",
        "use": "sig",
        "alg": "RS256",
    }
    state: dict[str, Any] = {"answer": lambda: web.json_response({"keys": [jwk]}), "asked": 0}

    async def answer(_request: web.Request) -> web.Response:
        state["asked"] += 1
        response: web.Response = state["answer"]()
        return response

    app = web.Application()
    app.router.add_get("/jwks.json", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state["url"] = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks.json"
    yield state
    await runner.cleanup()


async def test_published_keys_verify_tokens(
    start: Start, rsa_key: rsa.RSAPrivateKey, published: dict[str, Any]
) -> None:
    """The key that a token's kid names is fetched once; other keys and kids are 401."""
    parley = await start(jwt_jwks_url=published["url"])
    for _ in range(3):
        assert (await ask(parley, signed({}, rsa_key, "RS256", kid="one"))).status == 200
    assert published["asked"] == 1
    other = rsa.generate_private_key(65_537, 2_048)
    bad = {
        "other key": signed({}, other, "RS256", kid="one"),
        "unknown kid": signed({}, rsa_key, "RS256", kid="two"),
        "no kid": signed({}, rsa_key, "RS256"),
        "shared secret": signed({}, SECRET, kid="one"),
        "unsigned": UNSIGNED,
        "no token": "x",
    }
    outcomes = {what: (await ask(parley, token)).refusal for what, token in bad.items()}
    assert outcomes == dict.fromkeys(bad, UNAUTHORIZED)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: web.Response(status=500),
        lambda: web.Response(text="no json"),
        lambda: web.json_response({}),
        lambda: web.json_response([]),
        lambda: web.json_response({"keys": []}),
        lambda: web.Response(body=b"\xff\xfe\x00"),
    ],
    ids=["status 500", "no JSON", "no keys", "a list", "empty", "no text"],
)
async def test_unreadable_published_keys_are_no_failure_of_the_client(
    start: Start, rsa_key: rsa.RSAPrivateKey, published: dict[str, Any], broken: Callable[[], web.Response]
) -> None:
    """While the keys cannot be read tokens are 503 or 401, API keys still work, and tokens recover."""
    parley = await start(jwt_jwks_url=published["url"])
    good, published["answer"] = published["answer"], broken
    token = signed({}, rsa_key, "RS256", kid="one")
    assert (await ask(parley, token)).refusal in ((503, "UNAVAILABLE"), UNAUTHORIZED)
    assert (await parley.service.get(PATH)).status == 200
    published["answer"] = good
    assert (await ask(parley, token)).status == 200


async def test_keys_that_cannot_be_fetched_make_tokens_unavailable(
    start: Start, rsa_key: rsa.RSAPrivateKey
) -> None:
    """With nobody behind the URL a token is 503, which says to try again."""
    parley = await start(jwt_jwks_url="http://127.0.0.1:9/jwks.json")
    refused = await ask(parley, signed({}, rsa_key, "RS256", kid="one"))
    assert refused.refusal == (503, "UNAVAILABLE")

"""Settings: what an empty environment means, and the sentence that a wrong value is answered with."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from handlers.tokens import TokenRules
from server.config import BadSetting, Settings, load
from tests.running import is_setting, run_parley

SECRET = "s3cret-" * 8
PRIVATE_KEY = ed25519.Ed25519PrivateKey.generate()
PUBLIC_PEM = (
    PRIVATE_KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
PRIVATE_PEM = PRIVATE_KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()

# A variable, a value that it cannot have, and what the sentence says is allowed.
WRONG = [
    ("PARLEY_PORT", "eighty", "integer"),
    ("PARLEY_PORT", "65536", "65535"),
    ("PARLEY_PORT", "-1", "0"),
    ("SERVER_PORT", "65536", "65535"),
    ("PARLEY_AUTH", "closed", "'keyed' or 'open'"),
    ("PARLEY_ALLOW_OPEN", "perhaps", "boolean"),
    ("PARLEY_RATE_LIMITS", "no", "'on' or 'off'"),
    ("PARLEY_MAX_CONTENT", "0", "1"),
    ("PARLEY_MAX_CONTENT", "50001", "50000"),
    ("PARLEY_CONTENT_POLICY", "refuse", "'accept' or 'reject'"),
    ("PARLEY_RETENTION_DAYS", "-1", "greater than or equal to 0"),
    ("PARLEY_RETENTION_DAYS", "36501", "less than or equal to 36500"),
    ("PARLEY_RETENTION_DAYS", "a month", "integer"),
    ("PARLEY_RETENTION_EVENTS", "-1", "greater than or equal to 0"),
    ("PARLEY_PING_INTERVAL", "0", "greater than 0"),
    ("PARLEY_PING_INTERVAL", "soon", "number"),
    ("PARLEY_PING_TIMEOUT", "3601", "3600"),
    ("SESSION_DEFAULT_TIMEOUT_MINUTES", "0", "greater than or equal to 1"),
    ("SESSION_MIN_TIMEOUT_MINUTES", "61", "less than or equal to 60"),
    ("SESSION_MAX_TIMEOUT_MINUTES", "59", "greater than or equal to 60"),
    ("SESSION_MAX_DURATION_MINUTES", "20161", "less than or equal to 20160"),
    ("SESSION_WARNING_THRESHOLD_MINUTES", "soon", "integer"),
    ("PARLEY_JWT_JWKS_URL", "ftp://x", "https"),
    ("PARLEY_JWT_ALGORITHMS", "none", "'HS256'"),
    ("PARLEY_JWT_ALGORITHMS", "rs256", "'RS256'"),
    ("PARLEY_JWT_LEEWAY", "601", "600"),
    ("PARLEY_ALLOWED_HOSTS", "https://chat.example", "without scheme and port"),
    ("PARLEY_ALLOWED_HOSTS", "chat.example:3000", "without scheme and port"),
    ("PARLEY_ALLOWED_HOSTS", "*.example", "* for any"),
    ("PARLEY_TRUSTED_PROXIES", "nginx", "127.0.0.1 or 10.0.0.0/8"),
    ("PARLEY_TRUSTED_PROXIES", "10.0.0.0/33", "127.0.0.1 or 10.0.0.0/8"),
    ("PARLEY_OUTBOUND_ALLOW", "http://hooks.example", "hooks.example or 10.0.0.0/8"),
    ("PARLEY_OUTBOUND_ALLOW", "hooks.example,10.0.0.0/33", "hooks.example or 10.0.0.0/8"),
    ("PARLEY_TLS_CERT", "/nowhere.pem", "PEM file"),
    ("PARLEY_TLS_KEY", "/nowhere.pem", "PEM file"),
]
# The same for those whose value is a secret, or may hold one: it is not repeated.
WRONG_SECRETS = [
    ("PARLEY_SECRET", "too-short", "at least 32 characters"),
    ("PARLEY_JWT_SECRET", "too-short", "at least 32 characters"),
    ("ELIZA_SERVER_AUTH_TOKEN", "too-short", "at least 16 characters"),
    ("DATABASE_URL", "mysql://root:too-short@host/db", "sqlite:///PATH or postgresql://"),
    ("DATABASE_URL", "postgresql://too-short@host/db?channel_binding=require", "leave it out"),
    ("DATABASE_URL", "too-short", "sqlite:///PATH or postgresql://"),
    ("REDIS_URL", "redis://:too-short@host", "left unset"),
]
# Each is fine alone; what is wrong is the combination.
WRONG_TOGETHER = [
    ({"PARLEY_AUTH": "open", "PARLEY_HOST": "0.0.0.0"}, ("PARLEY_HOST=0.0.0.0", "PARLEY_ALLOW_OPEN=true")),
    ({"PARLEY_AUTH": "open", "SERVER_HOST": "parley.example"}, ("parley.example", "PARLEY_AUTH=keyed")),
    ({"PARLEY_JWT_ALGORITHMS": "HS256"}, ("PARLEY_JWT_ALGORITHMS=HS256", "PARLEY_JWT_SECRET")),
    (
        {"PARLEY_JWT_SECRET": SECRET, "PARLEY_JWT_ALGORITHMS": "HS256,RS256"},
        ("PARLEY_JWT_SECRET", "HS256, HS384 and HS512 only"),
    ),
    (
        {"PARLEY_JWT_SECRET": SECRET, "PARLEY_JWT_PUBLIC_KEY": "-----BEGIN"},
        ("only one", "PARLEY_JWT_SECRET", "PARLEY_JWT_PUBLIC_KEY", "PARLEY_JWT_JWKS_URL"),
    ),
    (
        {"PARLEY_JWT_PUBLIC_KEY": "-----BEGIN", "PARLEY_JWT_ALGORITHMS": "HS256"},
        ("PARLEY_JWT_ALGORITHMS=HS256", "PARLEY_JWT_SECRET"),
    ),
    *(
        (
            {"PARLEY_JWT_PUBLIC_KEY": key},
            ("PARLEY_JWT_PUBLIC_KEY", "the PEM itself", "RS256 or ES256 or EdDSA"),
        )
        for key in (
            "-----BEGIN",
            "key.pem",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            PRIVATE_PEM,
        )
    ),
    (
        {"PARLEY_JWT_PUBLIC_KEY": PUBLIC_PEM, "PARLEY_JWT_ALGORITHMS": "RS256"},
        ("PARLEY_JWT_PUBLIC_KEY", "for RS256"),
    ),
    ({"PARLEY_TLS_CERT": __file__}, ("PARLEY_TLS_CERT and PARLEY_TLS_KEY", "together")),
]


@pytest.mark.parametrize("name", ["SESSION_CLEANUP_INTERVAL_MINUTES", "CLEAR_SESSIONS_ON_SHUTDOWN"])
def test_what_only_elizaos_s_server_needs_to_be_told_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever it says, its environment can be kept."""
    before = load()
    monkeypatch.setenv(name, "whatever")
    assert load() == before


def sentence_for(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """Return what the start is stopped with in this environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as refused:
        load()
    return str(refused.value)


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_a_wrong_value_is_named_shown_and_corrected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    """One sentence says which variable, which value, and what is allowed."""
    sentence = sentence_for(monkeypatch, **{name: value})
    assert sentence.startswith(f"{name}={value}: ")
    assert allowed in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG_SECRETS)
def test_a_wrong_secret_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    """The sentence says which variable and what is allowed, without the value or any part of it."""
    sentence = sentence_for(monkeypatch, **{name: value})
    assert sentence.startswith(f"{name}: ")
    assert allowed in sentence
    assert "too-short" not in sentence


@pytest.mark.parametrize(("environment", "said"), WRONG_TOGETHER)
def test_settings_that_do_not_go_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: tuple[str, ...]
) -> None:
    """The sentence names what has to change, and no secret."""
    sentence = sentence_for(monkeypatch, **environment)
    assert [part for part in said if part not in sentence] == []
    assert SECRET not in sentence
    assert "-----BEGIN" not in sentence


def test_several_wrong_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets a sentence of its own, so that one start is enough to see them all."""
    sentences = sentence_for(monkeypatch, PARLEY_PORT="x", PARLEY_AUTH="y", PARLEY_SECRET="z").splitlines()
    assert sorted(sentence.partition(":")[0] for sentence in sentences) == [
        "PARLEY_AUTH=y",
        "PARLEY_PORT=x",
        "PARLEY_SECRET",
    ]


def test_an_empty_environment_is_a_safe_one() -> None:
    """Nothing set: this machine only, with credentials, with limits, in SQLite."""
    settings = load()
    assert (settings.host, settings.port, settings.is_loopback) == ("127.0.0.1", 3_000, True)
    assert (settings.auth, settings.rate_limits, settings.max_content) == ("keyed", "on", 4_000)
    assert settings.database == "sqlite:///parley-data/parley.db"
    trust = settings.trust()
    assert (trust.is_open, trust.tokens, trust.service_token) == (False, None, None)


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing leaves the default in place."""
    for name in ("PARLEY_PORT", "PARLEY_AUTH", "PARLEY_SECRET", "DATABASE_URL", "CORS_ORIGIN"):
        monkeypatch.setenv(name, "")
    assert load() == load(port=3_000)


def test_what_the_command_line_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option stands above the variable; one that was left out does not."""
    monkeypatch.setenv("PARLEY_PORT", "4000")
    monkeypatch.setenv("PARLEY_HOST", "::1")
    settings = load(port=5_000, host=None)
    assert (settings.port, settings.host) == (5_000, "::1")


def test_elizaos_names_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """SERVER_HOST, SERVER_PORT and ELIZA_SERVER_AUTH_TOKEN work; Parley's own names stand above them."""
    monkeypatch.setenv("SERVER_PORT", "4000")
    monkeypatch.setenv("SERVER_HOST", "0.0.0.0")
    monkeypatch.setenv("ELIZA_SERVER_AUTH_TOKEN", SECRET)
    settings = load()
    assert (settings.port, settings.host, settings.is_loopback) == (4_000, "0.0.0.0", False)
    assert settings.trust().service_token == SECRET
    monkeypatch.setenv("PARLEY_PORT", "5000")
    assert load().port == 5_000


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces and a last slash do not count."""
    monkeypatch.setenv("CORS_ORIGIN", " https://a.example/ , http://localhost:8080,")
    assert load().cors_origin == ["https://a.example", "http://localhost:8080"]


@pytest.mark.parametrize(
    ("settings", "algorithms"),
    [
        ({"jwt_secret": SECRET}, ["HS256"]),
        ({"jwt_secret": SECRET, "jwt_algorithms": "HS384,HS512"}, ["HS384", "HS512"]),
        ({"jwt_public_key": PUBLIC_PEM}, ["RS256", "ES256", "EdDSA"]),
        ({"jwt_jwks_url": "https://id.example/jwks"}, ["RS256", "ES256", "EdDSA"]),
        ({"jwt_jwks_url": "https://id.example/jwks", "jwt_algorithms": "RS512"}, ["RS512"]),
    ],
    ids=["secret", "secret-chosen", "public-key", "jwks", "jwks-chosen"],
)
def test_algorithms_are_pinned_by_what_verifies(settings: dict[str, str], algorithms: list[str]) -> None:
    """A shared secret never goes with a public key's algorithms, nor the reverse."""
    rules = load(**settings).trust().tokens
    assert rules is not None
    assert rules.algorithms == algorithms


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    """Neither the settings nor what is made of them writes a secret out."""
    settings = load(secret=SECRET, jwt_secret=SECRET, service_token=SECRET)
    trust = settings.trust()
    for shown in (repr(settings), str(settings), repr(trust), repr(trust.tokens)):
        assert SECRET not in shown
    assert isinstance(trust.tokens, TokenRules)
    assert trust.tokens.secret == SECRET


def test_every_variable_is_kept_away_from_the_tests() -> None:
    """The tests know each variable that would change what they run."""
    names = {f"PARLEY_{name.upper()}" for name in Settings.model_fields}
    for field in Settings.model_fields.values():
        names |= {str(choice) for choice in getattr(field.validation_alias, "choices", [])}
    assert [name for name in names if not is_setting(name)] == []
    assert not is_setting("PARLEY_TEST_LONG")


@pytest.mark.parametrize("variables", [("PARLEY_DATA_DIR",), ("PARLEY_TLS_CERT", "PARLEY_TLS_KEY")], ids=str)
async def test_a_file_of_the_wrong_kind_stops_the_command_with_a_sentence(
    tmp_path: Path, variables: tuple[str, ...]
) -> None:
    """A data directory that is a file, and a certificate that is none, are named like other settings."""
    options = ["serve"] if variables == ("PARLEY_DATA_DIR",) else ["serve", "--data-dir", str(tmp_path)]
    code, said = await run_parley(*options, "--port", "0", **dict.fromkeys(variables, __file__))
    assert code == 1
    assert "Traceback" not in said
    assert variables[0] in said


async def test_a_wrong_setting_stops_the_command_with_its_sentence(tmp_path: Path) -> None:
    """``parley serve`` ends with 1 and the sentence, without a traceback."""
    options = ("serve", "--data-dir", str(tmp_path))
    code, said = await run_parley(*options, PARLEY_AUTH="closed", PARLEY_SECRET="too-short")
    assert code == 1
    assert [line.partition(": ")[0] for line in said.splitlines()] == ["parley", "parley"]
    assert "PARLEY_AUTH=closed" in said
    assert "too-short" not in said


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:1"),
        ("0.0.0.0", "http://localhost:1"),
        ("::", "http://localhost:1"),
        ("::1", "http://[::1]:1"),
        ("fe80::1", "http://[fe80::1]:1"),
        ("chat.example", "http://chat.example:1"),
    ],
)
def test_the_greeting_names_an_address_that_a_browser_takes(host: str, url: str) -> None:
    """IPv6 stands in brackets; what stands for every address becomes this machine's name."""
    assert load(host=host).url_at(1) == url

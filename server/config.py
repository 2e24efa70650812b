"""Settings: read from the environment once; a wrong value stops the start with a sentence."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from handlers.addresses import Network, network
from handlers.credentials import ANYBODY, Trust
from handlers.hosts import ANY_HOST, OWN_NAMES, Hosts, host_name, in_url
from handlers.tokens import TokenRules, can_verify
from handlers.waiting import MAX_WAIT
from rooms.context import MAX_REPLAYS
from rooms.database import for_asyncpg
from rooms.policy import Policy, SessionPolicy
from rooms.principals import Scope
from rooms.reach import Reach
from rooms.retention import KEPT_DAYS, KEPT_EVENTS, Retention
from rooms.rules import MAX_AGENT_CONTENT, MAX_CONTENT

Algorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "EdDSA"
]
_HostName = Annotated[str, AfterValidator(host_name)]
_Proxies = Annotated[Network, BeforeValidator(network)]
_DATABASES = "must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
_PUBLIC_ALGORITHMS: list[Algorithm] = ["RS256", "ES256", "EdDSA"]
_SECRET_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})


class BadSetting(Exception):
    """A setting has a value that it cannot have; the message names it and says what is allowed."""


def _named(*names: str) -> Any:
    return AliasChoices(*names)


def _session_minutes(variable: str, default: int, least: int, most: int) -> Any:
    return Field(default=default, ge=least, le=most, validation_alias=_named(variable))


class Settings(BaseSettings):
    """What an operator can set; every name and default stands in docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="PARLEY_", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    host: str = Field(default="127.0.0.1", validation_alias=_named("PARLEY_HOST", "SERVER_HOST"))
    port: int = Field(default=3000, ge=0, le=65_535, validation_alias=_named("PARLEY_PORT", "SERVER_PORT"))
    data_dir: Path = Path("parley-data")
    ui: Literal["parley", "eliza"] = "parley"
    ui_dir: Path | None = None
    database_url: str = Field(default="", validation_alias=_named("DATABASE_URL"))
    redis_url: str = Field(default="", validation_alias=_named("REDIS_URL"))
    auth: Literal["keyed", "open"] = "keyed"
    allow_open: bool = False
    auto_create_channels: bool | None = None
    rate_limits: Literal["on", "off"] = "on"
    max_upload_mb: int = Field(default=25, ge=1, le=25)
    max_content: int = Field(default=MAX_CONTENT, ge=1, le=MAX_AGENT_CONTENT)
    content_policy: Literal["accept", "reject"] = "accept"
    retention_days: int = Field(default=KEPT_DAYS, ge=0, le=36_500)
    retention_events: int = Field(default=KEPT_EVENTS, ge=0)
    ping_interval: float = Field(default=25.0, gt=0, le=3_600)
    ping_timeout: float = Field(default=20.0, gt=0, le=3_600)
    max_replays: int = Field(default=MAX_REPLAYS, ge=1, le=1_000)
    run_queue_seconds: float = Field(default=60.0, gt=0, le=86_400)
    run_lease_seconds: float = Field(default=30.0, gt=0, le=86_400)
    run_seconds: float = Field(default=600.0, gt=0, le=604_800)
    max_hops: int = Field(default=8, ge=1, le=1_000)
    pair_messages: int = Field(default=20, ge=1, le=100_000)
    channel_agent_messages: int = Field(default=60, ge=1, le=100_000)
    external_wait_seconds: int = Field(default=30, ge=0, le=MAX_WAIT)
    session_default_timeout_minutes: int = _session_minutes("SESSION_DEFAULT_TIMEOUT_MINUTES", 30, 1, 10_080)
    session_min_timeout_minutes: int = _session_minutes("SESSION_MIN_TIMEOUT_MINUTES", 5, 1, 60)
    session_max_timeout_minutes: int = _session_minutes("SESSION_MAX_TIMEOUT_MINUTES", 1_440, 60, 10_080)
    session_max_duration_minutes: int = _session_minutes("SESSION_MAX_DURATION_MINUTES", 720, 60, 20_160)
    session_warning_threshold_minutes: int = _session_minutes("SESSION_WARNING_THRESHOLD_MINUTES", 5, 1, 60)
    drain_seconds: float = Field(default=8.0, ge=0, le=3_600)
    secret: SecretStr | None = None
    jwt_secret: SecretStr | None = None
    jwt_public_key: str | None = None
    jwt_jwks_url: str | None = Field(default=None, pattern=r"^https?://")
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_algorithms: Annotated[list[Algorithm], NoDecode] = Field(default_factory=list)
    jwt_leeway: float = Field(default=0.0, ge=0, le=600)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    service_token: SecretStr | None = Field(default=None, validation_alias=_named("ELIZA_SERVER_AUTH_TOKEN"))
    cors_origin: Annotated[list[str], NoDecode] = Field(
        default_factory=list, validation_alias=_named("CORS_ORIGIN")
    )
    allowed_hosts: Annotated[list[_HostName], NoDecode] = Field(default_factory=list)
    trusted_proxies: Annotated[list[_Proxies], NoDecode] = Field(default_factory=list)
    outbound_allow: Annotated[list[str], NoDecode] = Field(default_factory=list)

    @field_validator(
        "jwt_algorithms", "cors_origin", "allowed_hosts", "trusted_proxies", "outbound_allow", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip().rstrip("/") for part in value.split(",") if part.strip()]
        return value

    @field_validator("secret", "jwt_secret", "service_token")
    @classmethod
    def _check_strength(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        least = 16 if info.field_name == "service_token" else 32
        if value is not None and len(value.get_secret_value()) < least:
            raise ValueError(f"must have at least {least} characters")
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: str) -> str:
        try:
            parsed = make_url(value) if value else None
        except ArgumentError:
            raise ValueError(_DATABASES) from None
        backend = parsed.get_backend_name() if parsed else "sqlite"
        nowhere = parsed is not None and parsed.database in (None, "", ":memory:")
        if backend not in ("sqlite", "postgresql") or nowhere:
            raise ValueError(_DATABASES)
        if parsed is not None and backend == "postgresql":
            for_asyncpg(parsed)
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis(cls, value: str) -> str:
        if value:
            raise ValueError("must be left unset: this version runs as one node")
        return value

    @field_validator("outbound_allow")
    @classmethod
    def _check_reach(cls, value: list[str]) -> list[str]:
        Reach.beyond(value)
        return value

    @field_validator("tls_cert", "tls_key")
    @classmethod
    def _check_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("must be the path of a PEM file")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("PARLEY_TLS_CERT and PARLEY_TLS_KEY must be set together")
        if self.auth == "open" and not self.is_loopback and not self.allow_open:
            raise ValueError(
                f"PARLEY_AUTH=open lets everybody act as anybody, and PARLEY_HOST={self.host} is reachable "
                "from outside: use PARLEY_AUTH=keyed, or set PARLEY_ALLOW_OPEN=true if that is what you want"
            )
        self._check_ui()
        self._check_algorithms()
        return self

    def _check_ui(self) -> None:
        if (self.ui == "eliza") != (self.ui_dir is not None):
            raise ValueError("PARLEY_UI=eliza and PARLEY_UI_DIR must be set together")
        if self.ui_dir is not None and not (self.ui_dir / "index.html").is_file():
            raise ValueError(
                f"PARLEY_UI_DIR={self.ui_dir} holds no index.html: it must be the folder package/dist "
                "of what 'npm pack @elizaos/client' gets"
            )

    def _check_algorithms(self) -> None:
        sources = [self.jwt_secret, self.jwt_public_key, self.jwt_jwks_url]
        if sum(source is not None for source in sources) > 1:
            raise ValueError(
                "Set only one of PARLEY_JWT_SECRET, PARLEY_JWT_PUBLIC_KEY and PARLEY_JWT_JWKS_URL"
            )
        # A public key accepted as an HMAC secret would let anybody sign.
        symmetric = [name for name in self.jwt_algorithms if name in _SECRET_ALGORITHMS]
        if self.jwt_secret is None and symmetric:
            raise ValueError(f"PARLEY_JWT_ALGORITHMS={','.join(symmetric)} needs PARLEY_JWT_SECRET")
        if self.jwt_secret is not None and len(symmetric) != len(self.jwt_algorithms):
            raise ValueError("PARLEY_JWT_SECRET goes with HS256, HS384 and HS512 only")
        fitting = self.jwt_algorithms or _PUBLIC_ALGORITHMS
        if self.jwt_public_key and not can_verify(self.jwt_public_key, fitting):
            raise ValueError(
                f"PARLEY_JWT_PUBLIC_KEY must be a public key for {' or '.join(fitting)}: "
                "the PEM itself, not its file's name"
            )

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def hosts(self) -> Hosts | None:
        """Return the names that the server answers to, or None for any.

        Where a key is asked for, a page of another name has none to send; in open mode it needs none.
        """
        is_guarded = self.auth == "keyed" and not self.is_loopback
        if ANY_HOST in self.allowed_hosts or (is_guarded and not self.allowed_hosts):
            return None
        names = OWN_NAMES | {in_url(self.host).lower(), *self.allowed_hosts}
        return Hosts(names, addresses=not self.is_loopback and not self.allowed_hosts)

    def url_at(self, port: int) -> str:
        """Return where a browser on this machine finds the server."""
        # Where localhost means IPv4 alone, nobody would listen there for ::1.
        host = "localhost" if self.host in ("0.0.0.0", "::", "127.0.0.1") else in_url(self.host)  # noqa: S104
        return f"{'https' if self.tls_cert else 'http'}://{host}:{port}"

    def sign_in_url(self, port: int, code: str) -> str:
        """Return the link that signs a browser on this machine in."""
        return f"{self.url_at(port)}/{'sign-in' if self.ui == 'eliza' else ''}#code={code}"

    @property
    def database(self) -> str:
        """The database's URL: SQLite in the data directory unless told otherwise."""
        return self.database_url or f"sqlite:///{self.data_dir / 'parley.db'}"

    @property
    def sqlite_file(self) -> Path | None:
        """Where SQLite keeps the database, or None if another one does."""
        parsed = make_url(self.database)
        return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None

    @property
    def opens_channels(self) -> bool:
        """Tell whether messages make their channels: in open mode, as on elizaOS's server, unless told."""
        return self.auth == "open" if self.auto_create_channels is None else self.auto_create_channels

    def policy(self) -> Policy:
        """Return the rules of the domain that were set."""
        return Policy(
            max_content=self.max_content,
            refuses_executable=self.content_policy == "reject",
            requires_credentials=self.auth == "keyed",
            opens_channels=self.opens_channels,
            reach=Reach.beyond(self.outbound_allow),
            queue_ms=round(self.run_queue_seconds * 1000),
            lease_ms=round(self.run_lease_seconds * 1000),
            run_ms=round(self.run_seconds * 1000),
            max_hops=self.max_hops,
            pair_messages=self.pair_messages,
            agent_messages=self.channel_agent_messages,
            external_wait_seconds=self.external_wait_seconds,
            media=self.data_dir / "media",
            max_upload=self.max_upload_mb * 1024 * 1024,
            sessions=SessionPolicy(
                self.session_default_timeout_minutes,
                self.session_min_timeout_minutes,
                self.session_max_timeout_minutes,
                self.session_max_duration_minutes,
                self.session_warning_threshold_minutes,
            ),
        )

    def retention(self) -> Retention:
        """Return how much of each log is kept."""
        return Retention(self.retention_days, self.retention_events)

    def trust(self) -> Trust:
        """Return which credentials are believed."""
        token = self.service_token.get_secret_value() if self.service_token else None
        # What the server says of itself is not for everybody on a network.
        scopes = ANYBODY.scopes if self.is_loopback else ANYBODY.scopes - {Scope.LOGS_READ}
        anybody = replace(ANYBODY, scopes=scopes)
        return Trust(self.auth == "open", anybody, tokens=self._tokens(), service_token=token)

    def _tokens(self) -> TokenRules | None:
        secret = self.jwt_secret.get_secret_value() if self.jwt_secret else None
        if not (secret or self.jwt_public_key or self.jwt_jwks_url):
            return None
        default = ["HS256"] if secret else _PUBLIC_ALGORITHMS
        return TokenRules(
            algorithms=self.jwt_algorithms or default,
            secret=secret,
            public_key=self.jwt_public_key,
            jwks_url=self.jwt_jwks_url,
            issuer=self.jwt_issuer,
            audience=self.jwt_audience,
            leeway=self.jwt_leeway,
        )


def load(**overrides: Any) -> Settings:
    """Read the settings; raise BadSetting with a sentence for each value that is wrong."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise BadSetting("\n".join(_sentence(one) for one in error.errors(include_url=False))) from None


def _variable(location: str) -> str:
    """Return the variable that was set, for a field that can be set by several."""
    for name, field in Settings.model_fields.items():
        names = [str(choice) for choice in getattr(field.validation_alias, "choices", ())]
        if location == name or location in names:
            return next(
                (one for one in names if one in os.environ), names[0] if names else f"PARLEY_{name.upper()}"
            )
    return location


_HIDDEN = frozenset(
    {"PARLEY_SECRET", "PARLEY_JWT_SECRET", "ELIZA_SERVER_AUTH_TOKEN", "DATABASE_URL", "REDIS_URL"}
)


def _sentence(error: ErrorDetails | Mapping[str, Any]) -> str:
    said = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return said
    name = _variable(str(error["loc"][0]))
    said = (
        said.replace("Input should be", "must be")
        .replace("String should", "must")
        .replace("Value should", "must")
    )
    shown = name if name in _HIDDEN else f"{name}={error['input']}"
    return f"{shown}: {said[0].lower()}{said[1:]}"

"""What an operator may set: the only reader of the environment in serving."""

import difflib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from coterie.access.origins import check_origins
from coterie.access.scopes import read_scopes
from coterie.data.locks import SQLITE, check_log_url
from coterie.errors import BadInputError

if TYPE_CHECKING:
    from coterie.reasons.discretion import Discretion
    from coterie.together.invitees import AskingRule

PREFIX: Final = "COTERIE_"
AT_HOME: Final = ("127.0.0.1", "localhost", "::1")
"""Hosts that only this machine reaches."""
KUBERNETES: Final = "kubernetes://"
"""Of ``rollouts``: what follows names a RayService whose controller is not in this app."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One app's settings; the variable of a field is its name in capitals after ``COTERIE_``."""

    release: str
    """Folder or URL of the release to serve until another one was rolled out."""
    releases: str = ""
    """Folder or URL of the store whose releases may be rolled out; the one beside ``release`` if
    empty."""
    features: str = "feature_repo"
    """Folder with Feast's ``feature_store.yaml``."""
    text_encoder: str = ""
    """What shoppers' queries are encoded with: ``default``, a folder, an address, or ``none``; if
    empty the default, for releases whose vectors it made. Another encoder than the one that made a
    release's vectors is refused with that release."""
    content_key: str = field(default="", repr=False)
    """What the API asks of its callers, where ``text_encoder`` is an address."""
    llm: str = ""
    """Language model that words reasons and reads questions: the address of an API like OpenAI's,
    up to ``/v1``, or a folder of weights; if empty there is none, and templates and search do."""
    llm_model: str = ""
    """What the API calls the model, where ``llm`` is an address."""
    llm_key: str = field(default="", repr=False)
    """What the API asks of its callers."""
    llm_key_file: str = ""
    """File that holds this key, in place of ``llm_key``; read when a process starts."""
    llm_timeout_s: float = 5.0
    """A question that was not answered by then is answered without the model."""
    llm_tokens_per_hour: int = 1_000_000
    """Of questions and answers, in each replica; 0: no bound."""
    host: str = "127.0.0.1"
    """Address to listen on; this machine alone unless told otherwise."""
    port: int = 8000
    replicas: int = 1
    """Processes that answer requests."""
    sinks: int = 1
    """Processes that write events, each those of a part of the shoppers; more than one where the
    event log is a Redis."""
    state: str = "var/serving"
    """Folder for the event log, metrics and the proxy's files; keep it: it holds events."""
    event_log: str = ""
    """URL of the event log: ``sqlite:///path``, ``redis://host:port/0`` or ``rediss://``; a file in
    ``state`` if empty."""
    event_log_password: str = field(default="", repr=False)
    """Of Redis; never in the URL, which is logged."""
    event_log_sync_s: float = 0.0
    """For so long a receipt waits until Redis (7.2 or newer) has events on its disk; 0 leaves that
    to its ``appendfsync``."""
    event_export: str = ""
    """Folder or URL of tables that the event consumer adds events to, in ``events/``; the
    ``source`` of pipelines."""
    impressions_share: float = 0.0
    """Share of shoppers whose lists are kept beside exported events; those in experiments are."""
    impressions_s: float = 60.0
    """For so long what lists showed waits to be written."""
    storefront: bool = False
    """Serve the demonstration page and the endpoints that list shoppers, friends and histories.
    They show people to whoever asks: never on a public address."""
    shoppers: str = ""
    """Clean folder whose shoppers the storefront offers; none if empty."""
    pictures: str = ""
    """Folder that the storefront shows pictures of: where relative names in ``image_uri`` begin;
    none are shown if empty, but those behind https."""
    rules: str = ""
    """YAML file of the shop's rules for its lists, read again when it changes; none if empty."""
    keys: str = ""
    """File of keys that open this app, read again when it changes; without one everybody may do all
    that ``open_scopes`` and the two tokens below leave open."""
    open_scopes: str = ""
    """Scopes that everybody has without a key, divided by spaces or commas. If empty: none where
    there is a file of keys, else all that no token opens, but ``admin``."""
    page_key: str = ""
    """Id of a key of the file with which the storefront's pages begin a session by themselves, for
    whoever opens them: on this machine alone."""
    admin_token: str = field(default="", repr=False)
    """A key of before files of keys, for this version: opens ``admin``."""
    change_token: str = field(default="", repr=False)
    """A key of before files of keys, for this version: opens ``catalogue:write`` and
    ``people:write``."""
    rate_per_key: float = 0.0
    """Requests a second that one key may send to a replica, and five seconds' worth at once; 0: no
    limit."""
    rate_per_address: float = 0.0
    """Likewise of one address, by callers whose key is missing or opens nothing."""
    proxies: int = 0
    """Proxies before this app, each of which adds to X-Forwarded-For who asked it: what others
    wrote there is not believed. 0: addresses are of who connects."""
    rollouts: str = ""
    """Where rollouts are written down: a folder, ``rollouts`` in ``state`` if empty; or
    ``kubernetes://NAMESPACE/NAME``, where a controller outside this app acts."""
    rollout_interval_s: float = 1.0
    """Between two looks of the controller."""
    pipeline_status: str = ""
    """Folder or URL where pipeline runs leave how they stand; not exported if empty."""
    prometheus_url: str = ""
    """Prometheus that the controller asks; this app's own metrics if empty."""
    canary_timeout_s: float = 1.0
    """After it stable answers in the canary's place."""
    attribution_s: float = 300.0
    """How long after a list was shown a click or a purchase counts as its."""
    traces: str = ""
    """OpenTelemetry collector (OTLP over HTTP) that traces are sent to; none are kept if empty."""
    metrics_port: int = 0
    """Port where this machine's counts can be scraped past the proxy, which would ask any machine's
    replica; 0: at ``/metrics`` alone."""
    cors_origins: str = ""
    """Origins whose pages may read answers in a browser, like ``https://shop.example``, divided by
    spaces or commas; ``*`` alone lets every page; none if empty."""
    log_salt: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    """Secret that turns ids in logs into pseudonyms; random, so new at each start, if not set."""
    pseudonym_key: str = field(default="", repr=False)
    """Keys that turn people's ids into pseudonyms before anything keeps them, oldest first, a line
    each; if empty, ids are kept as the shop has them."""
    pseudonym_key_file: str = ""
    """File that holds these keys, in place of ``pseudonym_key``; read when a process starts."""
    log_level: str = "INFO"
    log_file: str = ""
    """Where JSON lines go; ``-`` is standard error, empty is ``serving.log`` in ``state``."""
    max_event_age_days: float = 3650.0
    """Events older than this are refused."""
    keep_days: float = 0.0
    """What people did longer ago than this is not kept: neither in the log nor in features, nor in
    what was exported, and older events are refused; 0: it is kept."""
    max_event_lead_s: float = 300.0
    """Events further ahead of our clock than this are refused."""
    reason_min_people: int = 3
    """From so many on are friends counted in reasons who may not be named."""
    reason_min_share: float = 0.03
    """Parts of a score below this share are told together."""
    reason_rare_below: int = 20
    """An item that fewer people had is not named as one that people did who are not counted."""
    reason_one_sided: bool = True
    """Draw lists also on people who do not follow the shopper in turn; reasons never tell of
    them."""
    list_min_people: int = 0
    """From so many on do lists draw on friends who may not be named; 0: ``reason_min_people``.
    Below it reasons tell nothing of those whom lists draw on."""
    most_invitations: int = 5
    """Invitations that one person gets, from everybody together, within ``invitation_days``; 0:
    nobody is told whom to invite."""
    invitation_days: float = 30.0
    """For so long an invitation counts."""
    referral_weight: float = 0.0
    """What each event adds to the tie of its shopper to whom its ``referrer_user_id`` names, a
    ``referral``, up to 20 events; 0: referrals make no ties. A friendship weighs 1."""
    explore_share: float = 0.0
    """Share of shoppers, each day others, whose lists show one item that entered the shop after the
    release was made, to learn whom it pleases; 0: new items stand where their scores bring them."""
    explore_lists: int = 1000
    """Lists with a new or rarely shown item after which it is not explored any more."""
    max_ongoing: int = 64
    """Requests that one replica works on at a time."""
    max_queued: int = 512
    """Requests that may wait; more are answered with 503 at once."""
    haproxy: bool = True
    """Let HAProxy hand requests to replicas, instead of Ray's own Python proxy."""
    drain_s: float = 1.0
    """How long a stopping replica still takes requests."""

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise BadInputError(
                    f"{PREFIX}{name.upper()} is {value}: expected {least:g} to {most:g}"
                )
        if self.event_log:
            check_log_url(self.event_log)
        if self.sinks > 1 and urlsplit(self.event_log_url).scheme == SQLITE:
            raise BadInputError(
                f"{PREFIX}SINKS is {self.sinks}, and the event log is a file, which has one writer "
                f"at a time: expected 1, or a Redis in {PREFIX}EVENT_LOG"
            )
        for name, token in (("ADMIN", self.admin_token), ("CHANGE", self.change_token)):
            if token and len(token) < _MIN_SALT:
                raise BadInputError(
                    f"{PREFIX}{name}_TOKEN has {len(token)} characters: expected at least "
                    f"{_MIN_SALT}, for example from `openssl rand -hex 16`"
                )
        check_origins(self.origins, f"{PREFIX}CORS_ORIGINS")
        if self.open_scopes:
            try:
                read_scopes(self.open_scopes.replace(",", " ").split())
            except BadInputError as error:
                raise BadInputError(f"{PREFIX}OPEN_SCOPES: {error}") from error
        if self.impressions_share and not self.event_export:
            raise BadInputError(
                f"{PREFIX}IMPRESSIONS_SHARE is {self.impressions_share:g} and there is nowhere to "
                f"keep what lists show: set {PREFIX}EVENT_EXPORT as the event consumer has it"
            )
        if self.page_key and self.host not in AT_HOME:
            raise BadInputError(
                f"{PREFIX}PAGE_KEY is set and {PREFIX}HOST is {self.host}: pages let in whoever "
                f"opens them on this machine alone, so expected one of {', '.join(AT_HOME)}"
            )
        if not self.release:
            raise BadInputError(f"{PREFIX}RELEASE is empty: name the folder of a release")
        if not self.host:
            raise BadInputError(f"{PREFIX}HOST is empty: 127.0.0.1 listens on this machine alone")
        if self.log_level not in _LEVELS:
            raise BadInputError(
                f"{PREFIX}LOG_LEVEL is {self.log_level!r}: expected one of {', '.join(_LEVELS)}"
            )
        if len(self.log_salt) < _MIN_SALT:
            raise BadInputError(
                f"{PREFIX}LOG_SALT has {len(self.log_salt)} characters: expected at least "
                f"{_MIN_SALT}, for example from `openssl rand -hex 16`"
            )

    def as_environment(self) -> dict[str, str]:
        """Write the variables from which ``read_settings`` makes the same settings."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {name: int(v) if isinstance(v, bool) else v for name, v in values.items()}
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in plain.items()}

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins whose pages may read answers."""
        return tuple(self.cors_origins.replace(",", " ").split())

    @property
    def discretion(self) -> "Discretion":
        """Whom lists draw on, and how much reasons tell of friends."""
        from coterie.data.circle import CircleRule
        from coterie.reasons.discretion import Discretion

        return Discretion(
            self.reason_min_people,
            self.reason_min_share,
            self.reason_rare_below,
            CircleRule(self.list_min_people or self.reason_min_people, self.reason_one_sided),
        )

    @property
    def asking_rule(self) -> "AskingRule":
        """Whom a shopper may be told to ask."""
        from coterie.together.invitees import AskingRule

        return AskingRule(self.most_invitations, self.invitation_days)

    @property
    def taken_days(self) -> float:
        """Events older than this are refused, days: those of which nothing would be kept, too."""
        return min(self.max_event_age_days, self.keep_days or self.max_event_age_days)

    @property
    def releases_root(self) -> str:
        """Folder or URL of the store whose releases may be rolled out."""
        return self.releases or self.release.rstrip("/").rpartition("/")[0] or "."

    @property
    def rollouts_root(self) -> str:
        """Folder or ``kubernetes://`` where rollouts are written down."""
        return self.rollouts or str(Path(self.state) / "rollouts")

    @property
    def experiments_root(self) -> str:
        """Folder or URL where experiments are written down: beside what is exported, which all
        replicas and the consumer share; empty where nothing is exported, so there are none."""
        return f"{self.event_export.rstrip('/')}/experiments" if self.event_export else ""

    @property
    def replicas_folder(self) -> Path:
        """Folder where each replica says what it serves."""
        return Path(self.state) / "replicas"

    @property
    def state_folder(self) -> Path:
        """Folder of the app's state."""
        return Path(self.state)

    @property
    def event_log_url(self) -> str:
        """URL of the event log."""
        return self.event_log or f"{SQLITE}://{Path(self.state) / 'events.sqlite'}"

    @property
    def log_path(self) -> str:
        """File that log lines go to, or ``-``."""
        return self.log_file or str(Path(self.state) / "serving.log")

    @property
    def metrics_folder(self) -> Path:
        """Folder where all replicas on this machine keep their counts."""
        return Path(self.state) / "metrics"


_BOUNDS: Final = {
    "port": (1, 65535),
    "metrics_port": (0, 65535),
    "replicas": (1, 1000),
    "sinks": (1, 100),
    "max_event_age_days": (0.01, 36500),
    "keep_days": (0, 36500),
    "max_event_lead_s": (0, 300),  # what the contract calls the future begins there
    "reason_min_people": (1, 1000),
    "list_min_people": (0, 1000),
    "reason_min_share": (0, 0.5),
    "reason_rare_below": (0, 1_000_000_000),
    "most_invitations": (0, 50),  # schema.MAX_ASKED: of no more is kept when they came
    "invitation_days": (0.01, 365),
    "referral_weight": (0, 10),
    "llm_timeout_s": (0.05, 60),
    "llm_tokens_per_hour": (0, 1_000_000_000),
    "explore_share": (0, 1),
    "impressions_share": (0, 1),
    "impressions_s": (0.1, 3600),
    "explore_lists": (1, 1_000_000),
    "rate_per_key": (0, 1_000_000),
    "rate_per_address": (0, 1_000_000),
    "proxies": (0, 11),  # ten of the shop's, and the HAProxy that the app starts
    "max_ongoing": (1, 10000),
    "max_queued": (0, 100000),
    "drain_s": (0, 3600),
    "rollout_interval_s": (0.1, 60),
    "canary_timeout_s": (0.01, 60),
    "attribution_s": (0.1, 86400),
    "event_log_sync_s": (0, 5),
}
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
_MIN_SALT: Final = 16
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


def read_settings(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Read settings from ``COTERIE_`` variables; what is given by name wins.

    Raises:
        BadInputError: A variable is misspelt, or its value does not fit.
    """
    environment = os.environ if environment is None else environment
    named = {f"{PREFIX}{f.name.upper()}": f.name for f in fields(Settings)}
    _refuse_misspelt(environment, named)
    types = {f.name: f.type for f in fields(Settings)}
    found = {
        name: _parse(variable, environment[variable], types[name])
        for variable, name in named.items()
        if variable in environment
    }
    merged = found | {name: value for name, value in given.items() if value is not None}
    if "release" not in merged:
        raise BadInputError(f"no release to serve: set {PREFIX}RELEASE, or give --release FOLDER")
    return Settings(**merged)


def _refuse_misspelt(environment: Mapping[str, str], named: Mapping[str, str]) -> None:
    # Others of this prefix belong to other programs; one letter off would be ignored silently.
    for variable in sorted(v for v in environment if v.startswith(PREFIX) and v not in named):
        meant = difflib.get_close_matches(variable, named, n=1, cutoff=0.85)
        if meant:
            raise BadInputError(f"unknown setting {variable}: did you mean {meant[0]}?")


def _parse(variable: str, text: str, kind: Any) -> Any:
    try:
        return _flag(text) if kind is bool else kind(text)
    except ValueError as error:
        raise BadInputError(
            f"{variable} is {text!r}: expected {_EXPECTED.get(kind, 'text')}"
        ) from error


_EXPECTED: Final = {bool: "1 or 0", int: "a whole number", float: "a number"}


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE

"""The one guard of HTTP: finds who asks, and whether they may."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http.cookies import CookieError, SimpleCookie
from ipaddress import IPv6Address, ip_address
from typing import Final, NoReturn
from urllib.parse import unquote, urlsplit

from starlette.types import Scope as Asgi

from coterie.access.keys import Key
from coterie.access.last_use import FOLDER, LastUses
from coterie.access.scopes import MEANING, Scope, read_scopes
from coterie.access.tokens import Purpose, read_token
from coterie.data.ids import normal_id
from coterie.data.key_uses import share_uses
from coterie.data.locks import REDIS
from coterie.errors import BadInputError
from serving.api.access import Need
from serving.api.key_ring import TOKENS, KeyRing, variable_of
from serving.api.problems import ProblemError
from serving.api.rates import Buckets
from serving.settings import Settings

SESSION: Final = "coterie_session"
"""The cookie that keeps a session."""
_REALM: Final = 'Bearer realm="coterie"'
SAME_ORIGIN: Final = "same-origin"
_SAME_SITE: Final = (SAME_ORIGIN.encode(), b"none")
"""What a browser says of a request by a page of ours, or typed by its user."""
_LONGEST_ADDRESS: Final = 64
_HOST_BITS: Final = 64
"""Of an address of IPv6, those that its network gives out."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by what they sent."""

    key: Key
    shopper: str = ""
    """Whom their token is bound to; nobody if empty."""


class Guard:
    """Lets in whoever sends a key of the right scope, as ``Authorization: Bearer KEY``."""

    def __init__(
        self,
        ring: KeyRing,
        is_open: frozenset[Scope] = frozenset(),
        per_key: float = 0.0,
        per_address: float = 0.0,
        proxies: int = 0,
        uses: LastUses | None = None,
        page_key: str = "",
    ) -> None:
        """Take what opens the app.

        Args:
            ring: Keys.
            is_open: Scopes that everybody has.
            per_key: Requests a second of one key; 0 for no limit.
            per_address: Likewise of one address that sends no key.
            proxies: Of ours before the app, each of which adds who asked it to X-Forwarded-For.
            uses: Where it is noted which key was used.
            page_key: Id of the key with which pages begin a session by themselves; none if empty.
        """
        self.ring, self.is_open, self.page_key = ring, is_open, page_key
        self._per_key, self._per_address = Buckets(per_key), Buckets(per_address)
        self._proxies = proxies
        self._uses = uses or LastUses(None)

    @classmethod
    def of(cls, settings: Settings) -> "Guard":
        """Do as an app's settings say."""
        ring = KeyRing.of(settings)
        return cls(
            ring,
            open_scopes(settings, ring.token_scopes),
            settings.rate_per_key,
            settings.rate_per_address,
            settings.proxies,
            LastUses(settings.state_folder / FOLDER, _sharing(settings)),
            settings.page_key,
        )

    def admit(self, scope: Asgi, need: Need) -> None:
        """Let a request pass, or refuse it.

        Args:
            scope: Of the request; ``state`` gets the key's id and what was needed.
            need: Of the route.

        Raises:
            ProblemError: 401 without a key that opens anything, 403 with one that does not open
                this, 429 where it was asked for too often.
        """
        if need.scope is None:
            return
        state = scope["state"]
        state["need"] = need
        sent = _Sent(scope)
        caller = self._caller(sent)
        if caller is None:
            self._count(self._per_address, self._address(sent, scope))
            if need.scope not in self.is_open:
                self._refuse(need.scope, bool(sent.bearer or sent.session))
            return
        key = caller.key
        state["key"], state["caller"] = key.id, caller
        self._uses.note(key.id, time.time())
        # A shopper who asks too often holds up nobody but themselves.
        self._count(self._per_key, f"{key.id} {caller.shopper}" if caller.shopper else key.id)
        if need.scope in self.is_open and not caller.shopper:
            return
        own = need.own and bool(caller.shopper) and caller.shopper == _shopper(scope)
        # What is a shopper's own their token opens, whatever else its key may.
        if need.scope not in key.scopes and not (own and Scope.LISTS in key.scopes):
            _forbid(need.scope, f"key {key.id} has {' '.join(key.scopes)}")
        if caller.shopper and not own:
            _forbid(
                need.scope, "a shopper's token opens lists, searches and data of that shopper alone"
            )

    def sign_in(self, scope: Asgi, credential: str) -> Key:
        """Find the key that a person typed in, to begin a session with.

        Args:
            scope: Of the request; ``state`` gets the key's id.
            credential: The key.

        Raises:
            ProblemError: 401 where it opens nothing, or can stand behind no session; 429 where an
                address tried too often.
        """
        self._count(self._per_address, self._address(_Sent(scope), scope))
        key = self.ring.of_credential(credential.strip())
        if key is None or not key.signing:
            raise ProblemError(
                401,
                "this key opens nothing: it is mistyped, was revoked, has ended, or is none of the "
                "file that COTERIE_KEYS names",
                headers={"WWW-Authenticate": _REALM},
            )
        scope["state"]["key"] = key.id
        self._uses.note(key.id, time.time())
        return key

    def _caller(self, sent: "_Sent") -> Caller | None:
        if sent.bearer:
            if sent.bearer.count(".") == 2 and (found := self._by_token(sent.bearer)):
                return found
            key = self.ring.of_credential(sent.bearer)
            return Caller(key) if key else None
        if sent.session and (read := read_token(sent.session, Purpose.SESSION, self.ring.find)):
            return Caller(read[0])
        return None

    def _by_token(self, token: str) -> Caller | None:
        read = read_token(token, Purpose.SHOPPER, self.ring.find)
        return Caller(*read) if read else None

    def _refuse(self, scope: Scope, sent: bool) -> NoReturn:
        tokens = [
            variable_of(setting)
            for setting, scopes in TOKENS.items()
            if scope in scopes and scope in self.ring.token_scopes | {Scope.ADMIN}
        ]
        beside = f", or the app's {' or '.join(tokens)}" if tokens else ""
        if not self.ring.opened_by(scope):
            old = f", or set {' or '.join(tokens)}" if tokens else ""
            raise ProblemError(
                403,
                f"this app was started without keys, so nobody may {MEANING[scope]}: make one with "
                f"`coterie keys create`, name its file in {variable_of('keys')}{old}, and start it "
                "again",
                headers={"WWW-Authenticate": _REALM},
            )
        raise ProblemError(
            401,
            f"{'what was sent opens nothing' if sent else 'no key was sent'}: send "
            f"`Authorization: Bearer KEY` with a key that has {scope}{beside}",
            headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"' if sent else _REALM},
        )

    def _count(self, buckets: Buckets, who: str) -> None:
        wait = buckets.wait_s(who, time.monotonic())
        if wait:
            raise ProblemError(
                429,
                "this was asked for too often: wait as Retry-After says, and ask less often",
                headers={"Retry-After": str(math.ceil(wait))},
            )

    def _address(self, sent: "_Sent", scope: Asgi) -> str:
        """Find who asks without a key; only what proxies of ours have added is believed."""
        if self._proxies and len(sent.forwarded) >= self._proxies:
            return network_of(sent.forwarded[-self._proxies][:_LONGEST_ADDRESS])
        client = scope.get("client")
        return network_of(str(client[0])) if client else ""


class _Sent:
    """What a request says of who sends it."""

    def __init__(self, scope: Asgi) -> None:
        self.bearer = self.session = ""
        self._forwarded: list[bytes] = []
        cookies, site = [], b"same-origin"
        for name, value in scope["headers"]:
            if name == b"authorization":
                kind, _, credential = value.partition(b" ")
                if kind.lower() == b"bearer":
                    # Of two neither is taken: a proxy before us may have looked at the other one.
                    found = credential.strip().decode("utf-8", "replace")
                    self.bearer = f"{self.bearer} {found}".strip()
            elif name == b"cookie":
                cookies.append(value)
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"x-forwarded-for":
                self._forwarded.append(value)
        # SameSite=Strict keeps pages of others from sending it; browsers say so once more.
        if cookies and not self.bearer and site in _SAME_SITE:
            self.session = _session_in(b"; ".join(cookies))

    @property
    def forwarded(self) -> list[str]:
        """Addresses that proxies added, nearest last."""
        whole = b",".join(self._forwarded).decode("latin-1")
        return [part.strip() for part in whole.split(",") if part.strip()]


def network_of(address: str) -> str:
    """Say whose an address is: without a port, and of IPv6 the network, the least that anybody is
    given. Whoever has one has 2^64 addresses, and would never wait.

    >>> network_of("2001:db8:0:7:1::9"), network_of("[2001:db8::1]:443")
    ('2001:db8:0:7::', '2001:db8::')
    >>> network_of("::ffff:192.0.2.7"), network_of("192.0.2.7:5000"), network_of("unknown")
    ('192.0.2.7', '192.0.2.7', 'unknown')
    """
    if ":" not in address:
        return address
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        return address.partition(":")[0]
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> _HOST_BITS << _HOST_BITS))


def _sharing(settings: Settings) -> Callable[[Mapping[str, float]], None] | None:
    """Find where processes of this service tell each other of keys: a Redis, where there is one."""
    if urlsplit(settings.event_log_url).scheme not in REDIS:
        return None
    return partial(share_uses, settings.event_log_url, settings.event_log_password)


def open_scopes(settings: Settings, of_tokens: frozenset[Scope]) -> frozenset[Scope]:
    """Find what everybody may: what settings say; without any keys all that no token opens."""
    if settings.open_scopes:
        return frozenset(read_scopes(settings.open_scopes.replace(",", " ").split()))
    if settings.keys:
        return frozenset()
    return frozenset(Scope) - {Scope.ADMIN} - of_tokens


def _session_in(header: bytes) -> str:
    if SESSION.encode() not in header:
        return ""
    try:
        found = SimpleCookie(header.decode("latin-1")).get(SESSION)
    except CookieError:
        return ""
    return found.value if found else ""


def _shopper(scope: Asgi) -> str:
    """Read whom a path names, in the form that ids are kept in; empty if it names nobody."""
    try:
        return normal_id(unquote(scope["path_params"]["user_id"]))
    except (BadInputError, KeyError):
        return ""


def _forbid(scope: Scope, why: str) -> NoReturn:
    raise ProblemError(
        403,
        f"{why}, and this needs {scope}",
        headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'},
    )

"""``python -m serving.app --release FOLDER``: check everything, then start Ray Serve."""

import argparse
import contextlib
import dataclasses
import io
import logging
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from coterie.content.encoders import DEFAULT
from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.imports import expect_little_garbage, load_serve
from coterie.local_ray import start_local_ray
from coterie.local_ray.template import worker_template
from coterie.release.queries import NONE
from coterie.rollout.live import Live
from serving.launch.haproxy import inner_ports, write_launcher
from serving.launch.preflight import check, check_text_encoder
from serving.launch.ray_environment import prepare_ray
from serving.rollouts.release_locator import first_live, first_stable
from serving.settings import Settings, read_settings

POLL_S: Final = 0.1
STOP_S: Final = 15.0
"""How long stopping may take before it is done the hard way."""
PROXIES_S: Final = 300.0
"""How long a busy machine may take to start Ray Serve's proxies, beside the minute it is given."""
TELL_S: Final = 60.0
"""How often to say that it is still starting."""
PRELOADED: Final = (
    "coterie.imports:load_serve",
    "ray.serve._private.controller",
    "ray.serve._private.proxy",
    "ray.serve._private.haproxy",
    "ray.serve._private.replica",
    "serving.deployments",
    "torch",
    "coterie.imports:load_feast",
    "serving.rollouts.router",
    "serving.api.application",
)
"""What Ray's workers need: those that come first run Ray Serve, replicas come last."""
STOPS: Final = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED: Final = 130
_asked: Final = threading.Event()
"""To stop."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; return 130 where that came before all was up, 1 on error."""
    expect_little_garbage()
    try:
        settings = read_settings(**vars(_parser().parse_args(arguments)))
        run(settings)
    except CoterieError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped before it was up", file=sys.stderr)
        return INTERRUPTED
    return 0


def run(settings: Settings) -> None:
    """Serve until a signal comes.

    Raises:
        BadInputError: The release, the feature store, or the port is not as it should be; nothing
            was started.
        UnavailableError: Ray Serve did not start.
    """
    _listen_for_stops()
    with serving(settings):
        print(f"serving http://{settings.host}:{settings.port}", flush=True)
        _wait_for_signal()


@contextmanager
def serving(settings: Settings) -> Iterator[Settings]:
    """Start everything on entering, stop everything on leaving.

    Raises:
        BadInputError: See ``run``.
        UnavailableError: See ``run``.
    """
    settings = _with_whole_paths(settings)
    check(settings)
    check_text_encoder(settings, first_stable(settings).folder)
    shutil.rmtree(settings.metrics_folder, ignore_errors=True)
    settings.metrics_folder.mkdir(parents=True)
    shutil.rmtree(settings.replicas_folder, ignore_errors=True)
    live = first_live(settings)
    # Sockets need a short path, and two apps on one machine a folder each.
    with tempfile.TemporaryDirectory(prefix="coterie-") as folder:
        launcher = write_launcher(Path(folder), settings.host)
        prepare_ray(settings, launcher, inner_ports(settings.host, settings.port))
        with worker_template(PRELOADED) as worker, _ray(settings, live, worker):
            yield settings


@contextmanager
def _ray(settings: Settings, live: Live, worker: Path | None) -> Iterator[None]:
    # Ray reads the environment when it is imported, so that has to come last.
    load_serve()
    import ray
    from ray import serve
    from ray.serve.config import HTTPOptions

    from serving.rollouts.serve_config import APP, deploy

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    try:
        start_local_ray(worker, logging_level=logging.ERROR)
        # Ray has put handlers of its own in place: SIGTERM would end us, and leave the others.
        _listen_for_stops()
        options = HTTPOptions(host=settings.host, port=settings.port)
        _start_patiently(
            lambda: serve.start(proxy_location="HeadOnly", http_options=options),
            lambda: serve.status().proxies,
        )
        deploy(live, settings.sinks)
        _await_running(lambda: serve.status().applications.get(APP))
        yield
    except (RuntimeError, TimeoutError, ray.exceptions.RayError) as error:
        raise _in_words(str(error)) from error
    finally:
        # Ray tells of its own stopping as of an accident.
        with contextlib.redirect_stdout(io.StringIO()):
            # Serve's shutdown would start Ray first, where it is not up yet.
            if ray.is_initialized():
                _shut_down(serve.shutdown)
            ray.shutdown()


def _start_patiently(start: Callable[[], object], proxies: Callable[[], Mapping[str, str]]) -> None:
    """Start Ray Serve; what Ray gives up after a minute goes on by itself, so wait for it.

    Raises:
        TimeoutError: No proxy came within ``PROXIES_S`` more.
    """
    try:
        start()
        return
    except TimeoutError:
        began = told = time.monotonic()
    print("still starting: this machine is busy, so it takes longer than a minute", flush=True)
    while not (found := proxies()) or set(found.values()) != {"HEALTHY"}:
        now = time.monotonic()
        if now - began > PROXIES_S:
            states = ", ".join(sorted(found.values())) or "none has begun"
            raise TimeoutError(
                f"its proxies were not up {PROXIES_S + 60:.0f} s after they were asked for "
                f"({states}): try again when the machine has less to do"
            )
        if now - told > TELL_S:
            told = now
            print(f"still starting, for {now - began + 60:.0f} s now", flush=True)
        time.sleep(POLL_S)


def _shut_down(serve: Callable[[], None]) -> None:
    """Shut Ray Serve down, but wait no longer than STOP_S for processes that are gone already."""
    stopping = threading.Thread(target=serve, daemon=True)
    stopping.start()
    stopping.join(STOP_S)


def _await_running(status: Callable[[], Any]) -> None:
    """Wait until all replicas are up.

    Raises:
        RuntimeError: One did not start; why, in its own words.
    """
    while True:
        app = status()
        if app is not None and app.status == "RUNNING":
            return
        if app is not None and app.status in ("DEPLOY_FAILED", "UNHEALTHY"):
            said = [d.message for d in app.deployments.values() if "FAILED" in d.status]
            raise RuntimeError(next((text for text in said if text), app.message))
        time.sleep(POLL_S)


def _in_words(said: str) -> CoterieError:
    """Make an error of what went wrong, without the traces that Ray puts around it.

    >>> _in_words("Traceback ...\\n  at ...\\ncoterie.errors.BadInputError: no shoppers in x")
    BadInputError('no shoppers in x')
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    kind, _, text = (lines[-1] if lines else "no reason was given").partition(": ")
    if kind == f"{BadInputError.__module__}.{BadInputError.__name__}":
        return BadInputError(text)
    return UnavailableError(f"Ray Serve did not start: {lines[-1] if lines else kind}")


def _with_whole_paths(settings: Settings) -> Settings:
    """Make paths absolute: replicas may have another working folder than we."""
    return dataclasses.replace(
        settings,
        release=_whole_unless_url(settings.release),
        features=_whole(settings.features),
        pipeline_status=_whole_unless_url(settings.pipeline_status),
        state=_whole(settings.state),
        releases=_whole_unless_url(settings.releases_root),
        text_encoder=_whole_encoder(settings.text_encoder),
        rollouts=_whole_unless_url(settings.rollouts_root),
        shoppers=_whole(settings.shoppers) if settings.shoppers else "",
        pictures=_whole(settings.pictures) if settings.pictures else "",
        rules=_whole(settings.rules) if settings.rules else "",
        keys=_whole(settings.keys) if settings.keys else "",
        pseudonym_key_file=_whole(settings.pseudonym_key_file)
        if settings.pseudonym_key_file
        else "",
    )


def _whole_unless_url(path: str) -> str:
    return path if "://" in path or not path else _whole(path)


def _whole_encoder(place: str) -> str:
    return place if place in (DEFAULT, NONE) else _whole_unless_url(place)


def _whole(path: str) -> str:
    return str(Path(path).absolute())


def _wait_for_signal() -> None:
    for number in STOPS:
        signal.signal(number, lambda *_: _asked.set())
    _asked.wait()


def _listen_for_stops() -> None:
    """Let a signal that comes while we start end it, and all that was started."""
    for number in STOPS:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Give up starting, once: a second signal must not break off the cleaning up.

    Where it comes in one of Ray's callbacks, Python drops the exception; we are still asked to.
    """
    if not _asked.is_set():
        _asked.set()
        raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serving.app",
        description="Serve a release. Every option can be a COTERIE_ variable instead.",
        argument_default=None,
    )
    parser.add_argument("--release", help="folder or URL of the release")
    parser.add_argument("--features", help="folder with feature_store.yaml")
    parser.add_argument("--releases", help="store whose releases may be rolled out (the release's)")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (8000)")
    parser.add_argument("--replicas", type=int, help="processes that answer (1)")
    parser.add_argument("--state", help="folder for events and metrics (var/serving)")
    parser.add_argument("--shoppers", help="clean folder whose shoppers the storefront offers")
    parser.add_argument("--pictures", help="folder of pictures that the storefront shows")
    parser.add_argument(
        "--storefront", action="store_true", default=None, help="show people: demonstrations only"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

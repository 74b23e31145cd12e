"""What the deployment itself costs: replicas that answer with a constant body, started as ours are.

    python benchmarks/serving_reference.py --port 8000 --replicas 2 --bytes 6600

Ray Serve, HAProxy, FastAPI and the settings of all three are those of ``serving.app``; nothing of
Coterie answers. ``benchmarks.serving`` starts it and measures ours beside it.
"""

import argparse
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

HOST: Final = "127.0.0.1"


def build(body: bytes, replicas: int) -> Any:
    """Bind replicas whose only route answers with this body."""
    from fastapi import FastAPI, Response
    from ray import serve
    from ray.serve.schema import LoggingConfig

    web = FastAPI(openapi_url=None)

    @web.get("/v1/users/{user_id}/recommendations")
    async def recommend(user_id: str, k: int = 20, explain: bool = True) -> Response:  # noqa: ARG001
        return Response(body, media_type="application/json")

    options = {"num_cpus": 0, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1"}}}
    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")

    @serve.deployment(
        name="Api",
        num_replicas=replicas,
        max_ongoing_requests=64,
        ray_actor_options=options,
        logging_config=quiet,
    )
    @serve.ingress(web)
    class Constant:
        pass

    return Constant.bind()  # type: ignore[attr-defined]


def main() -> None:
    """Answer until SIGTERM or SIGINT."""
    from coterie.local_ray import start_local_ray
    from serving.launch.haproxy import inner_ports, write_launcher
    from serving.launch.ray_environment import prepare_ray
    from serving.settings import read_settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--bytes", type=int, default=6_600)
    given = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with tempfile.TemporaryDirectory(prefix="coterie-") as folder:
        settings = read_settings({}, release=folder, state=folder, port=given.port)
        launcher = write_launcher(Path(folder), HOST)
        prepare_ray(settings, launcher, inner_ports(HOST, given.port))
        from ray import serve

        start_local_ray(logging_level="ERROR")
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        serve.start(proxy_location="HeadOnly", http_options={"host": HOST, "port": given.port})
        serve.run(build(b'"%b"' % (b"x" * (given.bytes - 2)), given.replicas), name="reference")
        print("serving", flush=True)
        stopped.wait()
        serve.shutdown()
        import ray

        ray.shutdown()


if __name__ == "__main__":
    main()

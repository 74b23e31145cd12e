"""Before a pod of Ray ends: others take over its replicas, then requests under way are answered.

Ray stops placing replicas on a node that drains, and Serve moves the ones that are there, or stops
them where there is no other place: as when a whole cluster is deleted.
"""

import argparse
import os
import socket
import sys
import time
from typing import Any, Final

FORGOTTEN: Final = 0.3
"""Share of the time after which endpoints have forgotten this pod on every node."""


def main() -> None:
    """Tell Ray, wait; whatever goes wrong, the pod ends all the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True, help="how long others may take")
    seconds = parser.parse_args().seconds
    began = time.monotonic()
    # Where the whole cluster goes its head is gone by then, too, and nobody stops replicas.
    time.sleep(FORGOTTEN * seconds)
    try:
        drain(os.environ["RAY_ADDRESS"], seconds * (1 - FORGOTTEN))
    except Exception as error:  # a head that is gone, another Ray: no reason to keep the pod
        print(f"not drained: {type(error).__name__}: {error}", file=sys.stderr)
    # Also where nothing drains: endpoints forget this pod in the meantime.
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))


def drain(address: str, seconds: float) -> None:
    """Ask Ray's head to drain this node.

    Raises:
        OSError: Nobody is there.
        RuntimeError: This node is not known there, or the head refuses.
    """
    host, _, port = address.rpartition(":")
    # Ray's own client looks for a head that is gone for more than ten seconds.
    socket.create_connection((host, int(port)), timeout=2).close()
    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    gcs = GcsClient(address=address)
    node = own_node(gcs.get_all_node_info(), os.environ.get("POD_IP", ""))
    deadline_ms = int((time.time() + seconds) * 1000)
    accepted, why = gcs.drain_node(
        node, DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION"), "its pod ends", deadline_ms
    )
    if not accepted:
        raise RuntimeError(f"the head refuses: {why}")


def own_node(nodes: dict[Any, Any], address: str) -> str:
    """Id of the living node with this address, in hex digits.

    Raises:
        RuntimeError: There is none.
    """
    for node_id, node in nodes.items():
        if node.node_manager_address == address and node.state == 0:
            return str(node_id.hex())
    raise RuntimeError(f"no living node has address {address!r}")


if __name__ == "__main__":
    main()

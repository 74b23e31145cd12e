"""The Kubernetes API as the cluster part of Coterie meets it: ``kube`` holds it."""

from kube.api import FakeApi, Fault
from kube.serve import KubeRay, user_config
from kube.server import serving

__all__ = ["FakeApi", "Fault", "KubeRay", "serving", "user_config"]

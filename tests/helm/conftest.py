import pytest
from chart import CI, NAMESPACE, Chart, one
from tools import NoHelmError, helm


@pytest.fixture(scope="session")
def chart() -> Chart:
    try:
        return Chart(helm())
    except NoHelmError as error:
        pytest.skip(f"no helm: {error}")


@pytest.fixture(scope="session", params=sorted(CI), ids=sorted(CI))
def example(request, chart):
    """All objects of one of the chart's example values, and the RayJob that a step would make."""
    objects = chart.objects(CI[request.param])
    return [*objects, ray_job_of(objects)]


def ray_job_of(objects):
    """As coterie/cluster makes it of the chart's settings."""
    rayjob = pytest.importorskip("coterie.cluster.rayjob")
    text = one(objects, "ConfigMap", "coterie-training")["data"]["training.json"]
    cluster, pod = rayjob.TrainingCluster.of(text), rayjob.Pod("step", "0" * 36, NAMESPACE)
    name = cluster.job_name(pod, 0)
    made = rayjob.ray_job(cluster, name, pod, ["python", "-m", "x"], 2)
    made["metadata"]["namespace"] = NAMESPACE
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", **made}

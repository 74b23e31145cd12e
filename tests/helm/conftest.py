import pytest
from chart import CI, Chart, ray_job_of
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

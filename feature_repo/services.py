"""Which features a model version reads."""

from feast import FeatureService

from coterie.schema import FEATURE_SERVICE
from feature_repo.views import shopper_recent, shopper_ties


def service_name(version: str) -> str:
    """Name the feature service of a version.

    >>> service_name("3"), service_name("v3")
    ('recommend_v3', 'recommend_v3')
    """
    return f"{FEATURE_SERVICE}_v{version.removeprefix('v')}"


def service(version: str) -> FeatureService:
    """Declare the features that a release of this version is made from and served with."""
    return FeatureService(
        name=service_name(version),
        features=[shopper_recent, shopper_ties],
        tags={"version": version},
        description=f"What version {version} knows of a shopper",
    )

"""Settings that a step finds in its environment on Kubernetes.

Apart from ``_base``, which steps cannot import while they run: KFP leaves out what makes components
then.
"""

import os
from typing import TYPE_CHECKING, Final

from coterie.errors import BadInputError

if TYPE_CHECKING:
    from coterie.cluster.rayjob import Pod, TrainingCluster
    from coterie.data.circle import CircleRule
    from coterie.data.pseudonyms import PseudonymKeys
    from feature_repo.handover import SharedStore

ADMIN_TOKEN: Final = "COTERIE_ADMIN_TOKEN"  # noqa: S105
TRAINING: Final = "COTERIE_TRAINING"
"""Variable with JSON of a ``TrainingCluster``."""
FEATURE_STORE: Final = "COTERIE_FEATURE_STORE"
"""Variable with Feast's settings, as serving has them."""
EVENT_LOG: Final = "COTERIE_EVENT_LOG"
"""Variable with the URL of the event log."""
PASSWORDS: Final = ("COTERIE_EVENT_LOG_PASSWORD", "FEAST_REDIS_PASSWORD")
"""Variables with the passwords of event log and online store, which are one Redis."""
CONTENT_KEY: Final = "COTERIE_CONTENT_KEY"
"""Variable with what an API that encodes texts asks of its callers."""
LLM_KEY: Final = "COTERIE_LLM_KEY"
"""Variable with what an API of a language model asks of its callers."""
KEEP_DAYS: Final = "COTERIE_KEEP_DAYS"
"""Variable with the days that what people did is kept for."""
POD: Final = {
    "COTERIE_POD_NAME": "metadata.name",
    "COTERIE_POD_UID": "metadata.uid",
    "COTERIE_POD_NAMESPACE": "metadata.namespace",
}
"""Variables of a step, and the fields of its pod that they hold."""


def admin_token() -> str:
    """Read the token that the app asks of those who command rollouts.

    Raises:
        BadInputError: The step was not given it.
    """
    token = os.environ.get(ADMIN_TOKEN, "").strip()
    if not token:
        raise BadInputError(
            f"{ADMIN_TOKEN} is not set: is app_secret the name of the chart's secret?"
        )
    return token


def content_key() -> str:
    """Read the key of an API that encodes texts; empty where none was given."""
    return os.environ.get(CONTENT_KEY, "").strip()


def llm_key() -> str:
    """Read the key of an API that describes items; empty where none was given."""
    return os.environ.get(LLM_KEY, "").strip()


def pseudonym_keys(needed: bool) -> "PseudonymKeys":
    """Read the keys that make pseudonyms of people's ids; none where none were given.

    Args:
        needed: Whether ids may not be kept as they are.

    Raises:
        BadInputError: The step was given none and needs one, or one is no key.
    """
    from coterie.data.pseudonyms import FILE_VARIABLE, VARIABLE, PseudonymKeys

    keys = PseudonymKeys.read(os.environ)
    if needed and not keys:
        raise BadInputError(
            f"pseudonyms are to be kept in place of ids, but neither {VARIABLE} nor "
            f"{FILE_VARIABLE} is set: is pseudonym_secret the name of a secret that is there?"
        )
    return keys


def kept_days(said: float) -> float:
    """Tell for how many days events are kept: what was said, or what this install keeps; 0: all.

    Args:
        said: -1 for what stands in the environment.

    Raises:
        BadInputError: The variable holds no number.
    """
    found = os.environ.get(KEEP_DAYS, "").strip()
    if said != -1:
        return said
    try:
        return float(found or 0)
    except ValueError as error:
        raise BadInputError(
            f"{KEEP_DAYS} is {found!r}: expected days as a number, 0 to keep all; the chart writes "
            "it from events.keepDays"
        ) from error


def circle_rule() -> "CircleRule":
    """Read on whom served lists draw: what a step measures is what shoppers get.

    Raises:
        BadInputError: A variable does not fit.
    """
    from coterie.data.circle import CircleRule

    return CircleRule.read(os.environ)


def training_cluster() -> "tuple[TrainingCluster, Pod]":
    """Read where this cluster trains, and the pod of this step.

    Raises:
        BadInputError: The step has no such settings.
    """
    # With the client of Kubernetes, which takes long to import.
    from coterie.cluster.rayjob import Pod, TrainingCluster

    settings = os.environ.get(TRAINING, "")
    name, uid, namespace = (os.environ.get(variable, "") for variable in POD)
    if not settings or not uid:
        raise BadInputError(
            "a RayJob can be made by a step on Kubernetes alone, told by the chart's ConfigMap: "
            "is training_config its name? On one machine, ray_address is local"
        )
    return TrainingCluster.of(settings), Pod(name, uid, namespace)


def shared_store(offline: str) -> "SharedStore":
    """Read the settings of the feature store that serving reads, for a step that writes to it.

    Args:
        offline: Folder or URL of its offline rows.

    Raises:
        BadInputError: The step has no such settings.
    """
    # With Feast, which takes long to import.
    from feature_repo.handover import SharedStore

    settings, log = (os.environ.get(name, "") for name in (FEATURE_STORE, EVENT_LOG))
    if not settings or not log:
        raise BadInputError(
            f"features are to be handed over to {offline}, but {FEATURE_STORE} and {EVENT_LOG} are "
            "not both set: is training_config the name of the chart's ConfigMap? On one machine, "
            "leave offline empty"
        )
    return SharedStore(offline, settings, log, os.environ.get(PASSWORDS[0], ""))

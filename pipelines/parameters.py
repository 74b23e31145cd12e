"""The parameters of all pipelines, each described once.

A field of ``Parameters`` is all that a new parameter needs: the signatures that Kubeflow reads, the
descriptions in its UI, ``python -m pipelines.local --help`` and the table in docs/pipelines.md are
made of it.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, get_type_hints

TRAIN: Final = "train"
REFRESH: Final = "refresh"
BACKTEST: Final = "backtest"
ROLLBACK: Final = "rollback"
LISTS: Final = "lists"
RELEASING: Final = (TRAIN, REFRESH)
"""Pipelines that make a release."""
INGESTING: Final = (*RELEASING, BACKTEST)
"""Pipelines that read a shop's tables."""
WORKING: Final = (*INGESTING, LISTS)
"""Pipelines with steps that work on tables."""
COMMANDING: Final = (*RELEASING, ROLLBACK)
"""Pipelines that command rollouts."""

REQUIRED: Final = None
"""Stands for the default of a parameter that has to be given."""
_ABOUT, _DEFAULTS = "about", "defaults"


def parameter(
    about: str, pipelines: tuple[str, ...], default: Any = REQUIRED, **other_defaults: Any
) -> Any:
    """Make a field of ``Parameters``.

    Args:
        about: What the parameter does, in plain text without line breaks.
        pipelines: Names of the pipelines that have it.
        default: Its value where nobody says otherwise, and in steps of pipelines without it.
        other_defaults: Defaults that differ, by name of the pipeline.
    """
    defaults = dict.fromkeys(pipelines, default) | other_defaults
    return field(default=default, metadata={_ABOUT: about, _DEFAULTS: defaults})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a pipeline is given.

    While a pipeline is laid out, a field holds the placeholder that Kubeflow fills in when it runs,
    or the default where the pipeline has no such parameter.
    """

    source: str = parameter(
        "Folder or URL (s3://...) with the tables events, ties, items and perhaps users.",
        INGESTING,
    )
    dataset: str = parameter(
        "beidian, lastfm or ciao where the source is that data set in its original form.",
        INGESTING,
        default="",
    )
    mapping: str = parameter(
        "File or URL that says what the files of the source are; empty for the data contract's.",
        INGESTING,
        default="",
    )
    max_bad_share: float = parameter(
        "Share of bad rows in a table over which the run stops; fewer are put aside.",
        INGESTING,
        default=0.05,
    )
    keep_days: float = parameter(
        "Events that are older are left out, and counted; 0 keeps all, -1 does what the chart "
        "says (events.keepDays), and keeps all where none is.",
        INGESTING,
        default=-1.0,
    )
    runner: str = parameter(
        "Where Daft cleans the tables: native (in the step itself) or ray.",
        INGESTING,
        default="native",
    )
    version: str = parameter(
        "Name of the release; empty takes the time of day in UTC.", RELEASING, default=""
    )
    model: str = parameter(
        "What to fit: social; bounded, which promises something to everybody in the data and takes "
        "epsilon and delta in settings; or one of the baselines, which cannot be released.",
        (TRAIN,),
        default="social",
    )
    start: str = parameter(
        "Version in release_store to go on from; champion for the one that shoppers get, or the "
        "newest where no controller serves from release_store. Without releases training begins "
        "anew.",
        (REFRESH,),
        default="",
        refresh="champion",
    )
    settings: str = parameter(
        'JSON of model settings that differ from its own: {"embedding_size": 128, "loop.lr": 0.002}'
        "; or the address of a file with it, such as the best.json of coterie tune. In refresh, "
        "embedding_size and heads have to be the champion's; in backtest they are those of the "
        "social model.",
        INGESTING,
        default="{}",
        refresh='{"loop.max_epochs": 20, "loop.lr": 0.002}',
    )
    workers: int = parameter(
        "Ray Train workers; 0 trains in the step itself.", RELEASING, default=1
    )
    use_gpu: bool = parameter("One GPU for each worker.", RELEASING, default=False)
    ray_address: str = parameter(
        "Address of the Ray cluster; local starts one inside the step, auto joins the step's own, "
        "rayjob makes one on Kubernetes that goes when the work is done.",
        RELEASING,
        default="local",
    )
    checkpoints: str = parameter(
        "Folder or URL where training's states outlive the run: another run on the same data goes "
        "on where this one was broken off. Empty keeps them with the run; rayjob needs a URL.",
        RELEASING,
        default="",
    )
    repurchase: str = parameter(
        "When what was bought may be listed again: learned (median days between purchases, by "
        'category), never, or a JSON object: {"Food": 30, "Phones": null}.',
        RELEASING,
        default="learned",
    )
    impressions: str = parameter(
        "Folder or URL of impressions that serving exported: what lists showed often counts less "
        "in training (exposure_power in settings). Empty counts all events as they are.",
        RELEASING,
        default="",
    )
    baselines: str = parameter(
        "Names of models to compare, a space between; empty compares all.",
        RELEASING,
        default="",
        refresh="popularity social",
    )
    weeks: int = parameter(
        "How many weeks to foresee, counted back from the last event.", (BACKTEST,), default=4
    )
    models: str = parameter(
        "Names of models, a space between; empty takes popularity, item_knn and social.",
        (BACKTEST,),
        default="",
    )
    min_gain: float = parameter(
        "What a release has to gain over popularity on validation, as a share.",
        RELEASING,
        default=0.02,
    )
    offline: str = parameter(
        "Folder or URL where features are handed over to the store that serving reads, whose "
        "addresses the step finds in training_config; empty keeps them with the run. In lists: "
        "where they were handed over, needed.",
        (*RELEASING, LISTS),
        default="",
    )
    content: str = parameter(
        'JSON of what of items is encoded, and by what: {"text": {"place": "default"}}; or the '
        "address of a file with it. Empty encodes nothing.",
        INGESTING,
        default="",
    )
    content_store: str = parameter(
        "Folder or URL where vectors of items outlive the run, so that the next one encodes only "
        "what is new; empty encodes all each time.",
        INGESTING,
        default="",
    )
    network: str = parameter(
        'JSON of what is looked at in the network of ties, {"seeds": 3} say, with online to bring '
        "the columns of people online; or the address of a file with it. Empty looks at nothing.",
        RELEASING,
        default="",
    )
    behaviour: str = parameter(
        'JSON of what is looked at in shoppers\' behaviour, {"weeks": 8} say, with online to bring '
        "the columns of people online; or the address of a file with it. Empty looks at nothing.",
        RELEASING,
        default="",
    )
    release_store: str = parameter(
        "Folder or URL to publish the release to; empty publishes it nowhere. In lists: where "
        "releases are, needed.",
        (*RELEASING, LISTS),
        default="",
    )
    listed: str = parameter(
        "Version in release_store whose lists are made; champion for the one that shoppers get.",
        (LISTS,),
        default="champion",
    )
    lists: str = parameter(
        "Folder or URL of everybody's lists, which replace those of before; empty keeps them with "
        "the run.",
        (LISTS,),
        default="",
    )
    list_length: int = parameter("Items of a list, at most.", (LISTS,), default=20)
    list_rules: str = parameter(
        "File or URL with the shop's rules, as serving has them; empty for none.",
        (LISTS,),
        default="",
    )
    status: str = parameter(
        "Folder or URL where each run leaves its state, for monitoring; empty leaves it nowhere.",
        RELEASING,
        default="",
    )
    roll_out: bool = parameter(
        "Roll the release out by itself once it is published.", RELEASING, default=False
    )
    reason: str = parameter(
        "Why to roll back; it stands in the audit log, and beside the release in quarantine.",
        (ROLLBACK,),
    )
    api: str = parameter(
        "Address of the app that serves the shop, which commands its controller.",
        COMMANDING,
        default="http://coterie-api:8000",
    )
    plan: str = parameter(
        'JSON of what differs from the usual plan of a rollout: {"step_s": 600}.',
        RELEASING,
        default="{}",
    )
    wait_s: int = parameter(
        "Seconds to wait for the verdict on a rollout, or for the end of a rollback, which goes on "
        "all the same; 0 waits for none.",
        COMMANDING,
        default=0,
        rollback=900,
    )
    s3_secret: str = parameter(
        "On Kubernetes: Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; passed over where "
        "it does not exist.",
        WORKING,
        default="coterie-s3",
    )
    app_secret: str = parameter(
        "On Kubernetes: Secret with COTERIE_ADMIN_TOKEN, which commands rollouts.",
        COMMANDING,
        default="coterie-app",
    )
    redis_secret: str = parameter(
        "On Kubernetes: Secret with redis-password, of the online store and the event log.",
        RELEASING,
        default="coterie-redis",
    )
    content_secret: str = parameter(
        "On Kubernetes: Secret with COTERIE_CONTENT_KEY, for an API that encodes texts; passed "
        "over where it does not exist.",
        INGESTING,
        default="coterie-content",
    )
    llm_secret: str = parameter(
        "On Kubernetes: Secret with COTERIE_LLM_KEY, for an API of a language model that describes "
        "items; passed over where it does not exist.",
        INGESTING,
        default="coterie-llm",
    )
    pseudonyms: bool = parameter(
        "Keep pseudonyms in place of people's ids. True refuses to run without a key; with a key "
        "in the environment, false makes pseudonyms, too.",
        INGESTING,
        default=False,
    )
    pseudonym_secret: str = parameter(
        "On Kubernetes: Secret with COTERIE_PSEUDONYM_KEY, which makes pseudonyms; passed over "
        "where it does not exist and pseudonyms is false.",
        INGESTING,
        default="coterie-pseudonyms",
    )
    training_config: str = parameter(
        "On Kubernetes: ConfigMap of the chart that says where this cluster trains, where its "
        "feature store is, and on whom served lists draw.",
        WORKING,
        default="coterie-training",
    )
    cpu: str = parameter(
        "On Kubernetes: CPUs of each step that works on tables.", WORKING, default="2"
    )
    memory: str = parameter(
        "On Kubernetes: memory of each step that works on tables.", WORKING, default="8Gi"
    )
    worker_cpu: str = parameter(
        "On Kubernetes: CPUs of each worker of a RayJob; empty asks for what the chart says.",
        RELEASING,
        default="",
    )
    worker_memory: str = parameter(
        "On Kubernetes: memory of each worker of a RayJob; empty asks for what the chart says.",
        RELEASING,
        default="",
    )
    accelerator: str = parameter(
        "On Kubernetes: what GPUs are called, such as nvidia.com/gpu; empty for what the chart "
        "says.",
        RELEASING,
        default="",
    )
    accelerators: int = parameter(
        "On Kubernetes: GPUs of each worker of a RayJob; -1 for what the chart says.",
        RELEASING,
        default=-1,
    )


@dataclass(frozen=True, slots=True)
class ParameterDescription:
    """One parameter, as a person sees it."""

    name: str
    type: type
    about: str
    defaults: Mapping[str, Any]
    """By name of each pipeline that has the parameter, in order; REQUIRED where there is none."""


def describe_parameters(of: type[Parameters] = Parameters) -> Iterator[ParameterDescription]:
    """Describe the parameters of ``Parameters``, or of a class made of it, in their order."""
    types = get_type_hints(of)
    for one in fields(of):
        about, defaults = one.metadata[_ABOUT], one.metadata[_DEFAULTS]
        yield ParameterDescription(one.name, types[one.name], about, defaults)


def write_help(pipeline: str) -> str:
    """Describe all parameters of a pipeline for a terminal."""
    texts = (
        f"{one.name} ({one.type.__name__}, {_default(one.defaults[pipeline])}): {one.about}"
        for one in describe_parameters()
        if pipeline in one.defaults
    )
    lines = (
        textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="      ") for text in texts
    )
    return f"parameters of {pipeline}:\n" + "\n".join(lines)


def write_table() -> str:
    """Write all parameters as a Markdown table, for docs/pipelines.md."""
    head = "| parameter | type | default | pipelines | what it does |\n|---|---|---|---|---|\n"
    return head + "\n".join(_row(one) for one in describe_parameters())


def _row(one: ParameterDescription) -> str:
    usual = next(iter(one.defaults.values()))
    defaults = [_default(usual, "`")] + [
        f"{_default(value, '`')} in {pipeline}"
        for pipeline, value in one.defaults.items()
        if value != usual
    ]
    cells = (one.type.__name__, "; ".join(defaults), ", ".join(one.defaults), one.about)
    return f"| `{one.name}` | {' | '.join(cells)} |"


def _default(value: Any, quote: str = "") -> str:
    if value is REQUIRED:
        return "needed"
    shown = value if isinstance(value, str) else json.dumps(value)
    return f"{quote}{shown}{quote}" if shown else "empty"

"""The training pipeline: the same on one machine and on a cluster."""

from kfp import dsl

from pipelines.graph import Outputs, learn_and_release


@dsl.pipeline(  # type: ignore[untyped-decorator]
    name="coterie-train",
    description="From a shop's tables to a release that beats the baselines, or none.",
)
def train_pipeline(
    source: str,
    dataset: str = "",
    mapping: str = "",
    max_bad_share: float = 0.05,
    runner: str = "native",
    version: str = "",
    model: str = "social",
    settings: str = "{}",
    workers: int = 1,
    use_gpu: bool = False,
    ray_address: str = "local",
    checkpoints: str = "",
    repurchase: str = "learned",
    baselines: str = "",
    min_gain: float = 0.02,
    offline: str = "",
    release_store: str = "",
    status: str = "",
    roll_out: bool = False,
    api: str = "http://coterie-api:8000",
    plan: str = "{}",
    wait_s: int = 0,
    s3_secret: str = "coterie-s3",  # noqa: S107 - a name
    app_secret: str = "coterie-app",  # noqa: S107 - a name
    redis_secret: str = "coterie-redis",  # noqa: S107 - a name
    training_config: str = "coterie-training",
    cpu: str = "2",
    memory: str = "8Gi",
    worker_cpu: str = "",
    worker_memory: str = "",
    accelerator: str = "",
    accelerators: int = -1,
) -> Outputs:
    """Ingest, register and materialise features, train, evaluate, release, roll out.

    Args:
        source: Folder or URL (s3://...) with the tables events, ties, items and perhaps users.
        dataset: beidian, lastfm or ciao where the source is that data set in its original form.
        mapping: File or URL that says what the files of the source are; empty for the contract's.
        max_bad_share: Share of bad rows in a table over which the run stops; fewer are put aside.
        runner: Where Daft cleans the tables: native (in the step itself) or ray.
        version: Name of the release; empty takes the time of day in UTC.
        model: What to fit: social, or one of the baselines (of which no release is made).
        settings: JSON of model settings that differ from its own: {"heads": 2, "loop.lr": 0.002};
            or the address of a file with it, such as the best.json of coterie tune.
        workers: Ray Train workers; 0 trains in the step itself.
        use_gpu: One GPU for each worker.
        ray_address: Of the Ray cluster; local starts one inside the step, auto joins its own,
            rayjob makes one on Kubernetes that goes when the work is done.
        checkpoints: Folder or URL where training's states outlive the run: another run on the same
            data goes on where this one was broken off. Empty keeps them with the run; rayjob needs
            a URL.
        repurchase: When what was bought may be listed again: learned (median days between
            purchases, by category), never, or a JSON object: {"Food": 30, "Phones": null}.
        baselines: Names of models to compare, a space between; empty compares all.
        min_gain: What a release has to gain over popularity on validation, as a share.
        offline: Folder or URL where features are handed over to the store that serving reads, whose
            addresses the step finds in training_config; empty keeps them with the run.
        release_store: Folder or URL to publish the release to; empty publishes it nowhere.
        status: Folder or URL where each run leaves how it stands, for monitoring; empty leaves it
            nowhere.
        roll_out: Roll the release out by itself once it is published.
        api: Address of the app that serves the shop, which commands its controller.
        plan: JSON of what differs from the usual plan of a rollout: {"step_s": 600}.
        wait_s: How long to wait for the verdict, seconds; 0 waits for none.
        s3_secret: Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; passed over where it
            does not exist. On Kubernetes alone, as all that follow but for roll_out to wait_s.
        app_secret: Secret with COTERIE_ADMIN_TOKEN, which commands rollouts.
        redis_secret: Secret with redis-password, of the online store and the event log.
        training_config: ConfigMap of the chart that says where this cluster trains, and where its
            feature store is.
        cpu: CPUs of each step that works on tables.
        memory: Memory of each such step.
        worker_cpu: CPUs of each worker of a RayJob; empty asks for what the chart says, as below.
        worker_memory: Memory of each.
        accelerator: What GPUs are called, such as nvidia.com/gpu.
        accelerators: How many each has; -1 for what the chart says.
    """
    return learn_and_release(pipeline="train", start="", **locals())

"""Fit a challenger."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components._base import component


@component
def train(
    clean: Input[Dataset],
    training_features: Input[Dataset],
    vectors: Input[Dataset],
    challenger: Output[Model],
    validation: Output[Metrics],
    model: str,
    settings: str,
    workers: int,
    use_gpu: bool,
    ray_address: str,
    checkpoints: str,
    start: str,
    repurchase: str,
    impressions: str,
    store: str,
    worker_cpu: str,
    worker_memory: str,
    accelerator: str,
    accelerators: int,
    version: str,
    status: str,
) -> None:
    """Fit a model on clean tables that features agree with, and on vectors of items, if any."""
    from components.environment import circle_rule
    from components.progress import print_note, print_progress
    from coterie.workflow import FitSettings, fit_challenger, load_challenger, read_config
    from coterie.workflow.content_folder import content_of_step
    from coterie.workflow.start import find_start
    from coterie.workflow.status import recorded

    with recorded(status, version, "train"):
        begun = find_start(store, start)
        if start:
            print_note(
                f"going on from {begun}" if begun else "no release to go on from: from the start"
            )
        on_kubernetes = ray_address == "rayjob"
        address = "auto" if on_kubernetes else ray_address
        config, again = read_config(settings), (repurchase,)
        content, rule = content_of_step(vectors.path), circle_rule()
        print_note(rule.in_words())
        how = FitSettings(
            model, config, workers, use_gpu, address, begun, again, content, rule, impressions
        )
        if on_kubernetes:
            from components.environment import training_cluster
            from coterie.cluster.training import fit_from_pod

            cluster, pod = training_cluster()
            cluster = cluster.asking(worker_cpu, worker_memory, accelerator, accelerators)
            fit_from_pod(
                clean.path, training_features.path, challenger.path, how, checkpoints, cluster, pod
            )
        else:
            features = training_features.path
            fit_challenger(clean.path, challenger.path, how, print_progress, features, checkpoints)
    for name, value in load_challenger(challenger.path).validation.items():
        validation.log_metric(name, value)

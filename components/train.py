"""Fit a challenger."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components._base import component


@component
def train(
    clean: Input[Dataset],
    known: Input[Dataset],
    challenger: Output[Model],
    validation: Output[Metrics],
    model: str,
    settings: str,
    workers: int,
    use_gpu: bool,
    ray_address: str,
    checkpoints: str,
    version: str,
    status: str,
) -> None:
    """Fit a model on clean tables that features agree with."""
    from components.progress import printed
    from coterie.workflow import FitSettings, fit_challenger, read_config
    from coterie.workflow.status import recorded

    with recorded(status, version, "train"):
        how = FitSettings(model, read_config(settings), workers, use_gpu, ray_address)
        fitted = fit_challenger(clean.path, challenger.path, how, printed, known.path, checkpoints)
    for name, value in fitted.validation.items():
        validation.log_metric(name, value)

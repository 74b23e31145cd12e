"""Compare the challenger with the baselines."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from components._base import component


@component
def evaluate(
    clean: Input[Dataset],
    challenger: Input[Model],
    vectors: Input[Dataset],
    evaluation: Output[Artifact],
    test: Output[Metrics],
    report: Output[HTML],
    models: str,
    version: str,
    status: str,
) -> None:
    """Measure models on the test part and draw the report."""
    from components.progress import print_progress
    from coterie.workflow import evaluate_all, write_report
    from coterie.workflow.content_folder import content_of_step
    from coterie.workflow.status import recorded

    with recorded(status, version, "evaluate"):
        found = evaluate_all(
            clean.path,
            evaluation.path,
            models.split(),
            challenger.path,
            print_progress,
            content_of_step(vectors.path),
        )
        write_report(clean.path, evaluation.path, report.path)
    for name, figures in found.models.items():
        test.log_metric(f"{found.primary} {name}", figures[found.primary].mean)

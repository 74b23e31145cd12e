"""Foresee past weeks."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from components._base import component


@component
def backtest(
    clean: Input[Dataset],
    vectors: Input[Dataset],
    figures: Output[Artifact],
    over_weeks: Output[Metrics],
    report: Output[HTML],
    weeks: int,
    models: str,
    settings: str,
) -> None:
    """Measure models on past weeks and draw the report."""
    from components.environment import circle_rule
    from components.progress import print_progress
    from coterie.evaluation.backtest import means, write_backtest
    from coterie.workflow import read_config
    from coterie.workflow.backtest import backtest
    from coterie.workflow.content_folder import content_of_step

    found = backtest(
        clean.path,
        figures.path,
        weeks,
        models.split(),
        read_config(settings),
        print_progress,
        content_of_step(vectors.path),
        circle_rule(),
    )
    write_backtest(found, report.path)
    primary = found[0].comparison.primary
    for name, value in means(found, primary).items():
        over_weeks.log_metric(f"{primary} {name}", value)

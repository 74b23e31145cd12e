"""The row of the service's dashboard that shows a language model at work."""

from typing import Final

from coterie import metric_names
from coterie.monitoring.panels import Panel, PanelQuery, Row
from coterie.monitoring.queries import quantile, rate

LANGUAGE: Final = Row(
    "Language model",
    (
        Panel(
            "Calls of the model",
            "By what became of them: answered; unfit, in another form than was asked for; refused; "
            "away; busy, as too many asked at once; over the hour's tokens. None of these but the "
            "first is an error to a shopper: templates and search do instead.",
            [PanelQuery(rate(metric_names.LLM_CALLS, "outcome"), "{{outcome}}")],
            "reqps",
            stacked=True,
        ),
        Panel(
            "Tokens",
            "A second, of questions and of answers: what a model costs.",
            [
                PanelQuery(
                    rate(metric_names.LLM_TOKENS, "purpose", "direction"),
                    "{{purpose}} {{direction}}",
                )
            ],
            stacked=True,
        ),
        Panel(
            "p95 of a call",
            "From a question to its answer, waiting for a turn included.",
            [PanelQuery(quantile(0.95, metric_names.LLM_CALL_DURATION, "purpose"), "{{purpose}}")],
            "s",
        ),
        Panel(
            "What it was worth",
            "Items whose reasons it worded, and why templates stood for the others; questions, by "
            "who read them.",
            [
                PanelQuery(rate(metric_names.WORDED_REASONS, "outcome"), "reasons: {{outcome}}"),
                PanelQuery(rate(metric_names.ASKED, "read_by"), "questions: {{read_by}}"),
            ],
            "reqps",
        ),
    ),
)

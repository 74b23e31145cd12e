"""Which tests are quick: those of ``make test-quick``, for the loop of writing and trying."""

from collections.abc import Container
from typing import Final

NEVER: Final = ("slow", "gpu", "browser", "cluster")
"""Markers of tests that take long, or need what a laptop may lack."""
LONG: Final = frozenset(
    {
        "tests/cli/test_serve.py",
        "tests/serving/rollouts/test_pairs.py",
        # Real helm, for chart after chart.
        "tests/helm/test_chart_installed.py",
        "tests/helm/test_chart_kubeflow.py",
        "tests/helm/test_chart_life.py",
        "tests/helm/test_chart_network.py",
        "tests/helm/test_chart_ownership.py",
        "tests/helm/test_chart_policies.py",
        "tests/helm/test_chart_restarts.py",
        "tests/helm/test_chart_scripts.py",
        "tests/helm/test_chart_upgrade.py",
        "tests/helm/test_chart_values.py",
        # Controllers, and services that go away.
        "tests/cluster/test_cluster_rollout.py",
        "tests/cluster/test_removal.py",
        "tests/cluster/test_upgrade.py",
        "tests/cluster/test_what_is_away.py",
        "tests/rollout/test_rollout_metrics.py",
        # Pipelines compiled and run, processes started and stopped.
        "tests/pipelines/test_compile.py",
        "tests/pipelines/test_local.py",
        "tests/pipelines/test_processes.py",
        "tests/monitoring/test_series.py",
        # Servers, real ones or with made-up requests.
        "tests/serving/rollouts/test_arms.py",
        "tests/serving/events/test_killed_writers.py",
        "tests/serving/ingestion/test_full_disk.py",
        "tests/serving/api/test_ids_over_http.py",
        "tests/serving/ingestion/test_intake.py",
        "tests/serving/ingestion/test_one_check.py",
        "tests/serving/api/test_openapi.py",
        "tests/serving/events/test_redis_log.py",
        "tests/serving/api/test_search_by_encoders.py",
        "tests/serving/api/test_normalizing.py",
        # Each table in each form; ingest killed anywhere.
        "tests/data/test_consent.py",
        "tests/data/test_ingest_crash.py",
        # Measured: over nine seconds each.
        "tests/behaviour/test_behaviour_step.py",
        "tests/benchmarks/test_faults_benchmark.py",
        "tests/benchmarks/test_membership_benchmark.py",
        "tests/cluster/test_stated.py",
        "tests/serving/api/test_api.py",
        "tests/serving/api/test_filters_and_pages.py",
        "tests/serving/api/test_live_changes.py",
        "tests/serving/api/test_problems.py",
        "tests/serving/api/test_search_over_http.py",
        "tests/serving/api/test_shown_pictures.py",
        "tests/serving/api/test_strict_routes.py",
        "tests/cluster_live/test_disruptions.py",
        "tests/cluster_live/test_neighbours.py",
        "tests/cluster_live/test_previous_version.py",
        "tests/cluster_live/test_uninstall.py",
        "tests/cluster_live/test_upgrades.py",
        "tests/data/test_s3.py",
        "tests/data/test_splits.py",
        "tests/docs/test_examples.py",
        "tests/experiments/test_experiment_in_use.py",
        "tests/feature_repo/test_forgotten.py",
        "tests/feature_repo/test_pseudonyms_everywhere.py",
        "tests/feature_repo/test_handover.py",
        "tests/helm/test_chart_schemas.py",
        "tests/models/test_conformance.py",
        "tests/recipes/test_item_signal.py",
        # Trains five releases.
        "tests/release/test_retrained_passes.py",
        "tests/recipes/test_pipeline_step.py",
        "tests/rollout/test_decide.py",
        "tests/rollout/test_store_and_controller.py",
        "tests/serving/api/test_admin.py",
        "tests/serving/rollouts/test_watching.py",
        "tests/serving/test_consumer.py",
        "tests/simulate/test_planted_truth.py",
        "tests/test_imports.py",
        "tests/workflow/test_one_rule.py",
        "tests/workflow/test_workflow.py",
    }
)
"""Files that add up to more than some seconds, without one test that is slow by itself."""


LONGEST: Final = (
    "tests/docs/test_quickstart.py",
    "tests/fitting/test_distributed.py",
    "tests/end_to_end/test_friends_on_a_cluster.py",
    "tests/tuning/test_tune.py",
    "tests/end_to_end/test_shop_in_use.py",
    "tests/helm/test_chart_installed.py",
    "tests/benchmarks/test_faults_benchmark.py",
    "tests/cluster/test_cluster_rollout.py",
    "tests/pipelines/test_every_pipeline.py",
    "tests/pipelines/test_rayjob_step.py",
    "tests/cli/test_serve.py",
    "tests/monitoring/test_rules.py",
    "tests/cluster_live/test_upgrades.py",
    "tests/serving/rollouts/test_arms.py",
    "tests/serving/api/test_ids_over_http.py",
    "tests/serving/api/test_storefront_for_everybody.py",
    "tests/serving/api/test_storefront_languages.py",
    "tests/serving/api/test_storefront_search.py",
    "tests/helm/test_chart_ownership.py",
    "tests/serving/ingestion/test_intake.py",
    "tests/serving/test_stopping.py",
    "tests/models/test_conformance.py",
    "tests/serving/ingestion/test_one_check.py",
    "tests/data/test_consent.py",
    "tests/rollout/test_decide.py",
    "tests/monitoring/test_series.py",
    "tests/workflow/test_content_step.py",
    "tests/data/mapping/test_published_forms.py",
    "tests/data/test_runner.py",
    "tests/serving/api/test_normalizing.py",
    "tests/monitoring/test_prometheus.py",
)
"""Files that take longest, the longest first: a file is run by one process, and none may be left
with a long one at the end."""


def rank(path: str, slow: bool) -> int:
    """Where a file comes among all: the longest, others with slow tests, others that add up to
    some seconds, all others."""
    if path in LONGEST:
        return LONGEST.index(path)
    return len(LONGEST) + (0 if slow else 1 if path in LONG else 2)


def is_quick(path: str, markers: Container[str]) -> bool:
    """Whether a test of a file (from the repository's root) with these markers is quick."""
    return path not in LONG and not any(marker in markers for marker in NEVER)

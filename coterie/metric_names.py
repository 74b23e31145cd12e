"""The names of all metrics, spelt once: who exports, draws, alerts and decides imports them.

They are as Prometheus shows them. A counter may be declared with its ``_total``; the series of a
histogram end in ``_bucket``, ``_count`` and ``_sum``.
"""

from typing import Final

PREFIX: Final = "coterie_"
"""Of every name; what libraries of the same process export has another."""

# Requests and lists.
HTTP_REQUESTS: Final = "coterie_http_requests_total"
HTTP_REQUEST_DURATION: Final = "coterie_http_request_duration_seconds"
LISTS: Final = "coterie_lists_total"
LIST_ITEMS: Final = "coterie_list_items_total"
LIST_NOVELTY: Final = "coterie_list_novelty_bits_total"
LIST_STAGE_DURATION: Final = "coterie_list_stage_duration_seconds"
BEFRIENDED_LISTS: Final = "coterie_befriended_lists_total"
REASON_SHARE: Final = "coterie_reason_share_total"
EXPLORED_ITEMS: Final = "coterie_explored_items_total"
CATALOGUE_COVERAGE: Final = "coterie_catalogue_coverage_ratio"
CHECKED_ITEMS: Final = "coterie_checked_items_total"
BEST_SCORE_BIN: Final = "coterie_best_score_bin_total"
FEATURE_AGE: Final = "coterie_feature_age_seconds"
SEARCHES: Final = "coterie_searches_total"
SEARCH_STAGE_DURATION: Final = "coterie_search_stage_duration_seconds"
LLM_CALLS: Final = "coterie_llm_calls_total"
LLM_TOKENS: Final = "coterie_llm_tokens_total"
LLM_CALL_DURATION: Final = "coterie_llm_call_duration_seconds"
WORDED_REASONS: Final = "coterie_worded_reasons_total"
ASKED: Final = "coterie_asked_questions_total"
RULES_TAKEN: Final = "coterie_rules_taken_timestamp_seconds"
RULES_REFUSED: Final = "coterie_rules_refused"
HEARTBEAT: Final = "coterie_heartbeat_timestamp_seconds"

# Events, from the log to the feature store and to the table that training reads.
EVENTS: Final = "coterie_events_total"
INVITATIONS: Final = "coterie_invitations_total"
UNPUSHED_EVENTS: Final = "coterie_unpushed_events"
OLDEST_UNPUSHED: Final = "coterie_oldest_unpushed_seconds"
OLDEST_UNEXPORTED: Final = "coterie_oldest_unexported_seconds"
PUSH_DURATION: Final = "coterie_push_duration_seconds"
PUSH_FAILURES: Final = "coterie_push_failures_total"
EXPORTED_EVENTS: Final = "coterie_exported_events_total"
EXPORT_FAILURES: Final = "coterie_export_failures_total"
IMPRESSIONS: Final = "coterie_impressions_total"
IMPRESSION_BYTES: Final = "coterie_impression_bytes_total"
IMPRESSIONS_DROPPED: Final = "coterie_impressions_dropped_total"
AGED: Final = "coterie_aged_total"
AGED_PASSED: Final = "coterie_aged_passed_timestamp_seconds"

# Releases and the two arms of a rollout.
RELEASE_INFO: Final = "coterie_release_info"
RELEASE_CREATED: Final = "coterie_release_created_timestamp_seconds"
ARM_ANSWERS: Final = "coterie_arm_answers_total"
ARM_SIGNALS: Final = "coterie_arm_signals_total"
ARM_PAIRS: Final = "coterie_arm_pairs_total"
ARM_STRANGERS: Final = "coterie_arm_strangers_total"
ARM_SHOWN: Final = "coterie_arm_shown_total"
ARM_DURATION: Final = "coterie_arm_duration_seconds"
SHIELDED: Final = "coterie_shielded_total"
UNMIRRORED: Final = "coterie_unmirrored_total"
EXPERIMENT_LISTS: Final = "coterie_experiment_lists_total"
EXPERIMENT_SHIELDED: Final = "coterie_experiment_shielded_total"
EARNED: Final = "coterie_earned"

# The rollout as its controller decides it.
ROLLOUT_STATE: Final = "coterie_rollout_state"
ROLLOUT_WEIGHT: Final = "coterie_rollout_weight"
ROLLOUT_VERDICTS: Final = "coterie_rollout_verdicts_total"
ROLLOUT_DATA_UNAVAILABLE: Final = "coterie_rollout_data_unavailable_seconds"
ROLLOUT_QUARANTINED: Final = "coterie_rollout_quarantined"

# Pipelines.
PIPELINE_RUNNING: Final = "coterie_pipeline_running_seconds"
PIPELINE_STEP: Final = "coterie_pipeline_step_seconds"
PIPELINE_FAILURES: Final = "coterie_pipeline_failures"
PIPELINE_LAST_SUCCESS: Final = "coterie_pipeline_last_success_timestamp_seconds"
PIPELINE_LAST_FAILURE: Final = "coterie_pipeline_last_failure_timestamp_seconds"
PIPELINE_STATUS_READ: Final = "coterie_pipeline_status_read_timestamp_seconds"
INGESTED_ROWS: Final = "coterie_ingested_rows"
QUARANTINED_ROWS: Final = "coterie_quarantined_rows"

ALL: Final = frozenset(
    value
    for name, value in dict(globals()).items()
    if name.isupper() and name != "PREFIX" and isinstance(value, str)
)
"""Every name above."""

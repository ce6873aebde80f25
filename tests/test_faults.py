"""The faults that other services' users found in them, each with the tests that it is not one here.

The numbers are those of the list of peers: what they do, what their users ask for, where they fail.
"""

import ast
from pathlib import Path
from typing import Any

import pytest

from service.questions.history import spread

TESTS = Path(__file__).parent
ROOT = TESTS.parent

FAULTS: dict[int, tuple[str, dict[str, tuple[str, ...]]]] = {
    1: (
        "a score leaks across gaps in which nobody is active",
        {
            "forecasting/test_scores.py": (
                "test_a_gap_in_which_nobody_is_active_is_credited_to_nobody",
                "test_scores_are_the_integral_that_a_brute_force_finds",
            )
        },
    ),
    2: (
        "a late forecaster beats their own Brier score",
        {"forecasting/test_scores.py": ("test_a_late_joiner_keeps_their_own_brier",)},
    ),
    3: (
        "0, 1, NaN and nothing are mixed up or score infinity",
        {
            "forecasting/test_scores.py": ("test_certainty_never_scores_infinity",),
            "forecasting/test_pooling.py": ("test_subnormals_and_ends_are_clipped",),
            "forecasting/test_live.py": (
                "test_certainty_is_clipped_and_subnormals_are_no_trouble",
            ),
            "forecasting/test_panel.py": (
                "test_anything_else_is_refused_with_file_line_and_reason",
            ),
            "service/questions/test_forecasts.py": (
                "test_the_ends_of_the_scale_are_taken_as_stated",
                "test_a_bad_body_is_refused_by_name_and_nothing_is_stored",
            ),
        },
    ),
    4: (
        "products of odds overflow; nobody gives NaN",
        {
            "forecasting/test_pooling.py": (
                "test_a_thousand_certain_forecasters_do_not_overflow",
                "test_every_pool_is_listed_and_answers_nan_for_nobody",
            ),
            "forecasting/test_scores.py": (
                "test_a_thousand_forecasters_add_up_to_no_peer_points",
                "test_nobody_is_an_empty_result",
            ),
            "service/questions/test_aggregates.py": (
                "test_without_a_fit_the_prior_pools_what_people_say",
            ),
        },
    ),
    5: (
        "probabilities fall into the wrong bin",
        {
            "test_faults.py": ("test_every_percent_falls_into_its_own_bin",),
            "forecasting/test_calibration.py": (
                "test_frequencies_are_isotonic_with_ties_pooled_and_the_parts_add_up",
            ),
        },
    ),
    6: (
        "updates counted as if they were people",
        {
            "forecasting/test_calibration.py": (
                "test_a_hundred_updates_of_one_forecast_are_not_a_hundred_forecasts",
            )
        },
    ),
    7: (
        "what is empty is drawn as 0 or NaN",
        {
            "forecasting/test_calibration.py": ("test_nothing_is_nan_and_empty",),
            "service/scoring/test_calibration.py": (
                "test_too_few_questions_are_said_to_be_too_few",
            ),
        },
    ),
    8: (
        "scoring apart from the resolution; races of resolving and taking back",
        {
            "service/curation/test_resolutions.py": (
                "test_a_crash_between_resolution_and_scores_leaves_neither",
                "test_of_two_curators_at_once_one_resolves_and_the_other_learns_of_it",
            ),
            "service/questions/test_life_cycle.py": (
                "test_of_curators_who_resolve_at_once_all_but_one_are_told_what_happened",
            ),
        },
    ),
    9: (
        "bulks that are half done; requests that cannot be repeated",
        {
            "service/questions/test_forecasts.py": (
                "test_a_bulk_is_stored_whole_or_not_at_all",
                "test_a_repeated_key_gives_the_same_answer_and_is_done_once",
                "test_a_failed_request_does_not_use_up_its_key",
            ),
            "service/client/test_client.py": (
                "test_a_lost_answer_is_asked_for_again_and_the_thing_done_once",
            ),
        },
    ),
    10: (
        "the past is overwritten",
        {
            "service/questions/test_as_known_at.py": (
                "test_later_rows_never_change_an_answer_as_known_at_a_moment",
            ),
            "service/scoring/test_scores.py": (
                "test_rebuilding_from_the_facts_gives_the_same_bytes",
            ),
            "service/scoring/test_leaderboards.py": ("test_a_frozen_leaderboard_stays_as_it_was",),
        },
    ),
    11: (
        "equal times make recency arbitrary",
        {
            "forecasting/test_pooling.py": ("test_ties_share_the_largest_rank",),
            "forecasting/test_panel.py": (
                "test_the_latest_forecast_of_each_forecaster_stands",
                "test_untimed_rows_supersede_earlier_ones",
            ),
            "service/questions/test_forecasts.py": (
                "test_a_clock_that_goes_back_does_not_reorder_a_forecasters_record",
            ),
        },
    ),
    12: (
        "forecasts before the opening or after the end count",
        {
            "forecasting/test_scores.py": (
                "test_forecasts_before_opening_count_from_opening_and_after_the_end_not_at_all",
            ),
            "service/questions/test_forecasts.py": (
                "test_a_question_takes_forecasts_only_while_it_is_open",
            ),
            "service/curation/test_resolutions.py": (
                "test_an_answer_known_earlier_drops_the_forecasts_made_since",
            ),
        },
    ),
    13: (
        "an early resolution changes who gains",
        {
            "forecasting/test_scores.py": (
                "test_early_resolution_stops_accrual_and_moves_the_spot",
                "test_resolution_after_the_close_changes_nothing",
            ),
            "service/curation/test_resolutions.py": (
                "test_an_early_answer_stops_the_scores_but_not_their_denominator",
                "test_a_resolution_out_of_its_time_is_refused",
            ),
        },
    ),
    14: (
        "pseudonyms that give away who it is",
        {"service/exchange/test_exports.py": ("test_pseudonyms_hold_within_one_export_only",)},
    ),
    15: (
        "equal forecasts dropped; 0 sorted last; keys in addresses",
        {
            "service/questions/test_forecasts.py": (
                "test_the_ends_of_the_scale_are_taken_as_stated",
                "test_an_update_replaces_the_earlier_forecast_and_the_record_keeps_both",
            ),
            "service/client/test_client.py": ("test_a_forecaster_forecasts_with_types",),
            "service/accounts/test_access.py": ("test_a_token_in_an_address_opens_nothing",),
        },
    ),
    16: (
        "a question and its negation treated differently; one question alone fails",
        {
            "forecasting/test_pooling.py": ("test_answers_stay_inside_and_mirror_the_question",),
            "forecasting/test_live.py": (
                "test_the_prior_treats_a_question_and_its_negation_alike",
            ),
            "forecasting/test_scores.py": ("test_a_question_and_its_negation_score_alike",),
            "forecasting/test_forecasters.py": ("test_nobody_and_one_alone_are_no_trouble",),
            "forecasting/test_posterior.py": (
                "test_the_prior_is_reproducible_and_follows_its_distributions",
            ),
        },
    ),
    17: (
        "too few draws for the quantiles that are shown",
        {
            "forecasting/test_fit.py": (
                "test_a_fit_records_what_made_it",
                "test_bad_diagnostics_are_refused_after_a_second_try",
            ),
            "forecasting/test_posterior.py": ("test_fixed_normals_are_symmetric_and_standard",),
        },
    ),
    18: (
        "what is documented is not what is done",
        {
            "forecasting/test_forecasting_docs.py": ("test_examples_in_docstrings_are_true",),
            "forecasting/test_posterior_guide.py": ("test_the_example_runs",),
            "service/web/test_api_guide.py": ("test_the_example_runs",),
            "service/web/test_contract.py": (
                "test_every_answer_is_as_the_document_says",
                "test_what_the_document_gives_as_an_example_is_accepted",
            ),
        },
    ),
    19: (
        "statements that grow with the rows",
        {
            "service/implications/test_implications.py": (
                "test_more_implications_take_no_more_statements",
            ),
            "service/questions/test_visibility.py": (
                "test_deciding_who_sees_takes_no_statement_more_where_all_is_shown",
            ),
            "service/questions/test_search.py": ("test_pages_hold_at_depth",),
            "service/questions/test_active_forecasts.py": (
                "test_what_is_remembered_is_what_the_rows_say",
            ),
        },
    ),
    20: (
        "scores read from the series of a chart",
        {"test_faults.py": ("test_what_scores_reads_no_chart",)},
    ),
    21: (
        "what counts is decided in several places",
        {
            "service/questions/test_active_forecasts.py": (
                "test_what_is_remembered_is_what_the_rows_say",
            ),
            "service/scoring/test_leaderboards.py": (
                "test_people_and_bots_and_pools_are_ranked_together_or_apart",
            ),
            "test_faults.py": ("test_only_one_module_decides_which_forecasts_stand",),
        },
    ),
    22: (
        "units confused",
        {
            "service/questions/test_forecasts.py": (
                "test_a_bad_body_is_refused_by_name_and_nothing_is_stored",
            ),
            "service/curation/test_resolutions.py": (
                "test_resolving_scores_everyone_and_the_aggregate_in_one_step",
            ),
            "forecasting/test_scores.py": ("test_a_window_of_one_second_from_zero_is_a_window",),
        },
    ),
}


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def test_every_fault_has_its_tests() -> None:
    assert list(FAULTS) == list(range(1, 23))


@pytest.mark.parametrize("number", FAULTS)
def test_the_tests_of_a_fault_are_there(number: int) -> None:
    _, tests = FAULTS[number]
    for file, names in tests.items():
        there = {node.name for node in tree(TESTS / file).body if isinstance(node, ast.FunctionDef)}
        assert set(names) <= there, (number, file)


def test_every_percent_falls_into_its_own_bin() -> None:
    """Also 0.29, which times 100 is a little less than 29, and 1, which ends the last bin."""
    for percent in range(101):
        (held,) = [one for one in spread([percent / 100]) if one.forecasters]
        last = percent == 100
        assert held.lower <= percent / 100 < held.upper or (last and held.upper == 1)


def imported(file: Path) -> set[str]:
    return {
        f"{node.module}.{name.name}"
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }


def test_what_scores_reads_no_chart() -> None:
    for file in (
        "service/scoring/scores.py",
        "service/scoring/leaderboards.py",
        "forecasting/scores.py",
    ):
        assert not [name for name in imported(ROOT / file) if "chart" in name or "histor" in name]


def test_only_one_module_decides_which_forecasts_stand() -> None:
    """Whoever scores, pools, fits or ranks asks it; nobody there reads withdrawals on their own."""
    for name in (
        "questions/aggregates",
        "scoring/scores",
        "scoring/leaderboards",
        "scoring/calibration",
        "fits/fits",
        "implications/implications",
    ):
        read: set[Any] = imported(ROOT / "service" / f"{name}.py")
        assert "service.models.Withdrawal" not in read, name

"""Every fault that can leak money has a test that plays it; this table says which.

`engine`: with the real engine and the fake RunPod. `quick`: renting, ending and sweeping by a quick clock. All of them
come by chance, and together, in tests/soak.
"""

import ast

import pytest

from videogen import project

PHASE, PHASE_FAULTS = "tests/infra/test_phase.py", "tests/infra/test_phase_faults.py"
RENT, CLOUD = "tests/clouds/test_rent_runpod.py", "tests/clouds/test_runpod.py"
SWEEP, RUN = "tests/sweep/test_sweep.py", "tests/run/test_run_rented.py"

FAULTS: dict[str, tuple[str, ...]] = {
    "no capacity anywhere": (
        f"{PHASE_FAULTS}::test_an_up_that_cannot_rent",
        f"{RENT}::test_no_capacity_anywhere_backs_off_and_ends",
    ),
    "capacity for the third candidate only": (f"{PHASE_FAULTS}::test_capacity_for_the_third_candidate_only",),
    "dearer than the ceiling at create": (
        f"{PHASE_FAULTS}::test_an_up_that_cannot_rent",
        f"{RENT}::test_dearer_than_the_ceiling_is_ended",
    ),
    "402": (f"{PHASE_FAULTS}::test_an_up_that_cannot_rent", f"{RENT}::test_no_money_stops_at_once"),
    "500 after the machine was created": (f"{PHASE_FAULTS}::test_an_up_that_rents_all_the_same",),
    "time-out, then it exists": (
        f"{PHASE_FAULTS}::test_an_up_that_rents_all_the_same",
        f"{RENT}::test_a_pod_that_comes_late_is_ended",
    ),
    "stuck in starting": (f"{RENT}::test_stuck_in_starting_goes_to_the_next",),
    "ready, then gone": (
        f"{PHASE_FAULTS}::test_an_up_that_cannot_rent",
        f"{RENT}::test_ready_then_gone_is_found_and_billed",
    ),
    "list empty though machines live": (
        f"{PHASE_FAULTS}::test_lists_that_hide_what_lives",
        f"{SWEEP}::test_an_empty_list_is_not_believed",
    ),
    "list in both shapes": (
        f"{CLOUD}::test_a_list_is_complete_in_both_shapes",
        f"{CLOUD}::test_half_a_list_is_unknown",
    ),
    "a machine with our tag that is not ours": (
        f"{PHASE_FAULTS}::test_a_stranger_with_our_tag_stays",
        f"{SWEEP}::test_what_is_not_ours_is_left_alone_and_told",
    ),
    "delete answers 200 but it lives on": (
        f"{PHASE_FAULTS}::test_an_end_that_goes_wrong",
        f"{CLOUD}::test_a_pod_that_lives_on_for_ever_is_unknown",
    ),
    "delete 404": (f"{CLOUD}::test_404_to_a_delete_is_no_proof_while_it_is_shown",),
    "engine killed between create and state write": (
        f"{PHASE}::test_a_killed_engine_leaves_nothing_that_is_not_ended",
    ),
    "state file lost": (f"{PHASE}::test_a_lost_state_is_found_again_by_tag_and_books",),
    "second operator runs `up` at the same time": (
        f"{PHASE}::test_up_proves_a_worker_and_a_second_operator_waits",
        f"{RUN}::test_two_runs_at_once",
    ),
    "Ctrl-C in each phase of create": (
        f"{PHASE_FAULTS}::test_ctrl_c_in_each_phase_of_a_create",
        f"{RENT}::test_ctrl_c_ends_what_was_made",
        f"{RUN}::test_a_signal_during_up_ends_what_it_rented",
    ),
    "laptop closed: the lease ends it": (f"{PHASE_FAULTS}::test_a_closed_laptop_leaves_the_end_to_the_lease",),
    "agent dead: the sweeper ends it": (f"{SWEEP}::test_each_machine_without_a_right_is_ended_with_a_receipt",),
    "both dead: cap of the provider's side, and an alarm": (
        f"{SWEEP}::test_a_cloud_that_lives_on_is_an_alarm",
        f"{SWEEP}::test_a_failed_list_is_an_alarm",
        f"{RENT}::test_no_money_stops_at_once",
    ),
    "clock of the worker wrong by an hour": ("tests/unit/test_worker_lease.py::test_clocks",),
    "price changes during the run": (
        f"{PHASE_FAULTS}::test_an_end_that_goes_wrong",
        f"{RENT}::test_a_price_that_changes_is_billed",
    ),
    "month's cap reached by another stack": (
        f"{PHASE}::test_a_month_that_other_stacks_have_spent",
        "tests/run/test_parts.py::test_the_months_cap_counts_what_others_spend",
    ),
    "end ordered, and no answer": (f"{RENT}::test_an_end_whose_answer_was_lost_is_billed",),
    "no bill yet": (f"{RENT}::test_a_receipt_waits_for_the_bill",),
    "rate limit": (f"{RENT}::test_a_rate_limit_is_waited_for",),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_played(fault: str) -> None:
    """The tests of the table exist."""
    for where in FAULTS[fault]:
        path, _, name = where.partition("::")
        tree = ast.parse((project.root() / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, where

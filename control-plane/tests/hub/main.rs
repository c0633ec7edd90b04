//! A hub as a process, real TLS on loopback, scripted agents and people. What touches the database
//! runs on SQLite and on a private PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::doc_markdown,
    clippy::similar_names,
    clippy::wildcard_enum_match_arm,
    clippy::assigning_clones,
    clippy::format_collect,
    reason = "a test fails by panicking and says with what, is read rather than run fast, and names databases"
)]

mod access;
mod access_answers;
mod access_malice;
mod access_past;
mod access_signed;
mod agent;
mod author;
mod certificates;
mod clients;
mod database;
mod decode;
mod drift;
mod dry_run;
mod enrolment;
mod evidence;
mod fleet;
mod hub;
mod invariants;
mod isolation;
mod limits;
mod matrix;
mod program;
mod proposals;
mod replicas;
mod restart;
mod session;
mod trust;

/// Declares each test once for each database.
macro_rules! on_both {
    ($($module:ident { $($test:ident),* $(,)? })*) => {
        on_both!(@on on_postgres $($module { $($test)* })*);
        on_both!(@on on_sqlite $($module { $($test)* })*);
    };
    (@on $kind:ident $($module:ident { $($test:ident)* })*) => {
        mod $kind {
            $(mod $module {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $test() {
                        let database = crate::database::Database::$kind().await;
                        let hub = crate::hub::Hub::start(database).await;
                        crate::$module::$test(&hub).await;
                        hub.end_well().await;
                    }
                )*
            })*
        }
    };
}

on_both! {
    enrolment {
        a_cluster_joins_once,
        bad_tokens_have_one_answer,
        names_in_the_request_mean_nothing,
        a_renewal_keeps_the_identity,
        a_replaced_certificate_ends_when_the_new_one_is_used,
    }
    fleet {
        what_is_committed_is_read_back,
        the_second_author_is_stale,
        a_lost_answer_can_be_asked_for_again,
        what_cannot_be_is_refused_with_all_reasons,
        only_invited_clusters_are_accepted,
    }
    proposals {
        what_wants_more_waits_when_it_is_told_to,
        the_last_signature_commits,
        a_proposal_is_passed_or_withdrawn,
    }
    trust {
        who_may_not_is_refused,
        a_new_root_reaches_every_stream,
        what_went_is_shown_to_have_gone,
        a_late_cluster_gets_old_documents,
        an_agent_without_its_ledger_gets_everything,
        an_agent_gets_one_bundle_at_a_time,
        what_was_refused_is_not_held,
        fences_and_recipients_are_shown,
    }
    session {
        a_cluster_gets_what_is_placed_on_it,
        only_what_is_missing_travels,
        a_later_hello_asks_for_everything,
        the_newest_bundle_wins,
        reports_make_the_phase,
    }
    isolation { no_byte_of_another_cluster }
    access {
        a_snapshot_is_sent_once_and_asked,
    }
    access_answers {
        decisions_are_what_the_api_server_says,
        members_of_groups_are_listed,
        a_claim_counts_when_the_history_bears_it_out,
        paths_are_found_and_previewed,
    }
    access_malice {
        who_gets_no_turn_is_asked_again,
        who_is_not_accepted_takes_no_turn,
        what_cannot_be_kept_is_left_out,
        what_is_not_this_cluster_s_is_refused,
        what_proves_nothing_is_said,
        a_cluster_that_is_cut_off_is_asked_no_more,
    }
    access_past {
        every_moment_can_be_asked,
        a_gap_is_no_fact,
        an_auditor_computes_the_root,
    }
    access_signed {
        no_change_is_within_what_is_signed,
        a_live_stream_covers_the_present,
        an_auditor_gets_what_is_signed_now,
        a_burst_leaves_no_gap,
    }
    invariants { violations_begin_and_end }
    drift {
        reports_are_stored_and_watched,
        a_picture_in_parts_clears_what_is_not_in_it,
        both_sides_compute_one_digest,
        an_agent_that_was_started_again_is_in_step,
        clocks_that_are_ahead_are_not_believed,
    }
    dry_run { touched_clusters_are_asked }
    restart { a_restart_keeps_everything, killed_between_commits }
}

//! The store's contract, kept by both databases: every test below runs on SQLite and on a private
//! PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unused_async,
    clippy::doc_markdown,
    reason = "a test fails by panicking and says with what; one harness makes both databases; \
              SQLite and PostgreSQL are names"
)]

mod access;
mod access_model;
mod clusters;
mod drift;
mod enrolment;
mod fleet;
mod history;
mod leaves;
mod make;
mod model;
mod opening;
mod place;
mod proposals;

/// Declares each test once for each database.
macro_rules! contract {
    ($($module:ident { $($test:ident),* $(,)? })*) => {
        contract!(@on on_postgres $($module { $($test)* })*);
        contract!(@on on_sqlite $($module { $($test)* })*);
    };
    (@on $kind:ident $($module:ident { $($test:ident)* })*) => {
        mod $kind {
            $(mod $module {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $test() {
                        crate::$module::$test(crate::place::Place::$kind().await).await;
                    }
                )*
            })*
        }
    };
}

contract! {
    fleet { is_made_once, users_come_and_go }
    history {
        what_is_appended_is_read_back,
        a_statement_that_is_not_the_next_is_stale,
        one_of_eight_appenders_wins_each_number,
        all_or_nothing,
        what_contradicts_itself_is_refused,
        a_large_statement,
        damaged_content_is_not_returned,
        other_hubs_are_told,
    }
    leaves { follow_changes_and_removals, pages_are_seamless, one_subject_has_a_history }
    proposals {
        what_is_proposed_is_read_back,
        only_so_many_are_open,
        a_signature_is_added_to_what_was_seen,
        what_was_withdrawn_is_not_made,
        old_ones_are_forgotten,
    }
    model { random_histories }
    clusters {
        reports_are_kept,
        a_fence_and_a_recipient_are_kept,
        touching_never_goes_back,
        a_revoked_cluster_gets_nothing,
        a_late_report_does_not_land_on_a_newer,
        a_certificate_that_was_replaced_is_forgotten,
    }
    enrolment {
        a_token_is_used_once,
        wrong_tokens_have_one_answer,
        a_token_ends_at_its_time,
        an_invitation_can_be_repeated,
        invitations_at_once,
        a_name_is_free_after_revocation,
    }
    drift {
        an_occurrence_lives_and_ends,
        a_repeated_report_changes_nothing,
        a_picture_clears_what_is_not_in_it,
        clusters_cannot_reach_each_other,
        pages_are_seamless,
        a_large_report,
        history_is_forgotten,
        the_agents_newest_ids_count,
        only_the_newest_stream_writes,
        long_histories_are_cut,
    }
    access {
        a_report_is_read_back,
        what_is_not_in_a_whole_bucket_is_gone,
        only_the_newest_stream_reports_access,
        what_a_cluster_says_is_bounded,
        a_large_inventory,
        damaged_access_is_not_returned,
        what_was_signed_and_seen_is_kept,
        violations_begin_and_end,
        violations_that_are_not_looked_for_stand,
        a_hub_that_lags_behind_settles_nothing,
        a_directory_is_imported_again,
        nothing_is_kept_of_a_revoked_cluster,
        reports_and_compaction_at_once,
    }
    access_model { random_reports }
    opening {
        keeps_what_was_stored,
        a_newer_schema_is_refused,
        an_edited_schema_is_refused,
        hubs_start_at_once,
        what_cannot_be_opened_says_why,
    }
}

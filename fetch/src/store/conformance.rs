//! What every store must do, as checks that any implementation can be held to.
//!
//! A check is a function over a [`World`]: a fresh store, the people who use it, and a clock that only
//! the check moves. [`store_conformance!`](crate::store_conformance) turns all of them into tests:
//!
//! ```ignore
//! struct Folder(tempfile::TempDir);
//!
//! #[async_trait::async_trait]
//! impl Place for Folder {
//!     async fn open(&self) -> Arc<dyn Store> { .. }
//! }
//!
//! nudge_fetch::store_conformance!(Folder::new());
//! ```
//!
//! # Layout, in reading order
//!
//! - [`World`], [`Person`]: who acts, and what a check says in one line
//! - [`durability`] (P1), [`sending`] (P2), [`pages`] (P3)
//! - one room per aggregate: [`accounts`], [`deletion`], [`devices`], [`conversations`], [`listing`],
//!   [`members`], [`blocks`], [`receipts`], [`group_receipts`], [`acks`], [`uploads`], [`grants`],
//!   [`retention`], [`upkeep`], [`operations`]

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

pub mod accounts;
pub mod acks;
pub mod blocks;
pub mod conversations;
pub mod deletion;
pub mod devices;
pub mod durability;
pub mod grants;
pub mod group_receipts;
pub mod listing;
pub mod members;
pub mod operations;
pub mod pages;
pub mod receipts;
pub mod retention;
pub mod sending;
pub mod upkeep;
pub mod uploads;
mod world;

pub use world::{Person, Place, World, media_kept, unlimited};

/// Makes a test of every check of the suite; the argument is an expression for a fresh
/// [`Place`](crate::store::conformance::Place).
#[macro_export]
macro_rules! store_conformance {
    ($place:expr) => {
        $crate::store_conformance! { @tests $place;
            durability {
                p1_what_was_answered_is_there_after_reopening,
                p1_closing_commits_what_was_begun_and_answers_it,
                p1_an_answer_lost_by_a_close_is_settled_by_a_retry,
            }
            sending {
                p2_a_retry_answers_as_the_first_did_and_creates_nothing,
                p2_one_id_with_other_content_is_a_conflict,
                p2_an_id_is_its_senders_and_its_conversations,
                p2_a_retry_is_answered_after_leaving_and_after_being_removed,
                p2_a_retry_is_answered_after_a_block,
                p2_a_retry_is_answered_after_the_message_expired,
                p2_a_retry_is_answered_after_its_medium_is_gone,
                p2_a_retry_is_answered_for_thirty_days_whatever_retention_says,
                p2_concurrent_sends_of_one_id_create_one_message,
                p2_concurrent_sends_of_one_id_with_other_contents_let_one_win,
                p2_a_bad_send_fails_none_of_its_neighbours,
                p2_a_refused_send_leaves_no_receipt,
                a_body_arrives_as_it_was_sent,
                a_message_has_one_number_for_all_members,
                who_is_not_a_member_sends_nothing,
                a_send_moves_every_member_and_spares_the_sending_device,
                an_empty_body_is_a_body,
            }
            pages {
                p3_a_page_says_what_it_covers,
                p3_pages_join_without_gap_or_overlap,
                p3_a_page_is_bounded_by_bytes_and_always_advances,
                p3_an_expired_message_is_passed_over,
                p3_a_superseded_receipt_is_passed_over,
                p3_numbers_below_first_kept_are_said_to_be_dropped,
                p3_numbers_are_never_given_twice,
                p3_nothing_appears_later_at_or_below_through,
                p3_one_order_for_all_under_concurrent_senders,
                a_cursor_of_another_epoch_or_above_the_head_reads_nothing,
            }
            accounts {
                an_account_is_made_once_per_request,
                concurrent_registrations_of_a_handle_make_one_account,
                an_account_is_found_by_handle_and_by_id,
                a_profile_and_a_password_change,
                an_issuers_subject_has_one_account,
            }
            deletion {
                a_deletion_takes_the_account_away_at_once,
                a_deletion_leaves_conversations_by_numbered_entries,
                a_deletion_goes_on_after_any_step,
                a_deletion_keeps_what_others_received,
                a_deleted_handle_is_never_given_again,
                a_deleted_user_joins_nothing,
                a_deletion_tells_nobody_of_a_conversation_he_does_not_know,
            }
            devices {
                a_device_opens_once_and_again,
                a_new_devices_mark_is_the_head,
                a_refresh_token_is_answered_again_until_its_successor_is_used,
                a_reused_refresh_token_revokes_the_device,
                a_new_log_in_ends_the_earlier_chain,
                concurrent_refreshes_of_one_token_give_one_successor,
                a_revoked_device_is_out_for_good,
                a_device_is_revoked_by_its_user_alone,
                a_user_has_a_limited_number_of_devices,
                the_watch_learns_of_devices_in_the_order_it_asked,
                points_rise_whoever_asks_and_over_restarts,
            }
            conversations {
                a_direct_conversation_is_one_for_its_two_users,
                concurrent_creations_of_a_direct_conversation_make_one,
                a_direct_conversation_needs_one_other_live_user,
                the_other_side_learns_of_a_direct_conversation_by_its_first_message,
                a_group_is_made_once_per_request,
                concurrent_creations_of_a_group_make_one,
                a_group_has_a_limited_number_of_members,
                a_title_is_changed_by_an_admin_alone,
                p8_to_a_stranger_there_is_no_conversation,
                typing_is_told_to_members_who_do_not_block,
                typing_introduces_nobody,
            }
            listing {
                the_list_shows_what_its_reader_may_see,
                the_list_is_paged_by_id,
                the_list_is_bounded_by_bytes_and_always_advances,
                the_list_carries_the_head_of_its_own_snapshot,
                unread_counts_what_others_said_above_the_read_mark,
                unread_is_counted_up_to_its_limit,
                a_conversation_is_muted_for_one_member,
                a_refused_title_mutes_nothing,
                history_is_newest_first_and_paged,
            }
            members {
                only_an_admin_changes_the_members,
                member_changes_take_numbers_and_are_told_to_all,
                putting_and_removing_are_idempotent,
                p8_history_and_messages_follow_the_intervals,
                p8_a_former_member_sees_the_conversation_as_he_left_it,
                the_last_admin_leaving_promotes_who_joined_first,
                a_group_never_loses_its_last_admin_to_a_demotion,
                an_admin_gives_his_right_up_once_and_again,
                concurrent_leaving_keeps_an_admin,
                who_blocks_the_actor_is_not_added,
                a_direct_conversation_keeps_its_members,
            }
            blocks {
                what_a_block_refused_is_never_shown,
                what_a_block_refused_stays_hidden_after_unblocking,
                the_refused_sender_cannot_tell,
                what_a_block_refused_is_never_counted_in_receipts,
                a_refused_first_message_introduces_nobody,
                a_block_ends_nothing_in_groups,
                blocking_is_idempotent_and_checked,
            }
            receipts {
                a_message_counts_as_delivered_when_one_device_has_it,
                reading_moves_both_marks_and_never_back,
                a_receipt_supersedes_the_one_before_at_most_once_a_second,
                a_clock_that_was_ahead_holds_no_receipt_back,
                receipts_cause_no_receipts,
                the_own_read_mark_is_told_to_the_own_devices,
                settling_says_when_the_next_receipt_is_due,
                a_clock_that_went_back_delays_receipts_by_a_second_at_most,
                who_sent_nothing_hears_nothing_of_the_others,
            }
            group_receipts {
                a_group_waits_for_its_slowest_member,
                a_group_counts_for_the_newest_own_message,
                who_leaves_holds_no_receipt_back,
                who_joins_later_holds_no_receipt_back,
            }
            acks {
                acks_have_a_verdict_each_in_their_order,
                a_mark_never_moves_back,
                concurrent_acks_end_at_the_highest,
                an_ack_of_an_old_epoch_is_refused,
            }
            uploads {
                an_upload_is_made_once_per_request,
                concurrent_creations_of_an_upload_make_one,
                p8_an_upload_is_its_owners_alone,
                p6_a_newer_request_fences_the_older,
                p6_bytes_begin_where_the_upload_stands,
                p6_the_digests_state_goes_with_the_offset,
                p6_the_layout_goes_with_the_offset,
                a_multipart_upload_is_remembered_until_it_was_aborted_twice,
                a_multipart_upload_that_became_the_object_is_forgotten,
                p6_an_upload_completes_with_all_its_bytes_only,
                p6_completing_twice_is_completing_once,
                an_empty_upload_completes_at_once,
                quotas_hold_for_bytes_and_for_unfinished_uploads,
                concurrent_creations_keep_the_quota,
                an_unfinished_upload_is_removed_after_its_time,
                an_upload_that_makes_progress_is_removed_later,
                media_states_are_told_in_the_order_asked,
            }
            grants {
                p6_a_medium_is_sent_and_read_only_when_complete,
                p8_a_medium_is_read_by_who_may_see_its_message,
                p8_a_medium_follows_the_intervals_of_membership,
                forwarding_moves_no_bytes_and_needs_the_right_to_read,
                a_grant_ends_with_its_messages_time_to_live,
                media_keep_their_order,
                a_medium_lives_on_from_its_last_message,
            }
            retention {
                aged_history_goes_and_is_said_to_be_gone,
                history_can_be_kept_for_ever,
                an_expired_message_goes_from_everywhere,
                until_acked_waits_for_every_active_device,
                until_acked_a_revoked_device_holds_nothing_back,
                until_acked_mail_without_an_active_device_keeps_its_time,
                a_step_is_bounded_and_says_that_there_is_more,
            }
            operations {
                a_messages_story_follows_it_from_send_to_read,
                a_story_says_what_is_gone,
                what_a_mark_passed_over_is_told_by_span,
                stats_count_what_is_there,
            }
            upkeep {
                a_store_keeps_its_identity,
                a_store_takes_one_place_for_its_objects,
                an_epoch_is_above_the_one_before_and_the_time,
                p4_what_moved_names_the_epoch_of_its_head,
                concurrent_nodes_get_the_same_keys,
                keys_rotate_with_overlap_and_are_forgotten,
                a_closed_store_is_unavailable,
            }
        }
    };
    (@tests $place:expr; $($room:ident { $($check:ident,)* })*) => {$(
        mod $room {
            #[allow(unused_imports, reason = "the place may name what stands around the macro")]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let world = $crate::store::conformance::World::new($place).await;
                    $crate::store::conformance::$room::$check(&world).await;
                    world.close().await;
                }
            )*
        }
    )*};
}

//! Conversations, members, messages, the inbox.

use nudge_proto::{
    ErrorCode::{
        ConversationFull, CursorAhead, EpochMismatch, Forbidden, IdempotencyConflict, NotFound,
        StorageFull,
    },
    pb::content as pb,
};
use utoipa::openapi::Type;

use crate::http::{
    api::{Api, does, get, post, put},
    conversations, inbox, members, messages,
};

pub(super) fn conversations() -> Api {
    Api::default()
        .path(
            "/v1/conversations",
            get(
                conversations::list,
                does("The own conversations, by id")
                    .takes_query("after", Type::String, "The `next` of the page before.")
                    .takes_query("limit", Type::Integer, "Conversations at most, up to 100.")
                    .answers::<pb::ConversationPage>(200, "A page."),
            )
            .post(
                conversations::create,
                does("Make a conversation; a direct one is one for its two users")
                    .takes::<pb::CreateConversationRequest>()
                    .answers::<pb::Conversation>(201, "The new conversation.")
                    .answers::<pb::Conversation>(200, "The one that was made before.")
                    .refuses(&[ConversationFull, IdempotencyConflict, NotFound]),
            ),
        )
        .path(
            "/v1/conversations/{id}",
            get(
                conversations::show,
                does("One conversation with its members")
                    .answers::<pb::Conversation>(200, "As the asking user sees it.")
                    .refuses(&[NotFound]),
            )
            .patch(
                conversations::update,
                does("Change a group's title, or mute a conversation for oneself")
                    .takes::<pb::UpdateConversationRequest>()
                    .answers::<pb::Conversation>(200, "As it is now.")
                    .refuses(&[Forbidden, NotFound]),
            ),
        )
        .path(
            "/v1/conversations/{id}/members/{user}",
            put(
                members::put,
                does("Add a member to a group, or change his role")
                    .takes::<pb::PutMemberRequest>()
                    .gives_nothing()
                    .refuses(&[ConversationFull, Forbidden, NotFound]),
            )
            .delete(
                members::remove,
                does("Remove a member from a group, or leave it")
                    .gives_nothing()
                    .refuses(&[Forbidden, NotFound]),
            ),
        )
        .path(
            "/v1/conversations/{id}/read",
            put(
                conversations::mark_read,
                does("Move the own read mark forward")
                    .takes::<pb::ReadRequest>()
                    .gives_nothing()
                    .refuses(&[NotFound]),
            ),
        )
        .path(
            "/v1/conversations/{id}/receipts",
            get(
                conversations::receipts,
                does("How far each member is")
                    .answers::<pb::ReceiptDetail>(200, "Every present member's marks.")
                    .refuses(&[NotFound]),
            ),
        )
        .path(
            "/v1/conversations/{id}/typing",
            post(
                conversations::typing,
                does("Tell that one is typing; not stored").gives_nothing().refuses(&[NotFound]),
            ),
        )
}

pub(super) fn messages() -> Api {
    Api::default()
        .path(
            "/v1/conversations/{id}/messages",
            get(
                messages::history,
                does("What was said, newest first")
                    .takes_query("before", Type::Integer, "The `next_before` of the page before.")
                    .takes_query("limit", Type::Integer, "Items at most, up to 100.")
                    .answers::<pb::HistoryPage>(200, "A page.")
                    .refuses(&[NotFound]),
            ),
        )
        .path(
            "/v1/conversations/{id}/messages/{client_id}",
            put(
                messages::send,
                does("Send a message under a client-made id; a retry sends nothing twice")
                    .takes::<pb::SendRequest>()
                    .answers::<pb::SendResponse>(201, "It is on disk.")
                    .answers::<pb::SendResponse>(200, "It was before.")
                    .refuses(&[IdempotencyConflict, NotFound, StorageFull]),
            ),
        )
        .path(
            "/v1/messages/{id}",
            get(
                messages::show,
                does("One message").answers::<pb::Message>(200, "It.").refuses(&[NotFound]),
            ),
        )
        .path(
            "/v1/inbox",
            get(
                inbox::page,
                does("A page of the own inbox; a pure read")
                    .takes_query("after", Type::String, "A cursor, `epoch.seq`.")
                    .takes_query("limit", Type::Integer, "Entries at most, up to 500.")
                    .answers::<pb::InboxPage>(200, "Every live entry in (after, through].")
                    .refuses(&[CursorAhead, EpochMismatch]),
            ),
        )
        .path(
            "/v1/inbox/ack",
            post(
                inbox::ack,
                does("This device has stored everything up to the cursor")
                    .takes::<pb::AckRequest>()
                    .gives_nothing()
                    .refuses(&[CursorAhead, EpochMismatch]),
            ),
        )
}

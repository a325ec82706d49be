//! Accounts, sessions, profiles, devices, blocks.

use nudge_proto::{
    ErrorCode::{
        CredentialsInvalid, DeviceRevoked, HandleTaken, InviteInvalid, LimitReached, NotFound,
        RateLimited, RefreshTokenInvalid, RefreshTokenReused, RegistrationClosed,
    },
    pb::content as pb,
};

use crate::http::{
    accounts,
    api::{Api, delete, does, does_for_all, get, post, put},
    blocks, devices, me, sessions, users,
};

pub(super) fn accounts() -> Api {
    Api::default()
        .path(
            "/v1/accounts",
            post(
                accounts::create,
                does_for_all("Register")
                    .takes::<pb::CreateAccountRequest>()
                    .answers::<pb::User>(201, "The new account.")
                    .answers::<pb::User>(200, "The account that the same request made before.")
                    .refuses(&[
                        CredentialsInvalid,
                        HandleTaken,
                        InviteInvalid,
                        RateLimited,
                        RegistrationClosed,
                    ]),
            ),
        )
        .path(
            "/v1/sessions",
            post(
                sessions::create,
                does_for_all("Log in")
                    .takes::<pb::CreateSessionRequest>()
                    .answers::<pb::Session>(201, "A new device, and its three credentials.")
                    .answers::<pb::Session>(200, "New credentials of a device that was there.")
                    .refuses(&[CredentialsInvalid, DeviceRevoked, LimitReached, RateLimited]),
            ),
        )
        .path(
            "/v1/sessions/refresh",
            post(
                sessions::refresh,
                does_for_all("Exchange a refresh token; the same answer again until it is used")
                    .takes::<pb::RefreshRequest>()
                    .answers::<pb::Session>(200, "New credentials.")
                    .refuses(&[RefreshTokenInvalid, RefreshTokenReused]),
            ),
        )
        .path(
            "/v1/sessions/current",
            delete(sessions::end, does("Log out: revoke the own device").gives_nothing()),
        )
}

pub(super) fn profiles() -> Api {
    Api::default()
        .path(
            "/v1/users/{handle}",
            get(
                users::find,
                does("Look a user up").answers::<pb::User>(200, "The user.").refuses(&[NotFound]),
            ),
        )
        .path(
            "/v1/me",
            get(me::show, does("The own profile").answers::<pb::User>(200, "It."))
                .patch(
                    me::update,
                    does("Change the own profile")
                        .takes::<pb::UpdateProfileRequest>()
                        .answers::<pb::User>(200, "As it is now."),
                )
                .delete(
                    me::delete,
                    does("Delete the own account; its conversations are left after the answer")
                        .takes::<pb::DeleteAccountRequest>()
                        .gives_nothing()
                        .refuses(&[CredentialsInvalid, RateLimited]),
                ),
        )
        .path(
            "/v1/me/password",
            put(
                me::change_password,
                does("Change the own password")
                    .takes::<pb::ChangePasswordRequest>()
                    .gives_nothing()
                    .refuses(&[CredentialsInvalid, RateLimited]),
            ),
        )
        .path(
            "/v1/blocks/{user}",
            put(
                blocks::block,
                does("Block a user").gives_nothing().refuses(&[LimitReached, NotFound]),
            )
            .delete(blocks::unblock, does("Unblock a user").gives_nothing()),
        )
        .path(
            "/v1/devices",
            get(
                devices::list,
                does("The own devices").answers::<pb::DeviceList>(200, "Oldest first."),
            ),
        )
        .path(
            "/v1/devices/{id}",
            delete(
                devices::revoke,
                does("Revoke one of the own devices; its connections close")
                    .gives_nothing()
                    .refuses(&[NotFound]),
            ),
        )
}

use async_trait::async_trait;
use nudge_proto::{Handle, RequestId, UserId};

use super::{Outcome, StoreError, UnixMs};

/// Accounts, profiles, blocks.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Makes an account and its empty inbox.
    ///
    /// The same handle with the same `request_id` answers with the account made before, as
    /// `created: false`; the caller checks the password then.
    ///
    /// # Errors
    ///
    /// [`StoreError::HandleTaken`].
    async fn create_account(&self, new: NewAccount) -> Result<AccountCreated, StoreError>;

    /// The live account of a handle, with what its password is checked against.
    async fn account_by_handle(&self, handle: &Handle) -> Result<Option<Account>, StoreError>;

    /// The live account of an id.
    async fn account(&self, user_id: UserId) -> Result<Option<Account>, StoreError>;

    /// The live account of a trusted issuer's subject, made at first sight with `new`'s fields.
    ///
    /// # Errors
    ///
    /// [`StoreError::HandleTaken`] when it has to be made and the handle is gone.
    async fn account_of_issuer(
        &self,
        issuer_subject: &str,
        new: NewAccount,
    ) -> Result<AccountCreated, StoreError>;

    /// Changes the display name.
    async fn set_display_name(&self, user_id: UserId, name: &str) -> Result<User, StoreError>;

    /// Changes the password's hash.
    async fn set_password_hash(&self, user_id: UserId, hash: &str) -> Result<(), StoreError>;

    /// Begins a deletion: the account is gone, every device is revoked, the rest is queued.
    async fn begin_deletion(&self, user_id: UserId, now: UnixMs) -> Result<(), StoreError>;

    /// Does one bounded step of a queued deletion: leaves a conversation by a numbered entry, or
    /// removes inbox and profile at the end. `value` is whether more is to do. Safe to repeat and to
    /// cut anywhere.
    async fn continue_deletion(&self, now: UnixMs) -> Result<Outcome<bool>, StoreError>;

    /// Blocks or unblocks a user; both are idempotent.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] for an unknown user, [`StoreError::LimitReached`].
    async fn set_block(
        &self,
        user_id: UserId,
        other: UserId,
        blocked: bool,
    ) -> Result<(), StoreError>;
}

/// An account to be made.
#[derive(Clone)]
pub struct NewAccount {
    /// The server's new id for it.
    pub user_id: UserId,
    /// The client-made id of the registration.
    pub request_id: RequestId,
    /// Unique, for good.
    pub handle: Handle,
    /// What others see.
    pub display_name: String,
    /// Argon2id in PHC form; `None` for a trusted issuer's user.
    pub password_hash: Option<String>,
    /// Now.
    pub now: UnixMs,
}

impl std::fmt::Debug for NewAccount {
    /// Leaves the hash out.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NewAccount")
            .field("user_id", &self.user_id)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// What others see of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// For good.
    pub id: UserId,
    /// The text of the handle; empty for a deleted user.
    pub handle: String,
    /// Empty for a deleted user.
    pub display_name: String,
}

/// A live account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// What others see.
    pub user: User,
    /// Argon2id in PHC form.
    pub password_hash: Option<String>,
}

impl std::fmt::Debug for Account {
    /// Leaves the hash out.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

/// An account, and whether this call made it.
#[derive(Clone, Debug)]
pub struct AccountCreated {
    /// The account.
    pub account: Account,
    /// False for a retry.
    pub created: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_a_printed_account_has_no_password_hash() {
        let new = NewAccount {
            user_id: UserId::random(),
            request_id: RequestId::random(),
            handle: "ada".parse().unwrap(),
            display_name: "Ada".to_owned(),
            password_hash: Some("$argon2id$secret".to_owned()),
            now: UnixMs(1),
        };
        let printed = format!("{new:?}");
        assert!(printed.contains("ada") && !printed.contains("argon2id"), "{printed}");
    }
}

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use super::AuthError;
use crate::limits::{PASSWORD_CHECKS_AT_ONCE, PASSWORD_CHECKS_WAITING};

/// Hashes and checks passwords with Argon2id (RFC 9106), a few at a time.
#[derive(Debug)]
pub struct Passwords {
    /// Who may wait; beyond them everybody is turned away at once.
    waiting: Semaphore,
    running: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            waiting: Semaphore::new(PASSWORD_CHECKS_WAITING),
            running: Semaphore::new(PASSWORD_CHECKS_AT_ONCE),
        }
    }
}

impl Passwords {
    /// A new hash in PHC form.
    ///
    /// # Errors
    ///
    /// [`AuthError::TooManyAttempts`] when too many wait already.
    pub async fn hash(&self, password: String) -> Result<String, AuthError> {
        self.run(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string())
                .map_err(|error| AuthError::Internal(format!("cannot hash a password: {error}")))
        })
        .await?
    }

    /// Whether the password belongs to the hash. Without a hash it takes as long, and is false.
    ///
    /// # Errors
    ///
    /// [`AuthError::TooManyAttempts`] when too many wait already.
    pub async fn check(&self, password: String, hash: Option<String>) -> Result<bool, AuthError> {
        self.run(move || {
            let Some(hash) = hash else {
                // The time tells nobody whether a handle exists.
                let _ = Argon2::default().hash_password(password.as_bytes());
                return false;
            };
            PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| AuthError::TooManyAttempts)?;
        let _running = self.running.acquire().await;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| AuthError::Internal(format!("a password check died: {error}")))
    }
}

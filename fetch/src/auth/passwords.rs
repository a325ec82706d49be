use std::sync::Arc;

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
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(PASSWORD_CHECKS_WAITING)),
            running: Arc::new(Semaphore::new(PASSWORD_CHECKS_AT_ONCE)),
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
        let waiting = Arc::clone(&self.waiting).try_acquire_owned();
        let waiting = waiting.map_err(|_| AuthError::TooManyAttempts)?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        // Its place is taken as long as it runs, also when nobody waits for the answer any more.
        let work = move || {
            let _places = (waiting, running);
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| AuthError::Internal(format!("a password check died: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, task::Poll};

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn p5_who_hangs_up_frees_no_place_before_his_check_is_done() {
        let passwords = Passwords::default();
        let (finish, finished) = mpsc::channel::<()>();
        let mut checks = Vec::new();
        let finished = Arc::new(std::sync::Mutex::new(finished));
        for _ in 0..PASSWORD_CHECKS_AT_ONCE {
            let finished = Arc::clone(&finished);
            let mut check = Box::pin(passwords.run(move || {
                let _ = finished.lock().unwrap().recv();
            }));
            assert!(poll!(&mut check).is_pending());
            checks.push(check);
        }
        drop(checks);
        let mut next = Box::pin(passwords.run(|| ()));
        assert!(matches!(poll!(&mut next), Poll::Pending));
        assert_eq!(passwords.running.available_permits(), 0);
        drop(finish);
        next.await.unwrap();
    }

    #[tokio::test]
    async fn a_password_belongs_to_its_hash_and_to_no_other() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        let check = |password: &str, hash: &str| {
            passwords.check(password.to_owned(), Some(hash.to_owned()))
        };
        assert!(check("correct horse", &hash).await.unwrap());
        assert!(!check("correct horsf", &hash).await.unwrap());
        assert!(!check("correct horse", "no hash").await.unwrap());
        assert!(!passwords.check("correct horse".to_owned(), None).await.unwrap());
    }
}

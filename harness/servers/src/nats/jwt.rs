//! An operator, his one account, and its one user, as JWTs that the server keeps in memory.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::{KeyPair, error::Error};
use serde_json::{Value, json};

/// The server's part of a configuration, and a credentials file as `nsc` writes it.
pub(super) fn make() -> Result<(String, String), Error> {
    let (operator, account, user) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let rights = json!({ "pub": {}, "sub": {} });
    let operator_jwt = sign(&operator, &operator, json!({ "type": "operator", "version": 2 }))?;
    let account_jwt = sign(
        &operator,
        &account,
        json!({
            "type": "account",
            "version": 2,
            "limits": {
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
                "wildcards": true, "conn": -1, "leaf": -1
            },
            "default_permissions": rights.clone()
        }),
    )?;
    let user_jwt = sign(
        &account,
        &user,
        json!({
            "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1,
            "payload": -1
        }),
    )?;
    let config = format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_jwt} }}\n",
        account.public_key()
    );
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed()?
    );
    Ok((config, credentials))
}

fn sign(issuer: &KeyPair, subject: &KeyPair, about: Value) -> Result<String, Error> {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "typ": "JWT", "alg": "ed25519-nkey" }));
    let claims = part(json!({
        "jti": subject.public_key(),
        "iat": 1_700_000_000,
        "iss": issuer.public_key(),
        "sub": subject.public_key(),
        "name": "nudge test",
        "nats": about,
    }));
    let signed = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes())?);
    Ok(format!("{signed}.{signature}"))
}

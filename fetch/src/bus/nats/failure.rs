//! Why a server is not to be had, in the operator's words.

use std::error::Error;

use async_nats::{ConnectError, ConnectErrorKind, ServerError};
use rustls::{AlertDescription, CertificateError};

use super::options::Login;

/// What a failed connection means.
pub(super) fn explain(error: &ConnectError, login: &Login) -> String {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => return refused(login).to_owned(),
        ConnectErrorKind::Authentication => {
            return "the nkey of the credentials cannot sign: make the file again".to_owned();
        }
        ConnectErrorKind::ServerParse
        | ConnectErrorKind::Dns
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Tls
        | ConnectErrorKind::Io
        | ConnectErrorKind::MaxReconnects => {}
    }
    rustls_error(error).and_then(about_tls).map_or_else(|| error.to_string(), str::to_owned)
}

/// What a server said on a connection that it had taken.
pub(super) fn explain_refusal(error: &ServerError, subject: &str) -> String {
    let text = error.to_string();
    if text.to_ascii_lowercase().contains("permissions violation") {
        return format!("the login may not publish and subscribe to {subject}: allow it both");
    }
    text
}

const fn refused(login: &Login) -> &'static str {
    match login {
        Login::Nobody => {
            "the server wants a login: write nats://USER:PASSWORD@HOST or nats://TOKEN@HOST, or name a \
             file of credentials"
        }
        Login::Password { .. } => {
            "the server refuses this user with this password: set the right ones in the URL of the bus"
        }
        Login::Token(_) => "the server refuses this token: set the right one in the URL of the bus",
        Login::File(_) => {
            "the server refuses the credentials of this file: replace it by those of a user that it knows"
        }
    }
}

fn about_tls(error: &rustls::Error) -> Option<&'static str> {
    use AlertDescription as Alert;
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage};
    if let InvalidCertificate(why) = error {
        return about_certificate(why);
    }
    if matches!(error, InvalidMessage(_)) {
        return Some(
            "the server speaks no TLS: set it up there, or write nats:// and no authority",
        );
    }
    let is_about_ours = matches!(
        error,
        AlertReceived(
            Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::DecryptError
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
        )
    );
    is_about_ours.then_some(
        "the server refuses the certificate of this node, or wants one: show one of an authority that it \
         knows",
    )
}

fn about_certificate(why: &CertificateError) -> Option<&'static str> {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        UnknownIssuer,
    };
    // An authority of the same name that has another key is another one.
    if matches!(why, UnknownIssuer | BadSignature) {
        return Some(
            "the server's certificate comes from no authority that is known here: name the file of the \
             right one",
        );
    }
    if matches!(why, NotValidForName | NotValidForNameContext { .. }) {
        return Some(
            "the server's certificate is for another name: write the name that it is for in the URL",
        );
    }
    let has_expired = matches!(why, Expired | ExpiredContext { .. });
    has_expired.then_some("the server's certificate has expired: renew it there")
}

/// The one of rustls, however deep it is wrapped.
fn rustls_error(error: &ConnectError) -> Option<&rustls::Error> {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let io = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        source = match io {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

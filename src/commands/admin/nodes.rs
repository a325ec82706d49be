use std::{error::Error, time::Duration};

use nudge_fetch::auth::AdminToken;
use reqwest::{Certificate, Client, RequestBuilder, Url};
use serde_json::Value;

use crate::{
    cli::Nodes,
    failure::Failure,
    settings::{ADMIN_TOKEN_FILE, read_file, secret},
};

/// A node must have answered within this time.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Nodes that may be asked.
pub(super) struct Asked {
    http: Client,
    token: AdminToken,
    nodes: Vec<Url>,
}

/// What was answered.
pub(super) struct Answers {
    /// With the URL of each node that answered; there is one at least.
    pub(super) given: Vec<(String, Value)>,
    /// Whether some did not.
    pub(super) missing: Result<(), Failure>,
}

/// Why a node gives no answer.
enum Unanswered {
    /// It is not there, or not able to: another may be.
    Unable(Failure),
    /// It says no, and so would the others.
    Refused(Failure),
}

impl Asked {
    pub(super) fn new(nodes: &Nodes) -> Result<Self, Failure> {
        let mut http = Client::builder().timeout(TIMEOUT).no_proxy();
        if let Some(path) = &nodes.ca {
            let wrong = |error| Failure::configuration(format!("--ca {}: {error}", path.display()));
            let authorities = Certificate::from_pem_bundle(&read_file(path)?).map_err(wrong)?;
            http = http.tls_certs_only(authorities);
        }
        let http = http.build()?;
        let urls = nodes.nodes.iter().map(|url| check_url(url)).collect::<Result<_, _>>()?;
        Ok(Self { http, token: token(nodes)?, nodes: urls })
    }

    /// What every node says, of those that say something; there is one at least.
    pub(super) async fn all(&self, path: &str) -> Result<Answers, Failure> {
        self.all_with(path, &[]).await
    }

    /// The same with a query.
    pub(super) async fn all_with(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Answers, Failure> {
        let mut answers = Answers { given: Vec::new(), missing: Ok(()) };
        for node in &self.nodes {
            let mut url = at(node, path);
            url.query_pairs_mut().extend_pairs(query);
            match self.answer(node, self.http.get(url)).await {
                Ok(value) => answers.given.push((name(node).to_owned(), value)),
                Err(Unanswered::Unable(failure) | Unanswered::Refused(failure)) => {
                    // The last one is said at the end.
                    if let Err(earlier) = std::mem::replace(&mut answers.missing, Err(failure)) {
                        eprintln!("nudge: {earlier}");
                    }
                }
            }
        }
        if answers.given.is_empty() {
            answers.missing?;
            return Err(Failure::configuration("--node names nobody"));
        }
        Ok(answers)
    }

    /// Tells the first node that is there: the others hear of it from it.
    pub(super) async fn tell(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let mut last = Failure::configuration("--node names nobody");
        for node in &self.nodes {
            match self.answer(node, self.http.post(at(node, path)).json(body)).await {
                Ok(value) => return Ok(value),
                Err(Unanswered::Refused(failure)) => return Err(failure),
                Err(Unanswered::Unable(failure)) => last = failure,
            }
        }
        Err(last)
    }

    async fn answer(&self, node: &Url, request: RequestBuilder) -> Result<Value, Unanswered> {
        let node = name(node);
        let unreachable = |error: reqwest::Error| {
            let reason = if error.is_timeout() {
                format!("nothing came within {} s", TIMEOUT.as_secs())
            } else {
                causes(&error)
            };
            Unanswered::Unable(Failure::new(format!("{node} does not answer: {reason}")))
        };
        let response =
            request.bearer_auth(self.token.reveal()).send().await.map_err(unreachable)?;
        let status = response.status();
        let said = response.json::<Value>().await;
        match said {
            Ok(value) if status.is_success() => Ok(value),
            said => {
                let said = said.unwrap_or_default();
                let stranger = "it does not look like the private listener of a fetch node";
                let detail = said["detail"].as_str().unwrap_or(stranger);
                let failure = format!("{node} answers {}: {detail}", status.as_u16());
                let is_refused = status.is_client_error();
                let why = if is_refused { Unanswered::Refused } else { Unanswered::Unable };
                Err(why(Failure::new(failure)))
            }
        }
    }
}

/// Where a path of a node is.
fn at(node: &Url, path: &str) -> Url {
    let mut url = node.clone();
    url.set_path(path);
    url
}

/// How a node is called.
fn name(node: &Url) -> &str {
    node.as_str().trim_end_matches('/')
}

fn check_url(text: &str) -> Result<Url, Failure> {
    let is_node =
        |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/";
    text.parse::<Url>().ok().filter(is_node).ok_or_else(|| {
        Failure::configuration(format!(
            "--node is the private listener of a fetch node, http://HOST:7490, and not {text:?}"
        ))
    })
}

fn token(nodes: &Nodes) -> Result<AdminToken, Failure> {
    let file = nodes.admin_token_file.as_deref();
    let path = nodes.data_dir.join(ADMIN_TOKEN_FILE);
    let token = match secret("admin-token", nodes.admin_token.clone(), file)? {
        Some(token) => token,
        None if path.exists() => String::from_utf8_lossy(&read_file(&path)?).trim().to_owned(),
        None => {
            return Err(Failure::configuration(format!(
                "no admin token: {} does not exist; name the server's folder with --data-dir, or give \
                 --admin-token-file or NUDGE_ADMIN_TOKEN",
                path.display()
            )));
        }
    };
    AdminToken::new(token).map_err(Failure::configuration)
}

/// All that lies behind an error, down to what the system said.
fn causes(error: &dyn Error) -> String {
    let mut causes = Vec::new();
    let mut behind = error.source();
    while let Some(cause) = behind {
        causes.push(cause.to_string());
        behind = cause.source();
    }
    causes.join(": ")
}

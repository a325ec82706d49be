use std::time::Duration;

use nudge_fetch::auth::AdminToken;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::Answer;
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
    nodes: Vec<String>,
}

impl Asked {
    pub(super) fn new(nodes: &Nodes) -> Result<Self, Failure> {
        let http = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let urls = nodes.nodes.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Ok(Self { http, token: token(nodes)?, nodes: urls })
    }

    /// What every node says, of those that say something.
    pub(super) async fn all(&self, path: &str) -> Result<Vec<Answer>, Failure> {
        self.all_with(path, &[]).await
    }

    /// The same with a query.
    pub(super) async fn all_with(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Vec<Answer>, Failure> {
        let (mut answers, mut last) = (Vec::new(), None);
        for node in &self.nodes {
            let pairs = query.iter().map(|(name, value)| format!("{name}={value}"));
            let query = pairs.collect::<Vec<_>>().join("&");
            let request = self.request(Method::GET, node, &format!("{path}?{query}"));
            match answer(node, request).await {
                Ok(value) => answers.push((node.clone(), value)),
                Err(failure) => {
                    if self.nodes.len() > 1 {
                        eprintln!("nudge: {failure}");
                    }
                    last = Some(failure);
                }
            }
        }
        match last {
            Some(failure) if answers.is_empty() => Err(failure),
            _ => Ok(answers),
        }
    }

    /// Tells the first node that takes it: the others hear of it from there.
    pub(super) async fn tell(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let mut last = Failure::configuration("--node names nobody");
        for node in &self.nodes {
            match answer(node, self.request(Method::POST, node, path).json(body)).await {
                Ok(value) => return Ok(value),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    fn request(&self, method: Method, node: &str, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{node}/{path}")).bearer_auth(self.token.reveal())
    }
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

async fn answer(node: &str, request: RequestBuilder) -> Result<Value, Failure> {
    let unreachable = |error: reqwest::Error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let reason = cause.unwrap_or_else(|| error.to_string());
        Failure::new(format!("{node} does not answer: {reason}"))
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let value: Value = response.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok(value);
    }
    let detail = value["detail"].as_str().unwrap_or("it says no more");
    Err(Failure::new(format!("{node} answers {}: {detail}", status.as_u16())))
}

//! How many messages a second are durable, and what one costs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use nudge_proto::{
    ClientMessageId, RequestId,
    pb::content::{
        Conversation, ConversationKind, CreateConversationRequest, SendRequest, SendResponse,
        Session,
    },
};
use prost::Message;
use reqwest::{Client, Method};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    population::populate,
    report::Report,
    server::{Server, data_dir},
};
use crate::{cli::BenchSend, failure::Failure, machine};

/// Before the measurement begins.
const WARM_UP: Duration = Duration::from_secs(1);
const PROTOBUF: &str = "application/x-protobuf";

pub(super) async fn run(send: BenchSend) -> Result<(), Failure> {
    machine::raise_open_files()?;
    let folder = tempfile::tempdir()?;
    // Everybody has one to send to.
    let sessions = populate(&data_dir(&folder), 2 * send.senders).await?;
    let server = Server::start(folder, false).await?;
    let gauge = server.gauge();
    let caller =
        Arc::new(Caller { url: server.ready.url.clone(), http: Client::builder().build()? });
    let pairs = sessions.chunks_exact(2);
    let conversations = pairs.map(async |pair| caller.direct(&pair[0], &pair[1]).await);
    let conversations = try_join_all(conversations).await?;

    let body = vec![b'.'; send.body_bytes as usize];
    let stop = CancellationToken::new();
    let mut senders = JoinSet::new();
    for (pair, conversation) in sessions.chunks_exact(2).zip(conversations) {
        let sender = Sender {
            caller: Arc::clone(&caller),
            session: pair[0].clone(),
            conversation: conversation.id,
            body: body.clone(),
        };
        senders.spawn(sender.run(stop.clone()));
    }
    sleep(WARM_UP).await;
    let (began, cpu_before) = (Instant::now(), gauge.cpu()?);
    sleep(Duration::from_secs(send.seconds.into())).await;
    let cpu = gauge.cpu()?.saturating_sub(cpu_before);
    let ended = Instant::now();
    stop.cancel();

    let mut waits = Vec::new();
    while let Some(sent) = senders.join_next().await {
        let within = |sent: &Sent| sent.answered_at > began && sent.answered_at <= ended;
        waits.extend(sent??.into_iter().filter(within).map(|sent| sent.wait));
    }
    server.stop().await?;
    waits.sort_unstable();
    report(&send, &waits, ended - began, cpu)?.print(send.json)
}

struct Sent {
    answered_at: Instant,
    wait: Duration,
}

struct Sender {
    caller: Arc<Caller>,
    session: Session,
    conversation: String,
    body: Vec<u8>,
}

impl Sender {
    async fn run(self, stop: CancellationToken) -> Result<Vec<Sent>, Failure> {
        let request = SendRequest {
            content_type: "application/octet-stream".to_owned(),
            body: self.body.into(),
            media_ids: Vec::new(),
            ttl_s: None,
        };
        let mut sent = Vec::new();
        while !stop.is_cancelled() {
            let id = ClientMessageId::random();
            let path = format!("/v1/conversations/{}/messages/{id}", self.conversation);
            let began = Instant::now();
            let call = self.caller.call(&self.session, Method::PUT, &path, &request);
            let _: SendResponse = call.await?;
            let answered_at = Instant::now();
            sent.push(Sent { answered_at, wait: answered_at - began });
        }
        Ok(sent)
    }
}

struct Caller {
    url: String,
    http: Client,
}

impl Caller {
    async fn direct(&self, from: &Session, to: &Session) -> Result<Conversation, Failure> {
        let to = to.user.as_ref().map(|user| user.id.clone()).unwrap_or_default();
        let request = CreateConversationRequest {
            request_id: RequestId::random().to_string(),
            kind: ConversationKind::Direct.into(),
            member_ids: vec![to],
            title: String::new(),
        };
        self.call(from, Method::POST, "/v1/conversations", &request).await
    }

    async fn call<A: Message + Default>(
        &self,
        session: &Session,
        method: Method,
        path: &str,
        request: &impl Message,
    ) -> Result<A, Failure> {
        let answer = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&session.access_token)
            .header("Content-Type", PROTOBUF)
            .header("Accept", PROTOBUF)
            .body(request.encode_to_vec())
            .send()
            .await?
            .error_for_status()?;
        Ok(A::decode(answer.bytes().await?)?)
    }
}

fn report(
    send: &BenchSend,
    waits: &[Duration],
    time: Duration,
    cpu: Duration,
) -> Result<Report, Failure> {
    if waits.is_empty() {
        return Err(Failure::new(format!("no message was answered within {time:?}")));
    }
    let count = waits.len() as f64;
    let per_second = count / time.as_secs_f64();
    let cpu_us = cpu.as_secs_f64() * 1e6 / count;
    let cpu_percent = 100.0 * cpu.as_secs_f64() / time.as_secs_f64();
    let quantile_ms = |of: f64| {
        let at = ((count * of) as usize).min(waits.len() - 1);
        waits[at].as_secs_f64() * 1e3
    };
    let mut report = Report::new(format!(
        "Durable sends of {} bytes by {} senders at a time",
        send.body_bytes, send.senders
    ));
    report.add("senders", send.senders, "senders", send.senders);
    report.add("messages", waits.len(), "messages", waits.len());
    report.add("seconds", time.as_secs_f64(), "in", format!("{:.1} s", time.as_secs_f64()));
    report.add("sends_per_second", per_second, "rate", format!("{per_second:.0} a second"));
    for (name, label, of) in [
        ("wait_ms_p50", "half wait", 0.5),
        ("wait_ms_p99", "99 % wait", 0.99),
        ("wait_ms_max", "all wait", 1.0),
    ] {
        let ms = quantile_ms(of);
        report.add(name, ms, label, format!("{ms:.2} ms at most"));
    }
    report.add("cpu_us_per_message", cpu_us, "server CPU of each", format!("{cpu_us:.0} µs"));
    report.add("cpu_percent", cpu_percent, "server CPU", format!("{cpu_percent:.0} % of a core"));
    Ok(report)
}

//! The watch, from the side of a signal node.

mod hints;
mod nodes;
mod revocation;
mod sight;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::{FutureExt, SinkExt, StreamExt, channel::mpsc};
use nudge_fetch::{
    FetchParts,
    bus::{Bus, BusEvent, BusListener, LocalBus},
};
use nudge_proto::{
    CloseCode, InboxSeq, ticket,
    watch::{Down, DownStream, Hold, SessionKey, Up},
};

use crate::support::{Service, User};

/// A signal node, seen from the hub.
pub(crate) struct Node {
    up: mpsc::Sender<Vec<Up>>,
    down: DownStream,
    pending: Vec<Down>,
}

impl Node {
    pub(crate) async fn open(service: &Service) -> Self {
        let (up, batches) = mpsc::channel(16);
        let down = service.fetch.watch().open(batches.boxed()).await.unwrap();
        Self { up, down, pending: Vec::new() }
    }

    pub(crate) async fn next(&mut self) -> Down {
        while self.pending.is_empty() {
            let batch = tokio::time::timeout(Duration::from_secs(10), self.down.next());
            self.pending = batch.await.expect("nothing came down").unwrap().unwrap();
        }
        self.pending.remove(0)
    }

    /// Waits for what is asked for; the rest is passed over.
    async fn until(&mut self, is_it: impl Fn(&Down) -> bool) -> Down {
        loop {
            let down = self.next().await;
            if is_it(&down) {
                return down;
            }
        }
    }

    /// Waits until a user is told this head.
    async fn until_head(&mut self, user: &User<'_>, seq: u64) {
        let is_it = |down: &Down| {
            matches!(down, Down::Head { user_id, notice, .. }
                if user_id.to_string() == user.id && notice.head == InboxSeq(seq))
        };
        self.until(is_it).await;
    }

    /// What is there already.
    fn take_all(&mut self) -> Vec<Down> {
        while let Some(Some(Ok(batch))) = self.down.next().now_or_never() {
            self.pending.extend(batch);
        }
        std::mem::take(&mut self.pending)
    }

    /// Holds the user's device, and waits until it stands; the head it was told.
    pub(crate) async fn hold_first(&mut self, user: &User<'_>, session: SessionKey) -> InboxSeq {
        self.hold(user, session, 7, 1).await;
        loop {
            let down = self.next().await;
            if let Down::Held { session: held, head, .. } = down {
                assert_eq!(held, session);
                return head;
            }
            assert!(matches!(down, Down::Keys(_)), "{down:?}");
        }
    }

    async fn hold(&mut self, user: &User<'_>, session: u64, instance: u64, attempt: u32) {
        let hold = Hold { instance, attempt, ..hello(user, session) };
        self.up.send(vec![Up::Hold(hold)]).await.unwrap();
    }
}

/// Of a program's first connection.
fn hello(user: &User<'_>, session: SessionKey) -> Hold {
    Hold {
        session,
        user_id: user.id.parse().unwrap(),
        device_id: user.session["device_id"].as_str().unwrap().parse().unwrap(),
        instance: 7,
        attempt: 1,
        ticket_issued_at_s: 0,
        acked: None,
        known: None,
        late: false,
    }
}

#[tokio::test]
async fn the_keys_come_first_and_check_the_ticket_of_a_session() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let mut node = Node::open(&service).await;
    let Down::Keys(keys) = node.next().await else { panic!("no keys") };
    let ticket = URL_SAFE_NO_PAD.decode(ada.session["connect_ticket"].as_str().unwrap()).unwrap();
    let claims = ticket::verify(&keys, &ticket, 1_800_000_000).unwrap();
    assert_eq!(claims.user_id.to_string(), ada.id);
}

#[tokio::test]
async fn a_newer_connection_displaces_the_older_one_on_any_node() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let (mut here, mut there) = (Node::open(&service).await, Node::open(&service).await);
    here.next().await;
    there.next().await;
    here.hold(&ada, 1, 7, 1).await;
    here.next().await;
    there.hold(&ada, 1, 7, 2).await;
    assert!(matches!(there.next().await, Down::Held { .. }));
    let superseded = Down::Displaced { session: 1, code: CloseCode::Superseded };
    assert_eq!(here.next().await, superseded);
    here.hold(&ada, 2, 8, 1).await;
    assert!(matches!(here.next().await, Down::Held { .. }));
    let replaced = Down::Displaced { session: 1, code: CloseCode::Replaced };
    assert_eq!(there.next().await, replaced);
}

/// Tells nobody what moved and what was revoked.
#[derive(Debug, Default)]
struct DeafBus(LocalBus);

impl Bus for DeafBus {
    fn publish(&self, event: BusEvent) {
        if let BusEvent::Typing { .. } = event {
            self.0.publish(event);
        }
    }

    fn subscribe(&self) -> BusListener {
        self.0.subscribe()
    }
}

impl DeafBus {
    fn parts() -> FetchParts {
        FetchParts { bus: Some(Arc::new(Self::default())), ..FetchParts::default() }
    }
}

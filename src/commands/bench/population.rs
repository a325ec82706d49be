//! Users with a device each, put into the store before the server opens it.
//!
//! Over the API each would cost two password hashes, which are slow on purpose.

use std::{path::Path, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use nudge_fetch::{
    Clock, FetchConfig,
    auth::Auth,
    store::{NewAccount, OpenDevice, Store},
};
use nudge_proto::{DeviceId, RequestId, UserId, pb::content as pb};

use crate::{commands::migrate::open_store, failure::Failure};

/// Users made at a time: they share commits.
const AT_ONCE: usize = 256;

/// Makes `count` users in the store of `data_dir`, and answers a session of each.
pub(super) async fn populate(data_dir: &Path, count: u32) -> Result<Vec<pb::Session>, Failure> {
    let config = FetchConfig::new(data_dir.to_owned());
    let store = open_store(&config).await?;
    let clock = Clock::system();
    let auth = Auth::start(Arc::clone(&store), clock.clone()).await?;
    let made = stream::iter(0..count)
        .map(|number| inhabitant(store.as_ref(), &auth, &clock, number))
        .buffered(AT_ONCE)
        .try_collect()
        .await;
    store.close().await;
    made
}

async fn inhabitant(
    store: &dyn Store,
    auth: &Auth,
    clock: &Clock,
    number: u32,
) -> Result<pb::Session, Failure> {
    let now = clock.now();
    let account = NewAccount {
        user_id: UserId::random(),
        request_id: RequestId::random(),
        handle: format!("bench{number}").parse().map_err(Failure::new)?,
        display_name: String::new(),
        password_hash: None,
        now,
    };
    let user = store.create_account(account).await?.account.user;
    let device_id = DeviceId::random();
    let open =
        OpenDevice { user_id: user.id, device_id, name: "bench".to_owned(), refresh_chain: 1, now };
    let opened = store.open_device(open).await?;
    Ok(auth.issue(&user, device_id, 1, 1, opened.cursor)?)
}

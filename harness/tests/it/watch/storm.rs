//! Ten thousand sessions come back at once.

use futures::{SinkExt, StreamExt, channel::mpsc};
use nudge_fetch::{
    FetchConfig,
    store::{NewAccount, OpenDevice, UnixMs},
};
use nudge_harness::System;
use nudge_proto::{
    DeviceId, InboxSeq, RequestId, UserId,
    limits::DEVICES_PER_USER_MAX,
    watch::{Down, Generation, Hold, Known, Up, WATCH_BATCH_MAX, Watch},
};
use tokio::time::{Duration, Instant, timeout};

const SESSIONS: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sessions_that_come_back_at_once_are_told_the_difference_alone() {
    let system = System::builder().watch_over_grpc().start().await.unwrap();
    system.stop_fetch().await;
    let devices = populate(&system).await;
    system.start_fetch().await.unwrap();
    let first = come(&system, &devices, None).await;
    assert_eq!(first.len(), SESSIONS);
    let began = Instant::now();
    let again = come(&system, &devices, Some(&first)).await;
    eprintln!("{SESSIONS} sessions were held again after {:?}", began.elapsed());
    assert_eq!(again, first, "nothing has moved");
    system.shutdown().await;
}

/// Holds all of them on a new stream; what each was told.
async fn come(
    system: &System,
    devices: &[(UserId, DeviceId)],
    known: Option<&[Known]>,
) -> Vec<Known> {
    let (mut up, batches) = mpsc::channel(1);
    let mut down = system.grpc_watch().unwrap().open(batches.boxed()).await.unwrap();
    let holds: Vec<_> = devices
        .iter()
        .enumerate()
        .map(|(at, (user_id, device_id))| {
            Up::Hold(Hold {
                session: at as u64,
                user_id: *user_id,
                device_id: *device_id,
                instance: 1,
                attempt: 1,
                ticket_issued_at_s: 0,
                acked: None,
                known: known.map(|known| known[at]),
                late: false,
            })
        })
        .collect();
    let say = async {
        for batch in holds.chunks(WATCH_BATCH_MAX) {
            up.send(batch.to_vec()).await.unwrap();
        }
    };
    let hear = async {
        let nothing =
            Known { generation: Generation(0), epoch: Default::default(), head: InboxSeq::ZERO };
        let (mut told, mut held) = (vec![nothing; devices.len()], 0);
        while held < devices.len() {
            for item in down.next().await.unwrap().unwrap() {
                if let Down::Held { session, generation, epoch, head } = item {
                    told[session as usize] = Known { generation, epoch, head };
                    held += 1;
                } else {
                    assert!(matches!(item, Down::Keys(_)), "{item:?} is no difference");
                }
            }
        }
        told
    };
    let both = async { tokio::join!(say, hear).1 };
    timeout(Duration::from_secs(120), both).await.expect("they were not all held")
}

/// Users with as many devices as they may have, straight into the store.
async fn populate(system: &System) -> Vec<(UserId, DeviceId)> {
    let config = FetchConfig::new(system.data_dir());
    let store = config.database.open(&config.data_dir).await.unwrap();
    let now = UnixMs(1_800_000_000_000);
    let mut devices = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS.div_ceil(DEVICES_PER_USER_MAX) {
        let user_id = UserId::random();
        let account = NewAccount {
            user_id,
            request_id: RequestId::random(),
            handle: format!("user{number}").parse().unwrap(),
            display_name: String::new(),
            password_hash: None,
            now,
        };
        store.create_account(account).await.unwrap();
        let open = |_| OpenDevice {
            user_id,
            device_id: DeviceId::random(),
            name: String::new(),
            refresh_chain: 1,
            now,
        };
        let opens: Vec<_> =
            (0..DEVICES_PER_USER_MAX.min(SESSIONS - devices.len())).map(open).collect();
        devices.extend(opens.iter().map(|open| (open.user_id, open.device_id)));
        let opened =
            futures::future::join_all(opens.into_iter().map(|open| store.open_device(open)));
        assert!(opened.await.iter().all(Result::is_ok));
    }
    store.close().await;
    devices
}

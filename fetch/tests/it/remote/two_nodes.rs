//! Two nodes over HTTP, on one database.

use bytes::Bytes;
use nudge_fetch::{
    Fetch, FetchConfig, FetchError, FetchParts,
    objects::{ObjectError, ObjectsConfig, PlaceError},
    store::{Database, postgres::PostgresOptions},
};
use nudge_test_servers::Postgres;
use reqwest::Body;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::bucket::Bucket;
use crate::support::{Service, answer, noise};

fn database() -> Database {
    Database::Postgres(PostgresOptions::new(Postgres::shared().database()))
}

#[tokio::test]
async fn p6_an_upload_that_hangs_at_one_node_goes_on_at_another() {
    let database = database();
    let objects = ObjectsConfig::Remote(Bucket::shared().at(&uuid::Uuid::new_v4().to_string()));
    let both = |config: &mut FetchConfig| {
        config.database = database.clone();
        config.objects = objects.clone();
    };
    let here = Service::start_with(both, FetchParts::default()).await;
    let there = Service::start_with(both, FetchParts::default()).await;
    let ada = here.user("ada").await;
    let ada_there = there.again(ada.session.clone());
    let bytes = noise(13 << 20);
    let path = ada.create_upload(bytes.len() as u64, &[]).await;
    let (older, pieces) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let stale =
        tokio::spawn(answer(ada.append(&path, 0, Body::wrap_stream(ReceiverStream::new(pieces)))));
    for piece in bytes[..6 << 20].chunks(1 << 18) {
        older.send(Ok(Bytes::copy_from_slice(piece))).await.unwrap();
    }
    let mut offset = 0;
    while offset == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        offset = ada_there.upload_offset(&path).await;
    }
    assert_eq!(offset, 5 << 20, "a part was acknowledged");
    let rest = bytes[offset as usize..].to_vec();
    assert_eq!(ada_there.append(&path, offset, rest).send().await.unwrap().status(), 204);
    let _ = older.send(Ok(Bytes::from(vec![0xee; 1 << 20]))).await;
    drop(older);
    let (status, problem) = stale.await.unwrap();
    assert_eq!((status.as_u16(), problem["code"].as_str()), (409, Some("upload_taken_over")));
    let medium = path.rsplit('/').next().unwrap();
    assert!(ada.download(medium).await == bytes);
    assert!(ada_there.download(medium).await == bytes);
}

#[tokio::test]
async fn two_nodes_with_directories_of_their_own_are_not_one_system() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = database();
    let start = async |folder: &tempfile::TempDir, is_shared: bool| {
        let mut config = FetchConfig::new(folder.path().to_owned());
        config.database = database.clone();
        config.objects = ObjectsConfig::Directory { path: config.objects_path(), is_shared };
        Fetch::start(config).await
    };
    let refused = start(&first, false).await.unwrap_err();
    assert!(matches!(refused, FetchError::NotShared { .. }), "{refused}");
    assert!(refused.to_string().contains("--shared-directory"), "{refused}");
    let running = start(&first, true).await.unwrap();
    let refused = start(&second, true).await.unwrap_err();
    let is_elsewhere =
        matches!(refused, FetchError::Objects(ObjectError::Place(PlaceError::OtherPlace { .. })));
    assert!(is_elsewhere && refused.to_string().contains("elsewhere"), "{refused}");
    running.shutdown().await;
    start(&first, true).await.unwrap().shutdown().await;
}

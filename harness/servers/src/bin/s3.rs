//! An S3 server over a folder: `nudge-test-s3 PORT FOLDER ACCESS_KEY_ID SECRET_ACCESS_KEY`.
//!
//! Each folder in FOLDER is a bucket. What was begun is done, also when the client hangs up, and before it ends
//! by SIGTERM: like S3 itself, and unlike what is served here, which forgets a multipart upload before it has put
//! its object together.

use std::{env, net::Ipv4Addr, process::ExitCode, time::Duration};

use hyper::{
    Request,
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{HttpError, auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_util::task::TaskTracker;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [port, folder, key, secret] = arguments.as_slice() else {
        eprintln!("usage: nudge-test-s3 PORT FOLDER ACCESS_KEY_ID SECRET_ACCESS_KEY");
        return ExitCode::from(2);
    };
    match serve(port, folder, key, secret).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nudge-test-s3: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(
    port: &str,
    folder: &str,
    key: &str,
    secret: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let files = FileSystem::new(folder).map_err(|error| format!("{folder}: {error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(key, secret));
    let service = service.build();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?)).await?;
    let mut term = signal(SignalKind::terminate())?;
    let begun = TaskTracker::new();
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = term.recv() => break,
        };
        // Without it, answers wait some 40 ms for the client's acknowledgement.
        socket.set_nodelay(true)?;
        let (service, begun) = (service.clone(), begun.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let answering = begun.spawn(Service::call(&service, request));
                async move { answering.await.unwrap_or_else(|error| Err(HttpError::new(error.into()))) }
            });
            let connection = Builder::new(TokioExecutor::new());
            // A client that hangs up is no trouble.
            let _ = connection.serve_connection(TokioIo::new(socket), answer).await;
        });
    }
    drop(listener);
    begun.close();
    let _ = timeout(END_TIMEOUT, begun.wait()).await;
    Ok(())
}

/// What was begun must be done within this time.
const END_TIMEOUT: Duration = Duration::from_secs(5);

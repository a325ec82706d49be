//! An S3 server over a folder: `nudge-test-s3 PORT FOLDER ACCESS_KEY_ID SECRET_ACCESS_KEY`.
//!
//! Each folder in FOLDER is a bucket. Ends by SIGTERM.

use std::{env, net::Ipv4Addr, process::ExitCode};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

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
    loop {
        let (socket, _) = listener.accept().await?;
        // Without it, answers wait some 40 ms for the client's acknowledgement.
        socket.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let connection = Builder::new(TokioExecutor::new());
            // A client that hangs up is no trouble.
            let _ = connection.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

//! What media cost on their way out and in.

mod case;
mod disk;
mod load;
mod nginx;
mod table;

use std::{collections::BTreeMap, time::Duration};

use super::{gauge::Gauge, stand::Stand};
use crate::{cli::BenchMedia, failure::Failure, machine};
use case::{Case, Shape};
use disk::dd;
use load::Load;
use nginx::{Nginx, Sendfile};
use table::{Row, Table, Upload};

const MIB: u64 = 1 << 20;
/// Uploads are of this size.
const UPLOAD_MIB: u64 = 64;

/// One run of a case on a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    bytes: u64,
    seconds: f64,
    cpu: Duration,
}

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Nudge,
    Nginx(Sendfile),
}

/// The servers of a run, and what they hold.
struct Servers {
    plain: Stand,
    tls: Stand,
    /// The media's ids, of the plain server and of the one with TLS.
    media: BTreeMap<Shape, (String, String)>,
    nginx: Option<Nginx>,
}

pub(super) async fn run(media: BenchMedia) -> Result<(), Failure> {
    machine::raise_open_files()?;
    let tell = |what: &str| {
        if !media.json {
            eprintln!("{what}");
        }
    };
    let load = Load::choose(media.own_load, media.connections);
    let servers = Servers::start(&media).await?;
    let mut runs: BTreeMap<(Case, Subject), Vec<Sample>> = BTreeMap::new();
    for round in 1..=media.rounds {
        tell(&format!("round {round} of {}", media.rounds));
        for case in Case::all() {
            for subject in servers.subjects() {
                let sample = servers.download(&load, case, subject, media.mib.into()).await?;
                runs.entry((case, subject)).or_default().push(sample);
            }
        }
    }
    tell("uploads");
    let mut uploads = Vec::new();
    let mut disk = Vec::new();
    for _ in 0..media.rounds {
        uploads.push(servers.upload().await?);
        disk.push(dd(UPLOAD_MIB).await?);
    }
    let table = Table {
        load: load.name().to_owned(),
        mib: media.mib,
        rounds: media.rounds,
        connections: media.connections,
        nginx: servers.nginx.as_ref().map(|nginx| nginx.version().to_owned()),
        rows: rows(&runs),
        upload: Upload::of(&uploads, &disk),
    };
    servers.stop().await?;
    table.print(media.json)
}

impl Servers {
    async fn start(media: &BenchMedia) -> Result<Self, Failure> {
        let (plain, tls) = (Stand::start(false).await?, Stand::start(true).await?);
        let mut ids = BTreeMap::new();
        for shape in Shape::ALL {
            let size = shape.medium_bytes();
            let pair = (plain.upload(size).await?.id, tls.upload(size).await?.id);
            ids.insert(shape, pair);
        }
        let nginx = match (media.no_nginx, tls.certificate()) {
            (false, Some(certificate)) => Nginx::start(&plain.objects(), &certificate).await?,
            _ => None,
        };
        Ok(Self { plain, tls, media: ids, nginx })
    }

    fn subjects(&self) -> Vec<Subject> {
        let nginx = [Sendfile::On, Sendfile::Off].map(Subject::Nginx);
        let nginx = self.nginx.iter().flat_map(|_| nginx);
        std::iter::once(Subject::Nudge).chain(nginx).collect()
    }

    async fn download(
        &self,
        load: &Load,
        case: Case,
        subject: Subject,
        mib: u64,
    ) -> Result<Sample, Failure> {
        let (in_plain, in_tls) = &self.media[&case.shape];
        let (stand, id) =
            if case.protocol.is_tls() { (&self.tls, in_tls) } else { (&self.plain, in_plain) };
        let (url, gauge): (String, Gauge) = match (subject, &self.nginx) {
            (Subject::Nginx(sendfile), Some(nginx)) => {
                (nginx.url(case.protocol, sendfile, in_plain), nginx.gauge())
            }
            _ => (stand.url(&format!("/v1/media/{id}")), stand.gauge()),
        };
        let request = load::Request {
            url,
            token: stand.token(),
            range: case.shape.range(),
            protocol: case.protocol,
            bytes: case.shape.answer_bytes(),
            count: (mib * MIB).div_ceil(case.shape.answer_bytes()),
        };
        // What is made once is made, and the file is in the page cache.
        load.run(&request.clone().few(), stand).await?;
        let before = gauge.cpu()?;
        let seconds = load.run(&request, stand).await?;
        let cpu = gauge.cpu()?.saturating_sub(before);
        Ok(Sample { bytes: request.bytes * request.count, seconds, cpu })
    }

    async fn upload(&self) -> Result<Sample, Failure> {
        let gauge = self.plain.gauge();
        let before = gauge.cpu()?;
        let seconds = self.plain.upload(UPLOAD_MIB * MIB).await?.seconds;
        let cpu = gauge.cpu()?.saturating_sub(before);
        Ok(Sample { bytes: UPLOAD_MIB * MIB, seconds, cpu })
    }

    async fn stop(self) -> Result<(), Failure> {
        if let Some(nginx) = self.nginx {
            nginx.stop().await?;
        }
        self.plain.stop().await?;
        self.tls.stop().await
    }
}

impl Sample {
    fn mib(&self) -> f64 {
        self.bytes as f64 / MIB as f64
    }

    fn mib_per_second(&self) -> f64 {
        self.mib() / self.seconds.max(f64::MIN_POSITIVE)
    }

    fn cpu_seconds_per_gib(&self) -> f64 {
        self.cpu.as_secs_f64() * 1024.0 / self.mib()
    }
}

fn rows(runs: &BTreeMap<(Case, Subject), Vec<Sample>>) -> Vec<Row> {
    let of = |case, subject| runs.get(&(case, subject)).map(|runs| table::Cost::of(runs));
    Case::all()
        .filter_map(|case| {
            Some(Row {
                case,
                nudge: of(case, Subject::Nudge)?,
                sendfile: of(case, Subject::Nginx(Sendfile::On)),
                no_sendfile: of(case, Subject::Nginx(Sendfile::Off)),
            })
        })
        .collect()
}

//! NATS behind TLS with an authority of its own, and with every kind of login.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use nudge_fetch::bus::{
    Bus, BusEvent, BusListener, BusStatus, Heard, NatsOptions, RemoteBus, conformance::Wire,
};
use nudge_proto::Epoch;
use nudge_test_servers::{Nats, NatsLogin, NatsTls};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// An authority, and what it signed.
struct Authority {
    folder: TempDir,
}

impl Authority {
    /// Its server's certificate is for `name`.
    fn of_server(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut about = CertificateParams::new([]).unwrap();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        about.distinguished_name.push(DnType::CommonName, "an authority of its own");
        let key = KeyPair::generate().unwrap();
        let root = about.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(about, key);
        fs::write(folder.path().join("ca.pem"), root).unwrap();
        for (file, name) in [("server", name), ("client", "fetch-1")] {
            let mut about = CertificateParams::new([name.to_owned()]).unwrap();
            about.distinguished_name.push(DnType::CommonName, file);
            let key = KeyPair::generate().unwrap();
            let signed = about.signed_by(&key, &issuer).unwrap().pem();
            fs::write(folder.path().join(file).with_extension("pem"), signed).unwrap();
            fs::write(folder.path().join(file).with_extension("key"), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tls(&self, client_authority: Option<PathBuf>) -> NatsTls {
        NatsTls {
            certificate: self.file("server.pem"),
            key: self.file("server.key"),
            client_authority,
        }
    }
}

/// A server that asks for everything at once: TLS, a certificate, credentials.
struct Fortress {
    nats: Nats,
    authority: Authority,
}

impl Fortress {
    fn start() -> Self {
        let authority = Authority::of_server("127.0.0.1");
        let tls = Some(authority.tls(Some(authority.file("ca.pem"))));
        let nats = start(NatsLogin::Credentials, tls);
        Self { nats, authority }
    }

    fn options(&self) -> NatsOptions {
        let url = self.nats.url().replace("nats://", "tls://");
        read(&url)
            .authorities(self.authority.file("ca.pem"))
            .unwrap()
            .certificate(self.authority.file("client.pem"), self.authority.file("client.key"))
            .unwrap()
            .credentials(self.nats.login_file())
            .unwrap()
    }
}

#[async_trait]
impl Wire for Fortress {
    async fn join(&self, store_id: Uuid) -> Arc<dyn Bus> {
        Arc::new(RemoteBus::nats(self.options(), store_id))
    }
}

nudge_fetch::bus_conformance!(Fortress::start());

fn start(login: NatsLogin, tls: Option<NatsTls>) -> Nats {
    Nats::start_with(&nudge_test_servers::NatsOptions { login, tls }).unwrap()
}

fn read(url: &str) -> NatsOptions {
    url.parse().unwrap()
}

fn with_login(nats: &Nats, login: &str) -> String {
    nats.url().replace("nats://", &format!("nats://{login}@"))
}

fn password() -> NatsLogin {
    NatsLogin::Password { user: "ada".to_owned(), password: SECRET.to_owned() }
}

/// Right, and wrong: no line shows it.
const SECRET: &str = "p/ss:w@rd-7f3a";
const SECRET_IN_URL: &str = "p%2Fss%3Aw%40rd-7f3a";
const PATIENCE: Duration = Duration::from_secs(60);

async fn hear(listener: &mut BusListener, expected: &BusEvent) {
    let heard = async { while listener.hear().await != Heard::Event(expected.clone()) {} };
    timeout(PATIENCE, heard).await.expect("it is not heard");
}

async fn status_when(bus: &RemoteBus, is_it: impl Fn(&BusStatus) -> bool) -> BusStatus {
    let waited = async {
        loop {
            let status = bus.status();
            if is_it(&status) {
                return status;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("it stays {:?}", bus.status()))
}

/// Two nodes with these options hear each other.
async fn carries(options: &NatsOptions) {
    let store_id = Uuid::new_v4();
    let bus = || RemoteBus::nats(options.clone(), store_id);
    let (here, there) = (bus(), bus());
    let mut listener = there.subscribe();
    for bus in [&here, &there] {
        status_when(bus, |status| status.is_up).await;
    }
    let event = BusEvent::EpochChanged(Epoch(7));
    here.publish(event.clone());
    hear(&mut listener, &event).await;
    here.close().await;
    there.close().await;
}

/// A node with these options is down, and says in one line why.
async fn says(options: NatsOptions, expected: &str) {
    let bus = RemoteBus::nats(options, Uuid::new_v4());
    let why = status_when(&bus, |status| status.error.is_some()).await.error.unwrap();
    assert!(why.contains(expected), "{why:?} has no {expected:?}");
    assert!(!why.contains('\n') && !why.contains("7f3a"), "{why:?}");
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_login_is_let_in_and_nobody_else_is() {
    let nats = start(password(), None);
    carries(&read(&with_login(&nats, &format!("ada:{SECRET_IN_URL}")))).await;
    says(read(&with_login(&nats, "ada:7f3a")), "refuses this user with this password").await;
    says(read(&nats.url()), "wants a login").await;

    let nats = start(NatsLogin::Token(SECRET.to_owned()), None);
    carries(&read(&with_login(&nats, SECRET_IN_URL))).await;
    says(read(&with_login(&nats, "7f3a")), "refuses this token").await;

    let (nkey, other) = (start(NatsLogin::Nkey, None), start(NatsLogin::Nkey, None));
    carries(&read(&nkey.url()).credentials(nkey.login_file()).unwrap()).await;
    let stranger = read(&nkey.url()).credentials(other.login_file()).unwrap();
    says(stranger, "refuses the credentials of this file").await;

    let (jwt, other) = (start(NatsLogin::Credentials, None), start(NatsLogin::Credentials, None));
    carries(&read(&jwt.url()).credentials(jwt.login_file()).unwrap()).await;
    let stranger = read(&jwt.url()).credentials(other.login_file()).unwrap();
    says(stranger, "refuses the credentials of this file").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_trusted_by_its_authority_and_its_name_alone() {
    let (own, strange) = (Authority::of_server("127.0.0.1"), Authority::of_server("127.0.0.1"));
    let nats = start(password(), Some(own.tls(None)));
    let url = with_login(&nats, &format!("ada:{SECRET_IN_URL}"));
    carries(&read(&url).authorities(own.file("ca.pem")).unwrap()).await;
    let no_authority = "comes from no authority that is known here";
    says(read(&url).authorities(strange.file("ca.pem")).unwrap(), no_authority).await;
    says(read(&url), no_authority).await;

    let elsewhere = Authority::of_server("nats.example.org");
    let nats = start(NatsLogin::Nothing, Some(elsewhere.tls(None)));
    let options = read(&nats.url()).authorities(elsewhere.file("ca.pem")).unwrap();
    says(options, "is for another name").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_nothing_is_said_to_a_server_without_tls_when_tls_was_asked_for() {
    let authority = Authority::of_server("127.0.0.1");
    let nats = start(password(), None);
    let url = with_login(&nats, &format!("ada:{SECRET_IN_URL}"));
    let no_tls = "speaks no TLS";
    says(read(&url).authorities(authority.file("ca.pem")).unwrap(), no_tls).await;
    says(read(&url.replace("nats://", "tls://")), no_tls).await;
    let both = format!("{},tls://127.0.0.1:1", url);
    let bus = RemoteBus::nats(read(&both), Uuid::new_v4());
    status_when(&bus, |status| status.error.is_some()).await;
    assert!(!bus.status().is_up, "one tls:// stands for all");
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_shown_to_a_server_that_wants_one() {
    let fortress = Fortress::start();
    carries(&fortress.options()).await;
    let without = read(&fortress.nats.url())
        .authorities(fortress.authority.file("ca.pem"))
        .unwrap()
        .credentials(fortress.nats.login_file())
        .unwrap();
    let refused = "refuses the certificate of this node, or wants one";
    says(without.clone(), refused).await;
    let stranger = Authority::of_server("127.0.0.1");
    let strange = without.certificate(stranger.file("client.pem"), stranger.file("client.key"));
    says(strange.unwrap(), refused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_replaced_count_for_the_next_connection() {
    let (nats, other) = (start(NatsLogin::Nkey, None), start(NatsLogin::Nkey, None));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("login");
    fs::copy(other.login_file(), &file).unwrap();
    let options = read(&nats.url()).credentials(file.clone()).unwrap();
    let bus = RemoteBus::nats(options, Uuid::new_v4());
    status_when(&bus, |status| status.error.is_some()).await;
    fs::remove_file(&file).unwrap();
    let named = |status: &BusStatus| {
        status
            .error
            .as_ref()
            .is_some_and(|why| why.contains(&format!("{} cannot be read", file.display())))
    };
    status_when(&bus, named).await;
    fs::copy(nats.login_file(), &file).unwrap();
    status_when(&bus, |status| status.is_up).await;
    bus.close().await;
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_is_wrong() {
    let authority = Authority::of_server("127.0.0.1");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let key = authority.file("client.key");
    // One of an account signs for no user.
    let account = file("account", &nkeys::KeyPair::new_account().seed().unwrap());
    let nothing = folder.path().join("none");
    let nats = || read("nats://nats:4222");
    let no_login = "is neither a credentials file, as nsc writes it, nor a user's nkey seed";
    for (refused, path, expected) in [
        (nats().credentials(nothing.clone()), &nothing, "cannot be read"),
        (nats().credentials(key.clone()), &key, no_login),
        (nats().credentials(account.clone()), &account, no_login),
        (nats().authorities(nothing.clone()), &nothing, "cannot be read"),
        (nats().authorities(key.clone()), &key, "has no certificate in PEM"),
        (
            nats().certificate(authority.file("client.pem"), authority.file("ca.pem")),
            &authority.file("ca.pem"),
            "has no private key in PEM",
        ),
    ] {
        let message = refused.unwrap_err().to_string();
        assert!(message.starts_with(path.to_str().unwrap()), "{message}");
        assert!(message.contains(expected) && !message.contains("SA"), "{message}");
    }
    let nats = start(NatsLogin::Nkey, None);
    let twice = read("nats://ada:sesame@nats:4222").credentials(nats.login_file());
    let message = twice.unwrap_err().to_string();
    assert!(message.contains("another one in") && !message.contains("sesame"), "{message}");
}

use super::*;

fn read(urls: &str) -> Result<NatsOptions, InvalidNats> {
    urls.parse()
}

#[test]
fn a_url_says_where_and_who() {
    let password = |user: &str, password: &str| Login::Password {
        user: user.into(),
        password: password.into(),
    };
    for (urls, login) in [
        ("nats://127.0.0.1:4222", Login::Nobody),
        ("tls://nats.example.org", Login::Nobody),
        ("nats://ada:p%40ss%3A@nats:4222", password("ada", "p@ss:")),
        ("nats://s3cret@nats:4222", Login::Token("s3cret".into())),
        ("nats://ada:x@a, nats://b", password("ada", "x")),
        ("nats://ada:x@a,nats://ada:x@b", password("ada", "x")),
    ] {
        let options = read(urls).unwrap();
        assert!(options.login == login, "{urls}: {options:?}");
        assert_eq!(options.servers().len(), urls.split(',').count());
        assert!(options.servers().iter().all(|server| server.username().is_none()));
    }
    assert!(read("nats://nats, tls://nats-2").unwrap().needs_tls());
    assert!(!read("nats://nats").unwrap().needs_tls());
}

#[test]
fn what_is_no_server_is_refused_with_what_to_write() {
    for (urls, expected) in [
        ("http://nats:4222", "the scheme \"http\" is not of NATS"),
        ("nats:4222", "\"nats:4222\" is no URL of a NATS server (it has no host)"),
        ("nats", "\"nats\" is no URL of a NATS server"),
        ("nats://", "is no URL of a NATS server"),
        ("", "\"\" is no URL of a NATS server"),
        ("nats://a,,nats://b", "\"\" is no URL of a NATS server"),
        ("nats://ada:x@a,nats://bob:y@b", "one login"),
        ("nats://ada:sesame@nats:port", "\"nats:port\" is no URL of a NATS server"),
    ] {
        let message = read(urls).unwrap_err().to_string();
        assert!(message.contains(expected), "{urls}: {message}");
        assert!(!message.contains("sesame"), "{message}");
    }
}

#[test]
fn p8_printed_options_have_no_secrets() {
    for options in
        [read("nats://ada:sesame@nats:4222").unwrap(), read("nats://sesame@nats:4222").unwrap()]
    {
        let printed = format!("{options:?}");
        assert!(printed.contains("nats:4222") && !printed.contains("sesame"), "{printed}");
    }
}

#[test]
fn a_subject_prefix_is_words_with_dots_between() {
    let options = read("nats://nats").unwrap();
    assert_eq!(options.clone().under("acme.nudge-1").unwrap().subject_prefix(), "acme.nudge-1");
    for prefix in ["", ".", "a.", "a..b", "a.*", ">", "a b"] {
        let refused = options.clone().under(prefix);
        assert_eq!(refused, Err(InvalidNats::SubjectPrefix(prefix.to_owned())));
    }
}

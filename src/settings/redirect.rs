use std::time::Duration;

use clap::{Args, ValueEnum};
use nudge_fetch::{
    Network,
    config::RedirectConfig,
    media::redirect::{RedirectRules, Redirected},
};

/// Which downloads go to the object store itself.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub(crate) struct RedirectSettings {
    /// Whether downloads are sent to the object store itself, by a URL that is good for some minutes. Whoever
    /// has the URL can read the medium for that time, even after a revocation
    #[arg(long, env = "NUDGE_MEDIA_REDIRECT", default_value = "never")]
    pub(crate) media_redirect: RedirectChoice,
    /// Media of fewer bytes are never sent there
    #[arg(long, env = "NUDGE_MEDIA_REDIRECT_FROM_BYTES", value_name = "BYTES", default_value_t = 1 << 20)]
    pub(crate) media_redirect_from_bytes: u64,
    /// Only clients of this network are sent there, as 10.0.0.0/8; may be given several times [default: all]
    #[arg(
        long = "media-redirect-network",
        env = "NUDGE_MEDIA_REDIRECT_NETWORKS",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    pub(crate) media_redirect_networks: Vec<Network>,
    /// Seconds for which such a URL is good
    #[arg(long, env = "NUDGE_MEDIA_REDIRECT_S", value_name = "SECONDS", default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(10..=3600))]
    pub(crate) media_redirect_s: u64,
    /// The object store's endpoint as clients know it [default: the one that this node uses]
    #[arg(long, env = "NUDGE_MEDIA_REDIRECT_ENDPOINT", value_name = "URL")]
    pub(crate) media_redirect_endpoint: Option<String>,
}

/// Who is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RedirectChoice {
    /// Nobody
    Never,
    /// Who asks for it with "Prefer: redirect"
    Preferred,
    /// Who does not refuse it with "Prefer: redirect=no"
    Always,
}

impl RedirectSettings {
    pub(super) fn config(self) -> Option<RedirectConfig> {
        let who = match self.media_redirect {
            RedirectChoice::Never => return None,
            RedirectChoice::Preferred => Redirected::WhoPrefersIt,
            RedirectChoice::Always => Redirected::WhoDoesNotRefuse,
        };
        let rules = RedirectRules {
            who,
            from_bytes: self.media_redirect_from_bytes,
            networks: self.media_redirect_networks,
            time: Duration::from_secs(self.media_redirect_s),
        };
        Some(RedirectConfig { rules, endpoint: self.media_redirect_endpoint })
    }
}

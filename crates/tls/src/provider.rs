//! The cryptography: aws-lc-rs, with the post-quantum exchange first unless it is turned off.

use rustls::{
    NamedGroup, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
};
use std::sync::{Arc, LazyLock};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| aws_lc_rs::default_provider().into());

/// Everything.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    PROVIDER.clone()
}

/// Everything but hybrid key exchanges.
pub(crate) fn classic() -> Arc<CryptoProvider> {
    let mut classic = (**PROVIDER).clone();
    classic.kx_groups.retain(|group| {
        matches!(group.name(), NamedGroup::X25519 | NamedGroup::secp256r1 | NamedGroup::secp384r1)
    });
    classic.into()
}

static TLS13_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

impl MinVersion {
    pub(crate) fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12 => rustls::ALL_VERSIONS,
            Self::Tls13 => TLS13_ONLY,
        }
    }
}

use std::fmt;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// The region of a server that has none of its own, and the one that AWS
/// answers from when nobody names another.
const ANY_REGION: &str = "us-east-1";

/// What a client of an AWS service needs; what is not given comes from the
/// usual AWS chain (environment, profile, web identity, container, instance).
#[derive(Clone, Debug, Default)]
pub struct AwsSettings {
    /// Where the service answers, if it is not AWS's own or `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: Option<String>,
    /// Who we are.
    pub access_key: Option<AccessKey>,
    /// How long to wait for what.
    pub patience: Patience,
}

/// A name and its secret, which no `Debug` shows.
#[derive(Clone)]
pub struct AccessKey {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").finish_non_exhaustive()
    }
}

/// How long to wait for an object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// From the request to the first byte of the answer.
    pub answer: Duration,
    /// In a body that we are waiting for: in as much time spent waiting, at
    /// least `floor` bytes must come. Time in which nobody asks for bytes does
    /// not count.
    pub stall: Duration,
    /// In bytes for each `stall`.
    pub floor: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            floor: 16 * 1024,
        }
    }
}

/// How every AWS client of this program is made: one TLS stack, our own
/// timeouts, and no retries of the SDK's, for [`retry`](crate::retry) is the
/// one place that tries again. A body that rests because *we* read slowly is
/// no error either.
pub async fn aws_config(settings: &AwsSettings) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.patience.connect)
        .read_timeout(settings.patience.answer)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(
            Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_https(),
        )
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(region) = region(settings) {
        loader = loader.region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(key) = &settings.access_key {
        let credentials = Credentials::new(&key.id, &key.secret, None, None, "settings");
        loader = loader.credentials_provider(credentials);
    }
    let config = loader.load().await;
    if config.region().is_some() {
        return config;
    }
    config
        .into_builder()
        .region(Region::from_static(ANY_REGION))
        .build()
}

/// None where the usual chain shall find it. A server of one's own has no
/// region, and asking the instance metadata for one would only cost seconds.
fn region(settings: &AwsSettings) -> Option<RegionProviderChain> {
    if let Some(region) = &settings.region {
        return Some(RegionProviderChain::first_try(Region::new(region.clone())));
    }
    settings.endpoint.as_ref()?;
    let local = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    Some(local.or_else(ANY_REGION))
}

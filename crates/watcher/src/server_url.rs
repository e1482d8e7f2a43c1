use std::fmt;

use url::Url;

/// Where a server answers. It may hold a password, and shows neither that nor the
/// user's name.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(Url);

impl ServerUrl {
    /// None if this is no URL with a host and one of these schemes, or if what looks
    /// like a part of its password stands where it would be shown.
    #[must_use]
    pub fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let known = schemes.contains(&url.scheme());
        let sound = url.has_host() && !url.path().contains('@');
        (known && sound).then_some(Self(url))
    }

    /// With all that it holds.
    pub(crate) fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{host}", self.0.scheme())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_no_secret() {
        let check = |text: &str, expect: Option<&str>| {
            let shown = ServerUrl::parse(text, &["nats", "amqp"]);
            assert_eq!(shown.map(|url| url.to_string()).as_deref(), expect);
        };
        check(
            "nats://me:hush@nats:4222?token=hush",
            Some("nats://nats:4222"),
        );
        check("amqp://me:hush@mq/%2f", Some("amqp://mq/%2f"));
        check("http://mq", None);
        check("mq", None);
        check("nats://me:1/hush@nats", None);
        let url = ServerUrl::parse("nats://me:hush@nats", &["nats"]).expect("a URL");
        assert_eq!(format!("{url:?}"), "ServerUrl(nats://nats)");
        assert_eq!(url.expose(), "nats://me:hush@nats");
    }
}

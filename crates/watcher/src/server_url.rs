use std::fmt;

use percent_encoding::percent_decode_str;
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
        let behind = format!("{}{}", url.path(), url.query().unwrap_or_default());
        let torn = behind.contains('@') || url.fragment().is_some();
        (known && url.has_host() && !torn).then_some(Self(url))
    }

    /// A URL that was looked at where it was typed. It need not name a host.
    #[must_use]
    pub fn of(url: Url) -> Self {
        Self(url)
    }

    /// With all that it holds.
    pub(crate) fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// The same for a client that is told by other means who we are, and writes into its
    /// log where it connects to.
    pub(crate) fn without_login(&self) -> String {
        let mut url = self.0.clone();
        // A URL without host has neither.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.into()
    }

    /// Who we are to the server: a name, and a password if there is one.
    pub(crate) fn login(&self) -> Option<(String, Option<String>)> {
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let user = Some(self.0.username()).filter(|user| !user.is_empty())?;
        Some((decoded(user), self.0.password().map(decoded)))
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
        // What should have been encoded ends the host's name too early.
        check("nats://me:1/hush@nats", None);
        check("nats://me:1?hush@nats", None);
        check("nats://me:1#hush@nats", None);
        check("nats://me:hush@nats?x=%40#hush", None);
        let url = ServerUrl::parse("nats://me:hush@nats", &["nats"]).expect("a URL");
        assert_eq!(format!("{url:?}"), "ServerUrl(nats://nats)");
        assert_eq!(url.expose(), "nats://me:hush@nats");
        assert_eq!(url.without_login(), "nats://nats");
    }

    #[test]
    fn a_login_is_read_as_it_was_meant() {
        let check = |text: &str, user: &str, password: Option<&str>| {
            let url = ServerUrl::parse(text, &["nats"]).expect(text);
            let expect = (user.to_owned(), password.map(str::to_owned));
            assert_eq!(url.login(), Some(expect));
        };
        check("nats://me:hu%40sh@nats", "me", Some("hu@sh"));
        check("nats://t%2Foken@nats", "t/oken", None);
        let none = ServerUrl::parse("nats://nats", &["nats"]).expect("a URL");
        assert_eq!(none.login(), None);
    }
}

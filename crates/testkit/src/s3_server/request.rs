use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

/// What a client asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `HEAD`…
    pub method: String,
    /// Empty where the request is about no bucket.
    pub bucket: String,
    /// Decoded; empty where the request is about no object.
    pub key: String,
    /// As it was sent, without the `?`.
    pub query: String,
    headers: hyper::HeaderMap,
}

impl Request {
    /// The value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether it asks for an object's bytes.
    pub fn is_get_object(&self) -> bool {
        self.method == "GET" && !self.key.is_empty()
    }

    /// Whether it asks what an object is.
    pub fn is_head_object(&self) -> bool {
        self.method == "HEAD" && !self.key.is_empty()
    }

    /// Whether it asks which objects a bucket has.
    pub fn is_list(&self) -> bool {
        self.method == "GET" && self.query.contains("list-type=2")
    }

    pub(super) fn of(request: &hyper::Request<Incoming>) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        Self {
            method: request.method().to_string(),
            bucket: decoded(bucket),
            key: decoded(key),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
        }
    }
}

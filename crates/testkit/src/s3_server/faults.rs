//! What goes wrong when a test says so.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use s3s::service::S3Service;
use s3s::{Body, HttpError, StdError};
use tokio::net::TcpStream;
use tokio::time;

use super::answers::IgnoreRange;
use super::request::Request;

/// What a request meets in place of a right answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An error in S3's shape: its status, its code, further headers.
    Error {
        /// The HTTP status.
        status: u16,
        /// `SlowDown`, `AccessDenied`, `InternalError`…
        code: &'static str,
        /// Names and values.
        headers: Vec<(&'static str, String)>,
    },
    /// Nothing is ever answered; the connection stays open.
    Hang,
    /// The connection is reset before an answer.
    Reset,
    /// The connection is closed after so many bytes of a body that was to be longer.
    CutBody {
        /// Bytes of the body that still come.
        after: u64,
    },
    /// The same, but it is reset, as by a machine that went away.
    ResetBody {
        /// Bytes of the body that still come, unless the reset overtakes them.
        after: u64,
    },
    /// After so many bytes of the body nothing more comes; the connection stays open.
    StallBody {
        /// Bytes of the body that still come.
        after: u64,
    },
    /// Every block of the body comes so much later than the one before.
    SlowBody {
        /// The time between two blocks (of at most 64 KiB).
        pause: Duration,
    },
    /// 200 and the whole object, whatever range was asked for.
    IgnoreRange,
    /// A wrong `Content-Range`.
    ContentRange(String),
    /// Another ETag; quotes, and `W/`, are the caller's.
    ETag(String),
    /// A further header: its name in small letters, and its value.
    Header(&'static str, String),
}

impl Fault {
    /// An error in S3's shape without further headers.
    pub fn error(status: u16, code: &'static str) -> Self {
        Self::Error {
            status,
            code,
            headers: Vec::new(),
        }
    }
}

type Rule = Arc<dyn Fn(&Request) -> Option<Fault> + Send + Sync>;

/// The faults that were ordered, and the requests that came.
#[derive(Default)]
pub(super) struct Faults(Mutex<Ordered>);

#[derive(Default)]
struct Ordered {
    next: VecDeque<Fault>,
    rules: Vec<Rule>,
    requests: Vec<Request>,
}

impl Faults {
    pub(super) fn next(&self, fault: Fault) {
        self.lock().next.push_back(fault);
    }

    pub(super) fn on(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    pub(super) fn heal(&self) {
        let mut ordered = self.lock();
        ordered.next.clear();
        ordered.rules.clear();
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// Answers with the service, or as the fault wants it. An error ends the connection.
    pub(super) async fn answer(
        &self,
        mut request: hyper::Request<Incoming>,
        service: &S3Service,
        hangup: &Hangup,
    ) -> Result<Response<Body>, HttpError> {
        let fault = self.fault_for(Request::of(&request));
        match &fault {
            Some(Fault::Error {
                status,
                code,
                headers,
            }) => return error(*status, code, headers),
            Some(Fault::Hang) => return std::future::pending().await,
            Some(Fault::Reset) => {
                hangup.with_a_reset();
                return Err(HttpError::new("a reset was ordered".into()));
            }
            Some(Fault::IgnoreRange) => {
                request.extensions_mut().insert(IgnoreRange);
            }
            _ => {}
        }
        let answer = service.call(request.map(Body::from)).await?;
        let Some(fault) = fault else {
            return Ok(answer);
        };
        spoil(answer, fault, hangup)
    }

    fn fault_for(&self, request: Request) -> Option<Fault> {
        let rules = {
            let mut ordered = self.lock();
            ordered.requests.push(request.clone());
            if let Some(fault) = ordered.next.pop_front() {
                return Some(fault);
            }
            ordered.rules.clone()
        };
        // Outside of the lock, for a rule may use the server.
        rules.iter().find_map(|rule| rule(&request))
    }

    fn lock(&self) -> MutexGuard<'_, Ordered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("next", &self.lock().next)
            .finish_non_exhaustive()
    }
}

/// A second hold on the connection's socket, to say how it shall end.
pub(super) struct Hangup(OwnedFd);

impl Hangup {
    pub(super) fn of(socket: &TcpStream) -> io::Result<Self> {
        Ok(Self(socket.as_fd().try_clone_to_owned()?))
    }

    /// Closing it will send RST and forget what was not sent yet.
    fn with_a_reset(&self) {
        // Should it fail, the client sees a close in place of a reset.
        let _ = rustix::net::sockopt::set_socket_linger(&self.0, Some(Duration::ZERO));
    }

    fn clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

fn error(
    status: u16,
    code: &str,
    headers: &[(&'static str, String)],
) -> Result<Response<Body>, HttpError> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Error><Code>{code}</Code><Message>ordered by the test</Message></Error>"
    );
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).map_err(own_error)?;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    for (name, value) in headers {
        let value = HeaderValue::try_from(value).map_err(own_error)?;
        answer
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    Ok(answer)
}

fn spoil(
    mut answer: Response<Body>,
    fault: Fault,
    hangup: &Hangup,
) -> Result<Response<Body>, HttpError> {
    let (name, value) = match fault {
        Fault::ContentRange(value) => (CONTENT_RANGE, value),
        Fault::ETag(value) => (ETAG, value),
        Fault::Header(name, value) => (HeaderName::from_static(name), value),
        Fault::CutBody { after } => {
            return Ok(answer.map(|body| end_after(body, after, End::Close)));
        }
        Fault::ResetBody { after } => {
            let end = End::Reset(hangup.clone().map_err(own_error)?);
            return Ok(answer.map(|body| end_after(body, after, end)));
        }
        Fault::StallBody { after } => {
            return Ok(answer.map(|body| end_after(body, after, End::Stall)));
        }
        Fault::SlowBody { pause } => return Ok(answer.map(|body| slow(body, pause))),
        Fault::Error { .. } | Fault::Hang | Fault::Reset | Fault::IgnoreRange => return Ok(answer),
    };
    answer
        .headers_mut()
        .insert(name, HeaderValue::try_from(value).map_err(own_error)?);
    Ok(answer)
}

enum End {
    Close,
    Reset(Hangup),
    Stall,
}

/// How long what was written may take to leave before the connection is broken.
const FLUSH: Duration = Duration::from_millis(50);

fn end_after(body: Body, after: u64, end: End) -> Body {
    let state = (body, after, end);
    into_body(stream::unfold(state, async |(mut body, left, end)| {
        if left > 0 {
            let mut bytes = match body.next().await? {
                Ok(bytes) => bytes,
                Err(error) => return Some((Err(error), (body, left, end))),
            };
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            let left = left - bytes.len() as u64;
            return Some((Ok(bytes), (body, left, end)));
        }
        if matches!(end, End::Stall) {
            return std::future::pending().await;
        }
        time::sleep(FLUSH).await;
        if let End::Reset(hangup) = &end {
            hangup.with_a_reset();
        }
        Some((Err("a cut was ordered".into()), (body, left, end)))
    }))
}

fn slow(body: Body, pause: Duration) -> Body {
    into_body(body.then(move |block| async move {
        time::sleep(pause).await;
        block
    }))
}

fn into_body(blocks: impl Stream<Item = Result<Bytes, StdError>> + Send + 'static) -> Body {
    Body::http_body_unsync(StreamBody::new(blocks.map(|block| block.map(Frame::data))))
}

fn own_error(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(Box::new(error))
}

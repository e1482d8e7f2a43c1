use std::collections::BTreeMap;
use std::time::Duration;

use arrivage_model::LOCAL_BUCKET;
use arrivage_watcher::ServerUrl;
pub(crate) use arrivage_watcher::{
    AmqpSource, FolderSource, ListingSource, NatsSource, Source, SqsSource, TableSource,
    UnreadablePolicy as Unreadable, WebhookSource,
};

use super::database::{Database, DatabaseUrl};
use super::rules::{at_least, name, unique};
use super::sections::{Http, Token};
use super::{paths, sections};
use crate::settings::{self, Key, List, Place, Reader, Typed};

/// What `[[source]]` says.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) all: Option<Vec<Source>>,
    /// The paths of the folders, which may be usable where a source of another kind
    /// is not.
    pub(super) folders: Option<BTreeMap<String, String>>,
    /// What senders have to show to the webhook source.
    pub(super) webhook_token: Option<Token>,
}

pub(super) fn sources(
    typed: &List<settings::Source>,
    folder: &str,
    database: Option<&Database>,
    http: Option<&Http>,
    reader: &mut Reader<'_>,
) -> Sources {
    let mut webhooks = BTreeMap::new();
    let mut webhook_token = None;
    let mut sources = Vec::new();
    let mut folders = Vec::new();
    let mut names = BTreeMap::new();
    let mut paths = BTreeMap::new();
    for typed in typed {
        let source = typed
            .as_ref()
            .and_then(|typed| source(typed, folder, database, reader));
        if let (Some(source), Some(typed)) = (&source, typed) {
            unique("name", source.name(), &typed.place, &mut names, reader);
        }
        if let Some(typed) = typed
            && let settings::Source::Webhook(webhook) = &typed.value
        {
            // All senders come to one place.
            unique("kind", "webhook", &typed.place, &mut webhooks, reader);
            webhook_token = sections::token(&webhook.token, http.map(|http| http.listen), reader);
        }
        match (&source, typed) {
            (Some(Source::Folder(source)), Some(typed)) => {
                let path = source.path.to_string_lossy().into_owned();
                unique("path", &path, &typed.place, &mut paths, reader);
                folders.push(Some((source.name.clone(), path)));
            }
            // A folder, or of an unknown kind.
            (None, None) => folders.push(None),
            (None, Some(typed)) if matches!(typed.value, settings::Source::Folder(_)) => {
                folders.push(None);
            }
            _ => {}
        }
        sources.push(source);
    }
    Sources {
        all: sources.into_iter().collect(),
        folders: folders.into_iter().collect(),
        webhook_token,
    }
}

fn source(
    typed: &Typed<settings::Source>,
    folder: &str,
    database: Option<&Database>,
    reader: &mut Reader<'_>,
) -> Option<Source> {
    match &typed.value {
        settings::Source::Sqs(typed) => sqs_source(typed, reader).map(Source::Sqs),
        settings::Source::Folder(typed) => folder_source(typed, folder, reader).map(Source::Folder),
        settings::Source::Listing(typed) => listing_source(typed, reader).map(Source::Listing),
        settings::Source::Webhook(typed) => webhook_source(typed, reader).map(Source::Webhook),
        settings::Source::Nats(typed) => nats_source(typed, folder, reader).map(Source::Nats),
        settings::Source::Amqp(typed) => amqp_source(typed, reader).map(Source::Amqp),
        settings::Source::EventTable(table) => {
            table_source(table, &typed.place, database, reader).map(Source::Table)
        }
    }
}

fn sqs_source(typed: &settings::Sqs, reader: &mut Reader<'_>) -> Option<SqsSource> {
    let queue_url = typed.queue_url.get()?.0;
    let queue = queue_url.rsplit('/').find(|part| !part.is_empty());
    Some(SqsSource {
        name: name_or(&typed.name, queue.unwrap_or_default(), reader)?,
        endpoint: typed.endpoint.get().map(|url| url.0),
        region: typed.region.get(),
        unreadable: typed.unreadable.get()?,
        queue_url,
    })
}

fn folder_source(
    typed: &settings::Folder,
    folder: &str,
    reader: &mut Reader<'_>,
) -> Option<FolderSource> {
    let path = typed.path.typed();
    if let Some(path) = path
        && path.is_empty()
    {
        reader.complain(&path.place, "it is empty");
    }
    let typed_name = typed.name.typed()?;
    let name = name(typed_name, reader)?;
    if name == LOCAL_BUCKET || name.contains('/') {
        let message =
            "a folder's name has no / and is not \"local\", which means the whole file system";
        reader.complain(&typed_name.place, message);
    }
    Some(FolderSource {
        name,
        path: paths::absolute(folder, path?).into(),
        settle: typed.settle.get()?,
    })
}

fn listing_source(typed: &settings::Listing, reader: &mut Reader<'_>) -> Option<ListingSource> {
    at_least(&typed.every, Duration::from_secs(1), "1s", reader);
    let location = typed.url.get()?.0;
    Some(ListingSource {
        name: name_or(&typed.name, &location.to_string(), reader)?,
        location,
        every: typed.every.get()?,
        since: typed.since.get().map(|since| since.0),
    })
}

fn webhook_source(typed: &settings::Webhook, reader: &mut Reader<'_>) -> Option<WebhookSource> {
    Some(WebhookSource {
        name: name_or(&typed.name, "webhook", reader)?,
        unreadable: typed.unreadable.get()?,
    })
}

fn nats_source(
    typed: &settings::Nats,
    folder: &str,
    reader: &mut Reader<'_>,
) -> Option<NatsSource> {
    let url = server_url(typed.url.typed()?, &["nats", "tls"], reader);
    let stream = subject_part(&typed.stream, reader);
    let consumer = subject_part(&typed.consumer, reader);
    let (stream, consumer) = (stream?, consumer?);
    let credentials = typed.credentials.get();
    Some(NatsSource {
        name: name_or(&typed.name, &format!("{stream}/{consumer}"), reader)?,
        url: url?,
        credentials: credentials.map(|path| paths::absolute(folder, &path).into()),
        stream,
        consumer,
        subject: typed.subject.get(),
        unreadable: typed.unreadable.get()?,
    })
}

/// What NATS puts into a subject of its own has no dots, blanks or wildcards.
fn subject_part(typed: &Key<String>, reader: &mut Reader<'_>) -> Option<String> {
    let typed = typed.typed()?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c);
    if typed.is_empty() || typed.contains(odd) {
        let message = "a name of NATS has no blanks and none of . * > / \\";
        reader.complain(&typed.place, message);
        return None;
    }
    Some(typed.value.clone())
}

fn amqp_source(typed: &settings::Amqp, reader: &mut Reader<'_>) -> Option<AmqpSource> {
    let url = server_url(typed.url.typed()?, &["amqp", "amqps"], reader);
    let queue = typed.queue.typed()?;
    let queue = name(queue, reader)?;
    Some(AmqpSource {
        name: name_or(&typed.name, &queue, reader)?,
        url: url?,
        queue,
        unreadable: typed.unreadable.get()?,
    })
}

fn table_source(
    typed: &settings::EventTable,
    place: &Place,
    database: Option<&Database>,
    reader: &mut Reader<'_>,
) -> Option<TableSource> {
    at_least(&typed.poll, Duration::from_millis(10), "10ms", reader);
    let schemes = ["postgres", "postgresql"];
    let url = match (&typed.url, database.map(|database| &database.url)) {
        (Key::Here(url), _) => server_url(url, &schemes, reader),
        (Key::Unusable, _) | (Key::Absent, None) => None,
        (Key::Absent, Some(DatabaseUrl::Postgres(url))) => Some(ServerUrl::of(url.clone())),
        (Key::Absent, Some(DatabaseUrl::Sqlite(_))) => {
            let message = "missing; [database] is SQLite, and MinIO writes to PostgreSQL";
            reader.complain(&place.key("url"), message);
            None
        }
    };
    let table = typed.table.get()?;
    Some(TableSource {
        name: name_or(&typed.name, &table.to_string(), reader)?,
        url: url?,
        table,
        poll: typed.poll.get()?,
        unreadable: typed.unreadable.get()?,
    })
}

/// No complaint quotes it, for it may hold a password.
fn server_url(
    typed: &Typed<settings::Secret>,
    schemes: &[&str],
    reader: &mut Reader<'_>,
) -> Option<ServerUrl> {
    let url = ServerUrl::parse(&typed.0, schemes);
    if url.is_none() {
        let expected: Vec<String> = schemes
            .iter()
            .map(|scheme| format!("{scheme}://…"))
            .collect();
        let message = format!(
            "expected {}; in names and passwords write /, ?, # and @ as %2F, %3F, %23 and %40",
            expected.join(" or ")
        );
        reader.complain(&typed.place, message);
    }
    url
}

/// A name that was typed, else this one.
fn name_or(typed: &Key<String>, default: &str, reader: &mut Reader<'_>) -> Option<String> {
    match typed.typed() {
        Some(typed) => name(typed, reader),
        None => Some(default.to_owned()),
    }
}

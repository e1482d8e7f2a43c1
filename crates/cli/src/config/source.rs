use std::collections::BTreeMap;
use std::time::Duration;

use arrivage_model::LOCAL_BUCKET;
pub(crate) use arrivage_watcher::{
    FolderSource, ListingSource, Source, SqsSource, UnreadablePolicy as Unreadable, WebhookSource,
};

use super::rules::{at_least, name, unique};
use super::sections::{Http, Token};
use super::{paths, sections};
use crate::settings::{self, Key, List, Reader, Typed};

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
            .and_then(|typed| source(typed, folder, reader));
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
    reader: &mut Reader<'_>,
) -> Option<Source> {
    match &typed.value {
        settings::Source::Sqs(typed) => sqs_source(typed, reader).map(Source::Sqs),
        settings::Source::Folder(typed) => folder_source(typed, folder, reader).map(Source::Folder),
        settings::Source::Listing(typed) => listing_source(typed, reader).map(Source::Listing),
        settings::Source::Webhook(typed) => webhook_source(typed, reader).map(Source::Webhook),
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

/// A name that was typed, else this one.
fn name_or(typed: &Key<String>, default: &str, reader: &mut Reader<'_>) -> Option<String> {
    match typed.typed() {
        Some(typed) => name(typed, reader),
        None => Some(default.to_owned()),
    }
}

use std::collections::BTreeSet;

use arrivage_ledger::RejectedRecord;
use utoipa::OpenApi;

use super::*;
use crate::openapi::Document;

fn document() -> Value {
    serde_json::to_value(Document::openapi()).expect("JSON")
}

#[tokio::test]
async fn every_route_is_in_the_document_and_nothing_else() {
    let world = World::new().await;
    let document = document();
    let described: BTreeSet<&String> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .collect();
    let routes = routes(CancellationToken::new());
    let served: BTreeSet<String> = routes
        .into_iter()
        .map(|(path, _)| path.to_owned())
        .collect();
    assert_eq!(described, served.iter().collect());
    for path in &served {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let head = format!(
                "{method} {} HTTP/1.1\nAuthorization: Bearer secret\nContent-Type: text/odd",
                path.replace("{id}", "x")
            );
            let described = document["paths"][path].get(method.to_ascii_lowercase());
            // It would not end by itself.
            if described.is_some() && path == "/v1/live" {
                continue;
            }
            let answer = world.send(&head, "").await;
            let is_taken = answer.status != 405;
            assert_eq!(
                is_taken,
                described.is_some(),
                "{method} {path}: {}",
                answer.head
            );
            if let Some(described) = described {
                let status = answer.status.to_string();
                let known = described["responses"].get(&status).is_some();
                assert!(known || answer.status == 401, "{method} {path}: {status}");
            }
        }
    }
    for path in ["/", "/notifications"] {
        assert!(document["paths"][path]["head"].is_object());
    }
}

#[tokio::test]
async fn the_document_is_served_and_its_references_lead_somewhere() {
    let world = World::new().await;
    let answer = world.get("/openapi.json").await;
    let served = answer.json();
    assert_eq!(served, document());
    assert_eq!(served["openapi"], "3.1.0");
    let mut references = Vec::new();
    collect(&served, &mut references);
    assert!(references.len() > 10, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within");
        assert!(served.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value.as_str() {
                    Some(to) if key == "$ref" => references.push(to.to_owned()),
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn rows_have_the_columns_that_the_document_says() {
    let world = World::new().await;
    world.register(&["a.csv"]).await;
    let arrival = world.get("/v1/arrivals/1").await.json();
    check("ArrivalRow", &arrival);
    let reject = RejectedRecord {
        arrival_id: ArrivalId(1),
        record: 1,
        line: 2,
        byte_offset: 3,
        column_name: None,
        reason_code: "ragged".to_owned(),
        reason: "why".to_owned(),
        raw: "x".to_owned(),
        rejected_at: "2026-11-22T00:00:00Z".parse().expect("a time"),
    };
    check("RejectRow", &serde_json::to_value(reject).expect("JSON"));
    let pipelines = world.get("/v1/pipelines").await.json();
    check("PipelineRow", &pipelines["items"][0]);
}

/// The columns, in order; and none is null that may not be.
#[track_caller]
fn check(schema: &str, row: &Value) {
    let document = document();
    let schema = &document["components"]["schemas"][schema];
    let described = schema["properties"].as_object().expect("properties");
    let row = row.as_object().expect("a row");
    let columns: BTreeSet<&String> = row.keys().collect();
    assert_eq!(described.keys().collect::<BTreeSet<_>>(), columns);
    for (name, value) in row {
        let kind = &described[name]["type"];
        let kinds = match kind.as_array() {
            Some(kinds) => kinds.clone(),
            None => vec![kind.clone()],
        };
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        assert!(kinds.contains(&is.into()), "{name} is {is}, not {kinds:?}");
    }
}

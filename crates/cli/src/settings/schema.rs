use serde_json::{Value, json};

use super::reader::Shape;
use super::table::Field;

/// The JSON Schema of a table in the making.
#[derive(Default)]
pub(crate) struct TableSchema {
    properties: serde_json::Map<String, Value>,
    required: Vec<&'static str>,
}

impl TableSchema {
    /// Adds a key without default.
    pub(crate) fn key<F: Field>(&mut self, key: &'static str, about: &str) {
        if F::REQUIRED {
            self.required.push(key);
        }
        self.add(key, about, F::Shape::schema());
    }

    /// Adds a key with a default. TOML and JSON write those we have alike.
    pub(crate) fn key_or<T: Shape>(&mut self, key: &'static str, default: &str, about: &str) {
        let mut schema = T::schema();
        schema["default"] = serde_json::from_str(default).expect("a declared default is JSON");
        self.add(key, about, schema);
    }

    /// Begins with the key that tells tables of several kinds apart.
    pub(crate) fn of_kind(word: &str, default: &str) -> Self {
        let mut schema = Self::default();
        if word != default {
            schema.required.push("kind");
        }
        schema
            .properties
            .insert("kind".to_owned(), json!({"const": word}));
        schema
    }

    pub(crate) fn finish(self) -> Value {
        json!({
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }

    fn add(&mut self, key: &str, about: &str, mut schema: Value) {
        schema["description"] = json!(about.trim());
        self.properties.insert(key.to_owned(), schema);
    }
}

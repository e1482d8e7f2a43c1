//! Every kind of complaint about pipelines, with its whole text.

use super::problems::{check_pipeline, check_section};

/// The same for its only column; `text` begins in line 8.
fn check_column(text: &str, expect: &[&str]) {
    check_pipeline(&format!("[[pipeline.column]]\nname = 'c'\n{text}"), expect);
}

#[test]
fn pipelines_are_told_apart_and_match_something() {
    let check_match = |globs: &str, expect: &str| {
        let text = format!("name = 'p'\ntable = 't'\nmatch = {globs}");
        check_section(
            "[[pipeline]]",
            &text,
            &[&format!("5: pipeline.p.match{expect}")],
        );
    };
    check_match("[]", ": it is empty, so no object would match");
    check_match("['*', 'a{b']", "[1]: no glob: '{' is never closed");
    check_match("['s3://b/[a']", "[0]: no glob: '[' is never closed");
    check_match(
        "['{a b}']",
        "[0]: no glob: {a b} is no capture: a capture is one word, used once",
    );
    check_match("['']", "[0]: no glob: it is empty");
    check_match(
        "['https://b/*']",
        "[0]: no store has the scheme \"https\"; write s3://bucket/glob, folder://source/glob, or a path",
    );
    check_section(
        "[[pipeline]]",
        "name = ''\nmatch = ['*']\ntable = 'a.b.c'",
        &[
            "3: pipeline.\"\".name: a name has 1 to 128 bytes and no control characters",
            "5: pipeline.\"\".table: \"a.b.c\" names no table; write table, or schema.table, each of at most 63 bytes",
        ],
    );
    check_pipeline(
        "[[pipeline]]\nname = 'p'\nmatch = ['*']\ntable = 't'",
        &["6: pipeline.p: line 2 has the same name, \"p\""],
    );
}

#[test]
fn modes_have_the_key_they_need() {
    check_pipeline(
        "key = ['a']",
        &["6: pipeline.p.key: only mode = \"upsert\" has a key"],
    );
    check_pipeline(
        "mode = 'upsert'",
        &["2: pipeline.p.key: missing; upsert needs the columns that are unique together"],
    );
    check_pipeline(
        "mode = 'upsert'\nkey = []",
        &["7: pipeline.p.key: it is empty; name the columns that are unique together"],
    );
    check_pipeline(
        "mode = 'upsert'\nkey = ['a', 'a']",
        &["7: pipeline.p.key[1]: line 7 has the same column, \"a\""],
    );
    check_pipeline(
        "mode = 'upsert'\nkey = 'a'",
        &["7: pipeline.p.key: expected a list, found a string"],
    );
}

#[test]
fn a_table_is_made_of_declared_columns() {
    let pipeline = "[[pipeline]]\nname = 'p'\nmatch = ['*']\ntable = 't'\ncreate_table = true";
    super::sound(&format!("database.url = 'sqlite://x.db'\n{pipeline}"));
    check_pipeline(
        "create_table = true\nformat.kind = 'fixed-width'",
        &[
            "2: pipeline.p.column: create_table = true needs every column declared, each with its type",
        ],
    );
    check_pipeline(
        "create_table = true\n[[pipeline.column]]\nname = 'a'\n[[pipeline.column]]\nname = 'b'\ntype = 'text'",
        &[
            "7: pipeline.p.column[0].type: missing; create_table = true needs the type of every column",
        ],
    );
    check_pipeline(
        "create_table = true\nmode = 'upsert'\nkey = ['id']\n[[pipeline.column]]\nname = 'a'\ntype = 'text'",
        &["2: pipeline.p.key: create_table = true needs a [[pipeline.column]] named \"id\""],
    );
}

#[test]
fn formats_are_those_that_are_built() {
    let check_format = |text: &str, expect: &str| {
        check_pipeline(
            &format!("[pipeline.format]\n{text}"),
            &[&format!("7: pipeline.p.format.{expect}")],
        );
    };
    check_format(
        "kind = 'orc'",
        "kind: unknown kind \"orc\"; the kinds are csv, json-lines, fixed-width, parquet, avro",
    );
    check_format(
        "compression = 'rar'",
        "compression: unknown compression \"rar\"; the compressions are auto, none, gzip, zstd, bzip2, xz, lz4, zip",
    );
    check_format(
        "encoding = 'utf-32'",
        "encoding: unknown encoding \"utf-32\"; the encodings are those of the WHATWG standard, such as utf-8, utf-16le, windows-1252, iso-8859-15, shift_jis, gb18030",
    );
    check_format(
        "invalid_bytes = 'drop'",
        "invalid_bytes: unknown value \"drop\"; the values are reject, replace",
    );
    check_format(
        "ragged = 'cut'",
        "ragged: unknown value \"cut\"; the values are reject, pad",
    );
    check_format(
        "delimiter = \"\\n\"",
        "delimiter: a line end, or U+0000, cannot be a delimiter",
    );
    check_format(
        "comment = '|'\ndelimiter = '~|~'",
        "comment: the delimiter is the same character",
    );
    check_format("skip_last = 101", "skip_last: too many; at most 100");
    check_format("trailer = '*'", "trailer: every line would be like it");
    check_format(
        "trailer = 'T;{rows}'",
        "trailer: {rows} is no total; write {count}, {count+1} where the trailer counts itself, or {sum:COLUMN}",
    );
    check_format(
        "extra_columns = 'keep'\nheader = false",
        "extra_columns: header = false leaves no names to go by",
    );
    check_format(
        "missing_columns = 'leave'\nheader = false",
        "missing_columns: header = false leaves no names to go by",
    );
    check_format(
        "repeated_header = 'skip'\nheader = false",
        "repeated_header: header = false leaves no names to go by",
    );
    check_format(
        "delimiter = ''",
        "delimiter: it is empty; fields need something between them",
    );
    check_format("quote = ','", "quote: the delimiter is the same character");
    check_format(
        "escape = ','",
        "escape: the delimiter is the same character",
    );
    check_format("comment = '\"'", "comment: the quote is the same character");
    check_format(
        "escape = '\\'\nquote = ''",
        "escape: without a quote there is nothing to escape",
    );
}

#[test]
fn columns_come_from_somewhere() {
    check_column(
        "from = 1.5",
        &[
            "8: pipeline.p.column[0].from: expected a string or a position, found a number with a fraction",
        ],
    );
    check_column(
        "default = []",
        &["8: pipeline.p.column[0].default: expected a string, found a list"],
    );
    let check_one = |text: &str, expect: &str| {
        check_column(text, &[&format!("8: pipeline.p.column[0].{expect}")]);
    };
    check_one("from = 0", "from: positions begin at 1");
    check_one("from = ''", "from: it is empty");
    check_one(
        "constant = 'b'\nfrom = 'a'",
        "constant: it is the same in every row; leave from out",
    );
    check_one(
        "from = '{object.name}'",
        "from: {object.name} is not known of arrivals; {arrival.id}, {object.key}, {object.url}, {object.etag}, {object.last_modified} are",
    );
    check_one(
        "from = '{day}'",
        "from: every glob of match has to capture {day}, but \"s3://b/**\" does not",
    );
    check_one("type = 'geometry'", "type: unknown type \"geometry\"");
    check_one(
        "decimal = 'comma'",
        "decimal: a decimal mark is one character",
    );
    check_one("decimal = '1'", "decimal: '1' cannot be a decimal mark");
    check_one(
        "decimal = ','\ntype = 'int'",
        "decimal: integer has no decimal mark",
    );
    check_one(
        "format = 'DD/MM/YYYY'",
        "format: \"DD/MM/YYYY\" is no format; write it as strftime does, such as \"%d/%m/%Y\"",
    );
    check_one(
        "format = '%Q'",
        "format: \"%Q\" is no format; write it as strftime does, such as \"%d/%m/%Y\"",
    );
    check_one(
        "format = '%d'\ntype = 'text'",
        "format: only dates and times have a format, text has none",
    );
    check_pipeline(
        "[[pipeline.column]]\nname = '_record'",
        &["7: pipeline.p.column[0].name: Arrivage fills this column itself"],
    );
    check_pipeline(
        "[[pipeline.column]]\nname = ''",
        &["7: pipeline.p.column[0].name: a column's name has 1 to 63 bytes"],
    );
    check_column(
        "[[pipeline.column]]\nname = 'c'",
        &["8: pipeline.p.column[1]: line 6 has the same name, \"c\""],
    );
    let column = "[[pipeline.column]]\nname = 'c'\nfrom =";
    check_pipeline(
        &format!("format.header = false\n{column} 'c'"),
        &[
            "9: pipeline.p.column[0].from: header = false leaves no header to find \"c\" in; give a position",
        ],
    );
    check_pipeline(
        &format!("format.kind = 'json-lines'\n{column} 1"),
        &[
            "9: pipeline.p.column[0].from: its records have no positions; give a name or a JSON pointer",
        ],
    );
    check_pipeline(
        &format!("format.kind = 'json-lines'\n{column} '/a~b'"),
        &["9: pipeline.p.column[0].from: in a JSON pointer ~ is written ~0"],
    );
}

#[test]
fn columns_of_a_line_have_positions_of_their_own() {
    let check = |columns: &str, expect: &[&str]| {
        check_pipeline(&format!("format.kind = 'fixed-width'\n{columns}"), expect);
    };
    let column = |name: &str, rest: &str| format!("[[pipeline.column]]\nname = '{name}'\n{rest}\n");
    check(
        &(column("a", "from = '1-8'") + &column("b", "from = '8-9'") + &column("c", "from = '9-'")),
        &[
            "12: pipeline.p.column[1].from: it overlaps with the column a",
            "15: pipeline.p.column[2].from: it overlaps with the column b",
        ],
    );
    check(
        &column("a", "from = 'x'"),
        &[
            "9: pipeline.p.column[0].from: \"x\" is no range of positions; give its first and last position, such as \"1-8\", or \"9-\" up to the line's end",
        ],
    );
    check(
        &column("a", ""),
        &[
            "8: pipeline.p.column[0].name: it needs a from, its first and last position, such as \"1-8\", or \"9-\" up to the line's end",
        ],
    );
    check(
        &("format.positions = 'bytes'\nformat.encoding = 'shift_jis'\n".to_owned()
            + &column("a", "from = 7")),
        &[
            "7: pipeline.p.format.positions: bytes are counted in UTF-8 and where every character is one; with Shift_JIS give characters",
        ],
    );
}

#[test]
fn a_sidecar_has_a_name_of_its_own_beside_its_object() {
    let check = |text: &str, expect: &str| {
        check_pipeline(&format!("complete = {{ {text} }}"), &[expect]);
    };
    check(
        "sidecar = 'done/{name}'",
        "6: pipeline.p.complete.sidecar: a sidecar stands beside its object; leave the / out",
    );
    check(
        "sidecar = '{name}'",
        "6: pipeline.p.complete.sidecar: it has to differ from the object's own name, as {name}.done does",
    );
    check(
        "holds = 'md5'",
        "6: pipeline.p.complete.holds: it says what a sidecar holds, and there is none",
    );
    check(
        "sidecar = '{name}.x', holds = 'sha1'",
        "6: pipeline.p.complete.holds: unknown value \"sha1\"; the values are nothing, sha256, md5, manifest",
    );
    check(
        "sidecar = '{name}.x', within = '0s'",
        "6: pipeline.p.complete.within: too little; at least 1s",
    );
}

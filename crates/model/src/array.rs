//! The canonical text of arrays, as PostgreSQL writes them: `{1,NULL,"a b"}`.

use std::borrow::Cow;

/// The most dimensions that PostgreSQL's arrays have.
pub const MAX_DIMENSIONS: usize = 6;

/// An array's canonical text, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct ArrayText<'a> {
    /// How many elements each dimension has, from the outermost; none: it is empty.
    pub dimensions: Vec<usize>,
    /// All elements, row by row; `None` is NULL.
    pub elements: Vec<Option<Cow<'a, [u8]>>>,
}

impl<'a> ArrayText<'a> {
    /// Takes apart what [`push_element`] and braces and commas make.
    #[must_use]
    pub fn read(text: &'a [u8]) -> Self {
        let depth = text.iter().take_while(|byte| **byte == b'{').count();
        let mut counts = vec![0; depth];
        let mut dimensions = vec![0; depth];
        let mut elements = Vec::new();
        let (mut level, mut at) = (0, 0);
        while at < text.len() {
            match text[at] {
                b'{' => {
                    level += 1;
                    if level > 1 {
                        counts[level - 2] += 1;
                    }
                    at += 1;
                }
                b'}' => {
                    level -= 1;
                    dimensions[level] = counts[level];
                    counts[level] = 0;
                    at += 1;
                }
                b',' => at += 1,
                _ => {
                    let (element, length) = element(&text[at..]);
                    elements.push(element);
                    counts[level - 1] += 1;
                    at += length;
                }
            }
        }
        if elements.is_empty() {
            dimensions.clear();
        }
        Self {
            dimensions,
            elements,
        }
    }
}

/// The element at the beginning, and how long its text is.
fn element(text: &[u8]) -> (Option<Cow<'_, [u8]>>, usize) {
    if text[0] != b'"' {
        let ends = |byte: &u8| matches!(byte, b',' | b'}');
        let length = text.iter().position(ends).unwrap_or(text.len());
        let plain = &text[..length];
        return ((plain != b"NULL").then_some(Cow::Borrowed(plain)), length);
    }
    let mut value = Vec::new();
    let mut at = 1;
    while at < text.len() && text[at] != b'"' {
        at += usize::from(text[at] == b'\\');
        value.extend(text.get(at));
        at += 1;
    }
    (Some(Cow::Owned(value)), at + 1)
}

/// Appends an element, in quotes where its text could be taken for something else.
pub fn push_element(element: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(text) = element else {
        out.extend_from_slice(b"NULL");
        return;
    };
    let needs_quotes = |byte: &u8| {
        matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\')
            || byte.is_ascii_whitespace()
            || *byte == 11
    };
    let plain =
        !text.is_empty() && !text.eq_ignore_ascii_case(b"null") && !text.iter().any(needs_quotes);
    if plain {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read_back() {
        let check = |elements: &[Option<&str>], expect: &str| {
            let mut text = b"{".to_vec();
            for (nth, element) in elements.iter().enumerate() {
                if nth > 0 {
                    text.push(b',');
                }
                push_element(element.map(str::as_bytes), &mut text);
            }
            text.push(b'}');
            assert_eq!(String::from_utf8_lossy(&text), expect);
            let read = ArrayText::read(&text);
            let found: Vec<Option<&[u8]>> = read.elements.iter().map(Option::as_deref).collect();
            let expect: Vec<Option<&[u8]>> = elements
                .iter()
                .map(|element| element.map(str::as_bytes))
                .collect();
            assert_eq!(found, expect);
        };
        check(&[], "{}");
        check(&[Some("1"), None, Some("-2.5")], "{1,NULL,-2.5}");
        check(
            &[Some(""), Some("Null"), Some("a b"), Some("é"), Some("\t")],
            "{\"\",\"Null\",\"a b\",é,\"\t\"}",
        );
        check(
            &[Some("a\"b"), Some("c\\d"), Some("{e}"), Some("f,g")],
            r#"{"a\"b","c\\d","{e}","f,g"}"#,
        );
    }

    #[test]
    fn dimensions_are_counted_from_the_outermost() {
        let check = |text: &str, dimensions: &[usize], elements: usize| {
            let read = ArrayText::read(text.as_bytes());
            assert_eq!(read.dimensions, dimensions, "{text}");
            assert_eq!(read.elements.len(), elements, "{text}");
        };
        check("{}", &[], 0);
        check("{1,2,3}", &[3], 3);
        check("{{1,2},{3,NULL},{5,6}}", &[3, 2], 6);
        check(r#"{{{"{"},{b}}}"#, &[1, 2, 1], 2);
    }
}

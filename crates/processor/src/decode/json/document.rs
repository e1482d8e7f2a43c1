use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use arrivage_model::ReasonCode;

use super::string;
use crate::decode::fault::Fault;

/// How deep values may be nested.
const MAX_DEPTH: usize = 128;

/// Members of an object up to which their names are compared one by one.
const FEW: usize = 16;

/// Appends JSON text as it is, if it is sound.
pub(in crate::decode) fn write(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut walk = Walk::new(text);
    walk.value(0)?;
    walk.end()?;
    out.extend_from_slice(text);
    Ok(())
}

/// Walks through the object that `text` is and hands over each of its members:
/// the name's text, and where the value stands.
///
/// The whole text is checked: RFC 8259 to the letter, no name twice in an
/// object, no U+0000, no half of a surrogate pair, at most 128 levels.
pub(in crate::decode) fn members(
    text: &[u8],
    mut each: impl FnMut(&[u8], Range<usize>),
) -> Result<(), Fault> {
    let mut walk = Walk::new(text);
    walk.blanks();
    match walk.peek() {
        Some(b'{') => {}
        Some(b'[') => return Err(walk.fault("an array stands where an object is expected")),
        Some(_) => return Err(walk.fault("no object begins here")),
        None => return Err(walk.fault("it is empty")),
    }
    walk.object(0, &mut each)?;
    walk.end()
}

/// Where the element at `index` stands in the sound array that `text` is;
/// nothing: it is none, or shorter.
pub(super) fn element(text: &[u8], index: usize) -> Option<Range<usize>> {
    let mut found = None;
    let mut count = 0;
    elements(text, |range| {
        if count == index {
            found = Some(range);
        }
        count += 1;
    });
    found
}

/// Hands over where each element stands in the sound array that `text` is; nothing, if it is
/// none.
pub(in crate::decode) fn elements(text: &[u8], mut each: impl FnMut(Range<usize>)) {
    let mut walk = Walk::new(text);
    walk.blanks();
    if walk.peek() == Some(b'[') {
        // It was found to be sound.
        let _ = walk.array(0, &mut each);
    }
}

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    /// Names in the objects that are open.
    names: Vec<Cow<'a, [u8]>>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            names: Vec::new(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn fault(&self, what: &str) -> Fault {
        let place = self.at + 1;
        Fault::new(
            ReasonCode::NotJson,
            format!("{what}, at byte {place} of it"),
        )
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return Err(self.fault(&format!("{:?} is missing", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    /// Only blanks are left.
    fn end(&mut self) -> Result<(), Fault> {
        self.blanks();
        match self.peek() {
            Some(_) => Err(self.fault("text follows the value")),
            None => Ok(()),
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        self.blanks();
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{') => self.object(depth, &mut |_, _| {}),
            Some(b'[') => self.array(depth, &mut |_| {}),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(_) => Err(self.fault("no value begins here")),
            None => Err(self.fault("it ends too early")),
        }
    }

    fn object(
        &mut self,
        depth: usize,
        each: &mut dyn FnMut(&[u8], Range<usize>),
    ) -> Result<(), Fault> {
        self.enter(depth)?;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let first = self.names.len();
        let mut many = HashSet::new();
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.fault("a name in quotes is missing"));
            }
            let name = string::text(self.string()?);
            self.check_new(name.clone(), first, &mut many)?;
            self.blanks();
            self.expect(b':')?;
            self.blanks();
            let start = self.at;
            self.value(depth + 1)?;
            each(&name, start..self.at);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.fault("',' or '}' is missing")),
            }
        }
        self.at += 1;
        self.names.truncate(first);
        Ok(())
    }

    fn array(&mut self, depth: usize, each: &mut dyn FnMut(Range<usize>)) -> Result<(), Fault> {
        self.enter(depth)?;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            let start = self.at;
            self.value(depth + 1)?;
            each(start..self.at);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.fault("',' or ']' is missing")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Steps over the bracket that opens a level.
    fn enter(&mut self, depth: usize) -> Result<(), Fault> {
        if depth >= MAX_DEPTH {
            return Err(self.fault(&format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        self.at += 1;
        Ok(())
    }

    /// Takes a name that the object, whose names begin at `first`, has not yet.
    fn check_new(
        &mut self,
        name: Cow<'a, [u8]>,
        first: usize,
        many: &mut HashSet<Cow<'a, [u8]>>,
    ) -> Result<(), Fault> {
        let few = &self.names[first..];
        let new = if few.len() < FEW {
            let new = !few.contains(&name);
            self.names.push(name);
            new
        } else {
            if many.is_empty() {
                many.extend(few.iter().cloned());
            }
            many.insert(name)
        };
        if !new {
            return Err(self.fault("a name stands twice in an object"));
        }
        Ok(())
    }

    /// A string with its quotes.
    fn string(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        match string::length(&self.text[start..]) {
            Ok(length) => {
                self.at += length;
                Ok(&self.text[start..self.at])
            }
            Err((at, wrong)) => {
                self.at += at;
                let mut fault = self.fault(wrong.why());
                if wrong == string::Wrong::Nul {
                    fault.code = ReasonCode::Nul;
                }
                Err(fault)
            }
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        match self.peek() {
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'.' => {
                Err(self.fault("a number is not written as JSON has it"))
            }
            _ => Ok(()),
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.fault("a number lacks a digit"));
        }
        self.at += digits;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.fault("no value begins here"));
        }
        self.at += word.len();
        Ok(())
    }
}

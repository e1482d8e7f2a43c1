use arrivage_model::Encoding;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::UTF_8;

use super::{Sample, unreadable};
use crate::decode::DecodeError;

/// So many bytes tell UTF-16 without a byte-order mark.
const HEAD: usize = 64 * 1024;

/// How the text of a file is written, by its byte-order mark or by its bytes.
pub(super) fn find(sample: Sample<'_>) -> Result<Encoding, DecodeError> {
    let bytes = sample.bytes;
    if bytes.starts_with(b"\xFF\xFE\0\0") || bytes.starts_with(b"\0\0\xFE\xFF") {
        return Err(unreadable(
            "it begins with the byte-order mark of UTF-32, which is not read",
        ));
    }
    if let Some((marked, _)) = encoding_rs::Encoding::for_bom(bytes) {
        return Ok(of(marked));
    }
    if let Some(encoding) = utf_16(bytes) {
        return Ok(encoding);
    }
    if is_binary(bytes) {
        return Err(unreadable(
            "it is no text, and of no kind that is read here",
        ));
    }
    if bytes.contains(&0x1B) || !is_utf_8(bytes) {
        return Ok(guess(sample));
    }
    Ok(Encoding::UTF_8)
}

/// The text, as far as the sample has it whole, with U+FFFD for what is none.
pub(super) fn decode(encoding: Encoding, bytes: &[u8]) -> String {
    let (encoding, mark) = encoding_rs::Encoding::for_bom(bytes).unwrap_or((encoding.get(), 0));
    let (text, _) = encoding.decode_without_bom_handling(&bytes[mark..]);
    text.into_owned()
}

fn of(encoding: &'static encoding_rs::Encoding) -> Encoding {
    let label = encoding.name().parse();
    label.unwrap_or(Encoding::UTF_8)
}

/// Text of any script has ASCII in it: digits, delimiters, line ends. In UTF-16
/// they all have their zeros on the same side.
fn utf_16(bytes: &[u8]) -> Option<Encoding> {
    let head = &bytes[..bytes.len().min(HEAD)];
    let zeros = |side: usize| head.chunks_exact(2).filter(|pair| pair[side] == 0).count();
    let (first, second) = (zeros(0), zeros(1));
    let pairs = head.len() / 2;
    let enough = |most: usize, least: usize| most * 20 > pairs && least * 10 < most;
    match (first, second) {
        _ if pairs < 2 => None,
        _ if enough(second, first) => Some(Encoding::UTF_16LE),
        _ if enough(first, second) => Some(Encoding::UTF_16BE),
        _ => None,
    }
}

fn is_binary(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    // U+0001 and U+001F delimit fields at times; the escape begins a set of
    // characters, and U+001A is the end-of-file mark of DOS.
    let is_odd = |byte: &&u8| matches!(byte, 0 | 2..=8 | 0x0E..=0x19);
    head.iter().filter(is_odd).count() * 10 > head.len()
}

/// Whether it is UTF-8 but for bytes that are rather mistakes.
fn is_utf_8(mut bytes: &[u8]) -> bool {
    let (mut characters, mut mistakes) = (0_usize, 0_usize);
    loop {
        let (sound, rest) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, &[][..]),
            Err(error) => {
                let (sound, rest) = bytes.split_at(error.valid_up_to());
                // A character that the sample cuts is none.
                let length = error.error_len().unwrap_or(rest.len());
                mistakes += usize::from(error.error_len().is_some());
                (
                    std::str::from_utf8(sound).unwrap_or_default(),
                    &rest[length..],
                )
            }
        };
        characters += sound.chars().filter(|c| !c.is_ascii()).count();
        if rest.is_empty() {
            return mistakes == 0 || characters > 4 * mistakes;
        }
        bytes = rest;
    }
}

/// An encoding from before Unicode, as browsers guess it.
fn guess(sample: Sample<'_>) -> Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample.bytes, sample.whole);
    let found = detector.guess(None, Utf8Detection::Allow);
    match found == UTF_8 {
        true => Encoding::UTF_8,
        false => of(found),
    }
}

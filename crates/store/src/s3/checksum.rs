use arrivage_model::ETag;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ChecksumType, ServerSideEncryption};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::digest::{Algorithm, Digest};

/// What an answer says of the whole object's bytes. The SDK could compare checksums
/// itself, but it does so for answers to ranges, too, where some servers state that of
/// the whole; and it panics at a body that has trailers.
pub(super) struct Stated<'a> {
    checksums: [(Algorithm, Option<&'a str>); 5],
    is_of_parts: bool,
    etag: Option<ETag>,
    is_encrypted: bool,
}

impl<'a> Stated<'a> {
    pub(super) fn by_get(answer: &'a GetObjectOutput) -> Self {
        Self {
            checksums: [
                (Algorithm::Crc64Nvme, answer.checksum_crc64_nvme()),
                (Algorithm::Crc32c, answer.checksum_crc32_c()),
                (Algorithm::Crc32, answer.checksum_crc32()),
                (Algorithm::Sha1, answer.checksum_sha1()),
                (Algorithm::Sha256, answer.checksum_sha256()),
            ],
            is_of_parts: answer.checksum_type() == Some(&ChecksumType::Composite),
            etag: answer.e_tag().and_then(ETag::parse),
            is_encrypted: is_encrypted(
                answer.server_side_encryption(),
                answer.sse_customer_algorithm(),
            ),
        }
    }

    pub(super) fn by_head(answer: &'a HeadObjectOutput) -> Self {
        Self {
            checksums: [
                (Algorithm::Crc64Nvme, answer.checksum_crc64_nvme()),
                (Algorithm::Crc32c, answer.checksum_crc32_c()),
                (Algorithm::Crc32, answer.checksum_crc32()),
                (Algorithm::Sha1, answer.checksum_sha1()),
                (Algorithm::Sha256, answer.checksum_sha256()),
            ],
            is_of_parts: answer.checksum_type() == Some(&ChecksumType::Composite),
            etag: answer.e_tag().and_then(ETag::parse),
            is_encrypted: is_encrypted(
                answer.server_side_encryption(),
                answer.sse_customer_algorithm(),
            ),
        }
    }

    /// The checksum, where it is one of the whole object; else the ETag, where it is the
    /// MD5 of the content. That of parts ends with their number after a hyphen.
    pub(super) fn digest(&self, opaque_etags: bool) -> Option<Digest> {
        let stated = self
            .checksums
            .iter()
            .find_map(|(algorithm, text)| Some((*algorithm, (*text)?)))
            .filter(|(_, text)| !self.is_of_parts && !text.contains('-'));
        if let Some((algorithm, text)) = stated {
            return Some(Digest {
                algorithm,
                // What cannot be read agrees with nothing.
                value: BASE64_STANDARD.decode(text).unwrap_or_default(),
                stated_by: "the store".to_owned(),
            });
        }
        if opaque_etags || self.is_encrypted {
            return None;
        }
        Some(Digest {
            algorithm: Algorithm::Md5,
            value: md5_of(self.etag.as_ref()?.as_str())?,
            stated_by: "its ETag (an MD5, unless s3.opaque_etags says otherwise)".to_owned(),
        })
    }
}

/// With keys of KMS or of the customer an ETag is no MD5.
fn is_encrypted(by: Option<&ServerSideEncryption>, with: Option<&str>) -> bool {
    with.is_some() || by.is_some_and(|by| *by != ServerSideEncryption::Aes256)
}

/// 32 hexadecimal digits; that of parts has their number behind it.
fn md5_of(etag: &str) -> Option<Vec<u8>> {
    if etag.len() != 32 || !etag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&etag[at..at + 2], 16).ok();
    (0..32).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

    #[test]
    fn an_etag_is_an_md5_only_where_nothing_speaks_against_it() {
        let head = || HeadObjectOutput::builder().e_tag(format!("\"{EMPTY}\""));
        let check = |answer: HeadObjectOutput, opaque: bool, expect: Option<Algorithm>| {
            let digest = Stated::by_head(&answer).digest(opaque);
            assert_eq!(digest.map(|digest| digest.algorithm), expect, "{answer:?}");
        };
        check(head().build(), false, Some(Algorithm::Md5));
        check(head().build(), true, None);
        check(head().e_tag(format!("\"{EMPTY}-2\"")).build(), false, None);
        check(head().e_tag("\"0\"").build(), false, None);
        let by = |by| head().server_side_encryption(by).build();
        check(
            by(ServerSideEncryption::Aes256),
            false,
            Some(Algorithm::Md5),
        );
        check(by(ServerSideEncryption::AwsKms), false, None);
        check(by(ServerSideEncryption::AwsKmsDsse), false, None);
        check(head().sse_customer_algorithm("AES256").build(), false, None);

        check(
            head().checksum_crc32("AAAAAA==").build(),
            false,
            Some(Algorithm::Crc32),
        );
        check(
            head().checksum_crc32("AAAAAA==").build(),
            true,
            Some(Algorithm::Crc32),
        );
        check(head().checksum_crc32("AAAAAA==-2").build(), true, None);
        let composite = head()
            .checksum_crc32("AAAAAA==")
            .checksum_type(ChecksumType::Composite);
        check(composite.build(), true, None);
    }
}

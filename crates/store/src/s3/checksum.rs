use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;

/// The checksum of a whole object, as its answer states it, and that of the
/// bytes that came. The SDK could compare them, but it does so for answers to
/// ranges, too, where some servers state that of the whole; and it panics at a
/// body that has trailers.
pub(super) struct Checksum {
    stated: String,
    running: Box<dyn HttpChecksum>,
}

impl Checksum {
    /// None where the answer states none, or only one of the parts' checksums.
    pub(super) fn stated(answer: &GetObjectOutput) -> Option<Self> {
        let stated = [
            (ChecksumAlgorithm::Crc64Nvme, answer.checksum_crc64_nvme()),
            (ChecksumAlgorithm::Crc32c, answer.checksum_crc32_c()),
            (ChecksumAlgorithm::Crc32, answer.checksum_crc32()),
            (ChecksumAlgorithm::Sha1, answer.checksum_sha1()),
            (ChecksumAlgorithm::Sha256, answer.checksum_sha256()),
        ];
        // That of the parts ends with their number after a hyphen.
        stated
            .into_iter()
            .find_map(|(algorithm, text)| Some((algorithm, text?)))
            .filter(|(_, text)| !text.contains('-'))
            .map(|(algorithm, text)| Self {
                stated: text.to_owned(),
                running: algorithm.into_impl(),
            })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.running.update(bytes);
    }

    /// Whether the bytes that came are those that the store took in.
    pub(super) fn agrees(self) -> bool {
        self.running.header_value() == self.stated
    }
}

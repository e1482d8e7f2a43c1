//! Every codec with files as its own encoder makes them: whole, in parts, cut
//! at every place, and broken at every place.

use std::io::Cursor;

use async_compression::Level;
use async_compression::lz4::EncoderParams;
use async_compression::tokio::write::{BzEncoder, GzipEncoder, Lz4Encoder, XzEncoder, ZstdEncoder};
use async_compression::zstd::CParameter;
use futures::stream;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::io::StreamReader;

use super::*;
use crate::magic;

const CODECS: [Codec; 5] = [
    Codec::Gzip,
    Codec::Zstd,
    Codec::Bzip2,
    Codec::Xz,
    Codec::Lz4,
];

const MIB: u64 = 1 << 20;
const WINDOW: u64 = 8 * MIB;

async fn written<W: AsyncWrite + Unpin>(mut encoder: W, text: &[u8]) -> W {
    encoder.write_all(text).await.expect("into memory");
    encoder.shutdown().await.expect("into memory");
    encoder
}

/// One member, frame or stream, with its checksum.
async fn pack(codec: Codec, text: &[u8]) -> Vec<u8> {
    let sum = CParameter::checksum_flag(true);
    match codec {
        Codec::None | Codec::Zip => text.to_vec(),
        Codec::Gzip => written(GzipEncoder::new(Vec::new()), text)
            .await
            .into_inner(),
        Codec::Zstd => {
            let encoder = ZstdEncoder::with_quality_and_params(Vec::new(), Level::Default, &[sum]);
            written(encoder, text).await.into_inner()
        }
        Codec::Bzip2 => written(BzEncoder::new(Vec::new()), text).await.into_inner(),
        Codec::Xz => {
            let encoder = XzEncoder::with_quality(Vec::new(), Level::Precise(6));
            written(encoder, text).await.into_inner()
        }
        Codec::Lz4 => {
            let sum = EncoderParams::default().content_checksum(true);
            let encoder = Lz4Encoder::with_quality_and_params(Vec::new(), Level::Default, sum);
            written(encoder, text).await.into_inner()
        }
    }
}

/// What is read of a file that comes in pieces of this length.
async fn unpack(codec: Codec, packed: &[u8], piece: usize, window: u64) -> io::Result<Vec<u8>> {
    let pieces: Vec<_> = packed
        .chunks(piece)
        .map(|piece| Ok::<_, io::Error>(Cursor::new(piece.to_vec())))
        .collect();
    let reader = StreamReader::new(stream::iter(pieces));
    let mut text = Vec::new();
    decompress(codec, packed, reader, window)?
        .read_to_end(&mut text)
        .await?;
    Ok(text)
}

async fn check(codec: Codec, packed: &[u8], text: &[u8]) {
    for piece in [1, 2, 7, packed.len().max(1)] {
        let found = unpack(codec, packed, piece, WINDOW).await;
        let found = found.unwrap_or_else(|error| panic!("{codec:?} by {piece}: {error}"));
        assert_eq!(found, text, "{codec:?} by {piece}");
    }
}

/// Text that does not shrink to nothing.
fn text(lines: u64) -> Vec<u8> {
    let line = |n: u64| format!("{n},{}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (0..lines).map(line).collect::<String>().into_bytes()
}

#[tokio::test]
async fn any_number_of_members_is_read_in_any_pieces() {
    let text = text(500);
    let (first, second) = text.split_at(text.len() / 3);
    for codec in CODECS {
        let whole = pack(codec, &text).await;
        let found = magic::codec(arrivage_model::Compression::Auto, &whole);
        assert_eq!(found, Ok(codec), "its first bytes tell");
        check(codec, &whole, &text).await;
        check(codec, &pack(codec, b"").await, b"").await;
        let parts = [
            pack(codec, first).await,
            pack(codec, b"").await,
            pack(codec, second).await,
        ];
        check(codec, &parts.concat(), &text).await;
    }
}

#[tokio::test]
async fn a_file_that_is_cut_anywhere_is_truncated() {
    let text = text(40);
    for codec in CODECS {
        let member = pack(codec, &text).await;
        let two = [&member[..], &member].concat();
        for length in (1..two.len()).filter(|length| *length != member.len()) {
            let found = unpack(codec, &two[..length], 4096, WINDOW).await;
            let error = found.map(|text| text.len()).expect_err("it was cut");
            assert_eq!(
                error.kind(),
                io::ErrorKind::UnexpectedEof,
                "{codec:?} of {length} bytes: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_broken_byte_never_changes_what_is_read() {
    let text = text(40);
    for codec in CODECS {
        let packed = pack(codec, &text).await;
        let mut found_broken = 0;
        for at in 0..packed.len() {
            let mut broken = packed.clone();
            broken[at] ^= 0x55;
            match unpack(codec, &broken, 4096, WINDOW).await {
                Ok(found) => assert_eq!(found, text, "{codec:?}, broken at {at}"),
                Err(_) => found_broken += 1,
            }
        }
        assert!(
            found_broken > packed.len() * 9 / 10,
            "{codec:?}: {found_broken}"
        );
    }
}

#[tokio::test]
async fn zeros_behind_a_gzip_member_are_passed_over() {
    let text = text(40);
    let member = pack(Codec::Gzip, &text).await;
    for zeros in [1, 3, 512, 10_000] {
        let padded = [&member[..], &vec![0; zeros]].concat();
        check(Codec::Gzip, &padded, &text).await;
        let twice = [&padded[..], &padded].concat();
        check(Codec::Gzip, &twice, &[&text[..], &text].concat()).await;
    }
    let garbage = [&member[..], b"\0\0x"].concat();
    assert!(unpack(Codec::Gzip, &garbage, 4096, WINDOW).await.is_err());
}

#[tokio::test]
async fn frames_that_hold_no_text_are_skipped() {
    let text = text(40);
    let skippable = b"\x5A\x2A\x4D\x18\x03\0\0\0abc";
    for codec in [Codec::Zstd, Codec::Lz4] {
        let frame = pack(codec, &text).await;
        let behind = [&frame[..], skippable].concat();
        check(codec, &behind, &text).await;
        let between = [&frame[..], skippable, &frame].concat();
        check(codec, &between, &[&text[..], &text].concat()).await;
    }
    let frame = pack(Codec::Zstd, &text).await;
    check(Codec::Zstd, &[&skippable[..], &frame].concat(), &text).await;
}

#[tokio::test]
async fn xz_streams_may_be_padded() {
    let text = text(40);
    let stream = pack(Codec::Xz, &text).await;
    check(Codec::Xz, &[&stream[..], &[0; 8]].concat(), &text).await;
    let padded = [&stream[..], &[0; 4], &stream].concat();
    check(Codec::Xz, &padded, &[&text[..], &text].concat()).await;
    let odd = [&stream[..], &[0; 3], &stream].concat();
    assert!(unpack(Codec::Xz, &odd, 4096, WINDOW).await.is_err());
}

#[tokio::test]
async fn a_window_beyond_the_memory_is_refused() {
    let text = text(40);
    let check = async |codec: Codec, packed: &[u8], window: u64, fits: bool| {
        let found = unpack(codec, packed, 4096, window).await;
        match found {
            Ok(_) => assert!(fits, "{codec:?} in {window}"),
            Err(error) => {
                let words = error.to_string();
                assert!(!fits, "{codec:?} in {window}: {words}");
                let known = words.contains("too much memory") || words.contains("memory limit");
                assert!(known, "{words}");
            }
        }
    };
    // The presets that people use fit the default, processor.memory = 64MiB.
    let xz = pack(Codec::Xz, &text).await;
    check(Codec::Xz, &xz, WINDOW, true).await;
    check(Codec::Xz, &xz, WINDOW / 2, false).await;
    let best = XzEncoder::with_quality(Vec::new(), Level::Precise(9));
    let best = written(best, &text).await.into_inner();
    check(Codec::Xz, &best, WINDOW, false).await;
    check(Codec::Xz, &best, 64 * MIB, true).await;
    let bzip2 = pack(Codec::Bzip2, &text).await;
    check(Codec::Bzip2, &bzip2, WINDOW, true).await;
    check(Codec::Bzip2, &bzip2, 2 * MIB, false).await;
    // The descriptor of a frame with blocks of 4 MiB, as lz4 itself writes it.
    let lz4 = [&b"\x04\x22\x4D\x18\x64\x70"[..], b""].concat();
    assert_eq!(lz4_memory(&lz4), 8 * MIB + 128 * 1024);
    let lz4 = pack(Codec::Lz4, &text).await;
    check(Codec::Lz4, &lz4, WINDOW, true).await;
    let params = [CParameter::window_log(24), CParameter::checksum_flag(true)];
    let wide = ZstdEncoder::with_quality_and_params(Vec::new(), Level::Default, &params);
    let wide = written(wide, &text).await.into_inner();
    check(Codec::Zstd, &wide, WINDOW, false).await;
    check(Codec::Zstd, &wide, 16 * MIB, true).await;
}

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

use arrivage_model::Checkpoint;

use super::*;
use crate::magic;
use crate::read::carried;
use crate::read::counted::Counter;
use crate::read::place::Middle;

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
    let bytes = Counted::new(reader, Counter::default());
    let marks = Marks::new(&Checkpoint::default());
    let mut text = Vec::new();
    decompress(codec, packed, bytes, window, Place::default(), &marks)?
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

/// Blocks of bgzf tell their length in an extra field, and an empty one ends the file.
#[tokio::test]
async fn blocks_of_bgzf_are_members_like_others() {
    let text = text(500);
    let block = async |text: &[u8]| {
        let plain = pack(Codec::Gzip, text).await;
        let (head, rest) = plain.split_at(10);
        let length = u16::try_from(plain.len() + 7).expect("a small block");
        let [low, high] = length.to_le_bytes();
        let field = [6, 0, b'B', b'C', 2, 0, low, high];
        let mut block = [head, &field, rest].concat();
        // Its flags: there is an extra field.
        block[3] |= 4;
        block
    };
    let (first, second) = text.split_at(text.len() / 3);
    let blocks = [block(first).await, block(second).await, block(b"").await];
    check(Codec::Gzip, &blocks.concat(), &text).await;
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

/// The decoder itself would take the first, and not check the second.
#[tokio::test]
async fn what_is_no_xz_stream_or_has_a_check_that_is_not_known_is_refused() {
    let text = text(40);
    let stream = pack(Codec::Xz, &text).await;
    let refused = async |packed: &[u8], kind: io::ErrorKind, words: &str| {
        let error = unpack(Codec::Xz, packed, 7, WINDOW).await.expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.kind(), kind, "{error}");
    };
    // A format of before .xz, without a checksum.
    let old = b"\x5D\x00\x00\x80\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00\x34\x98\xFD\x42\xBE\xCB\x38\x12\xE1\x11\xBF\xFF\xFF\x35\xF0\x00\x00";
    let behind = [&stream[..], old].concat();
    refused(old, io::ErrorKind::InvalidData, "no .xz stream").await;
    refused(&behind, io::ErrorKind::InvalidData, "no .xz stream").await;
    // The flags have a checksum, in the header and in the footer.
    let mut unknown = stream.clone();
    unknown[7] = 5;
    let sum = crc32fast::hash(&unknown[6..8]).to_le_bytes();
    unknown[8..12].copy_from_slice(&sum);
    refused(&unknown, io::ErrorKind::Unsupported, "a check of kind 5").await;
    // The first block's header: its size, its flags, and the filter's number.
    let mut filter = stream.clone();
    let length = 4 * (usize::from(filter[12]) + 1);
    filter[14] = 0x2A;
    let sum = crc32fast::hash(&filter[12..12 + length - 4]).to_le_bytes();
    filter[12 + length - 4..12 + length].copy_from_slice(&sum);
    refused(&filter, io::ErrorKind::Unsupported, "a filter").await;
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
    // A frame that asks for 256 MiB, whatever it holds.
    check(Codec::Zstd, b"\x28\xB5\x2F\xFD\0\x90", 128 * MIB, false).await;
}

/// Reads it whole, and then on from each of the places that checkpoints on the way carry; returns
/// how many there are, and whether they are in the middle of members.
async fn check_places(codec: Codec, packed: &[u8], text: &[u8]) -> Vec<bool> {
    let read = async |place: Place, marks: &Marks| {
        let rest = &packed[place.at as usize..];
        let pieces: Vec<_> = rest
            .chunks(60_000)
            .map(|piece| Ok::<_, io::Error>(Cursor::new(piece.to_vec())))
            .collect();
        let reader = StreamReader::new(stream::iter(pieces));
        let bytes = Counted::new(reader, Counter::from(place.at));
        let mut found = Vec::new();
        decompress(codec, packed, bytes, WINDOW, place, marks)?
            .read_to_end(&mut found)
            .await?;
        Ok::<_, io::Error>(found)
    };
    let start = Checkpoint::default();
    let marks = Marks::new(&start);
    marks.compressed(Place::default(), &start);
    let found = read(Place::default(), &marks).await.expect("it is whole");
    assert!(found == text, "{codec:?}");
    let mut places: Vec<Place> = Vec::new();
    for offset in (0..=text.len() as u64).step_by(1 << 20) {
        let mut checkpoint = Checkpoint {
            offset,
            state: Some("{}".to_owned()),
            ..Checkpoint::default()
        };
        marks.keep_in(&mut checkpoint);
        places.extend(carried::place(&checkpoint));
    }
    places.dedup();
    for place in &places {
        let found = read(place.clone(), &marks).await;
        let found = found.unwrap_or_else(|error| panic!("{codec:?} from {place:?}: {error}"));
        assert!(
            found == text[place.out as usize..],
            "{codec:?} from {place:?}"
        );
    }
    places.iter().map(|place| place.middle.is_some()).collect()
}

#[tokio::test]
async fn a_gzip_file_is_read_on_in_the_middle_of_a_member() {
    let text = text(600_000);
    for level in [Level::Default, Level::Best] {
        let encoder = GzipEncoder::with_quality(Vec::new(), level);
        let packed = written(encoder, &text).await.into_inner();
        assert_eq!(check_places(Codec::Gzip, &packed, &text).await, [true; 3]);
    }
    // Its fastest, this encoder writes all in one block.
    let encoder = GzipEncoder::with_quality(Vec::new(), Level::Fastest);
    let packed = written(encoder, &text).await.into_inner();
    let places = check_places(Codec::Gzip, &packed, &text).await;
    assert!(places.is_empty(), "{places:?}");
    // As programs write that let others read on at once: empty blocks between.
    let mut encoder = GzipEncoder::new(Vec::new());
    for some in text.chunks(100_000) {
        encoder.write_all(some).await.expect("into memory");
        encoder.flush().await.expect("into memory");
    }
    encoder.shutdown().await.expect("into memory");
    let packed = encoder.into_inner();
    assert_eq!(check_places(Codec::Gzip, &packed, &text).await, [true; 3]);
}

/// Blocks that are stored begin at whole bytes.
#[tokio::test]
async fn a_gzip_file_that_does_not_shrink_is_read_on() {
    let mut number = 1_u64;
    let mut noise = Vec::new();
    while noise.len() < 10 << 20 {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        noise.extend_from_slice(&(number >> 16).to_le_bytes()[..5]);
    }
    let packed = pack(Codec::Gzip, &noise).await;
    assert!(packed.len() > noise.len());
    assert_eq!(check_places(Codec::Gzip, &packed, &noise).await, [true; 2]);
}

#[tokio::test]
async fn a_file_of_many_members_is_read_on_between_them() {
    let text = text(600_000);
    for codec in CODECS {
        let mut packed = Vec::new();
        for some in text.chunks(3 << 20) {
            packed.extend(pack(codec, some).await);
        }
        let places = check_places(codec, &packed, &text).await;
        assert!(places.len() >= 2, "{codec:?}: {places:?}");
        assert!(codec == Codec::Gzip || !places.contains(&true), "{codec:?}");
    }
}

#[tokio::test]
async fn a_wrong_place_is_found_at_the_members_end() {
    let text = text(300_000);
    let packed = pack(Codec::Gzip, &text).await;
    let read = async |place: &Place| {
        let rest = Cursor::new(packed[place.at as usize..].to_vec());
        let bytes = Counted::new(rest, Counter::from(place.at));
        let marks = Marks::new(&Checkpoint::default());
        let mut found = Vec::new();
        decompress(Codec::Gzip, &packed, bytes, WINDOW, place.clone(), &marks)?
            .read_to_end(&mut found)
            .await
    };
    let start = Checkpoint::default();
    let marks = Marks::new(&start);
    marks.compressed(Place::default(), &start);
    let bytes = Counted::new(Cursor::new(packed.clone()), Counter::default());
    decompress(
        Codec::Gzip,
        &packed,
        bytes,
        WINDOW,
        Place::default(),
        &marks,
    )
    .expect("it is gzip")
    .read_to_end(&mut Vec::new())
    .await
    .expect("it is whole");
    let mut checkpoint = Checkpoint {
        offset: text.len() as u64,
        state: Some("{}".to_owned()),
        ..Checkpoint::default()
    };
    marks.keep_in(&mut checkpoint);
    let place = carried::place(&checkpoint).expect("there is one");
    assert!(read(&place).await.is_ok());
    let middle = place.middle.clone().expect("in the middle");
    let wrong = |change: fn(&mut Middle)| {
        let mut middle = middle.clone();
        change(&mut middle);
        Place {
            middle: Some(middle),
            ..place.clone()
        }
    };
    assert!(read(&wrong(|middle| middle.crc ^= 1)).await.is_err());
    assert!(read(&wrong(|middle| middle.length += 1)).await.is_err());
    let before = Place {
        at: place.at - 1,
        ..place.clone()
    };
    assert!(read(&before).await.is_err());
}

use std::io::Write;
use std::net::IpAddr;

use arrivage_model::ReasonCode;

use crate::decode::fault::{Fault, excerpt};

/// An address of version 4 or 6, and the bits of its net where they are not all.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let found = read(text).ok_or_else(|| {
        let reason = format!(
            "{} is no address: 192.0.2.1 and 2001:db8::1 are, also with the bits of their net as in /24",
            excerpt(text)
        );
        Fault::new(ReasonCode::NotAnAddress, reason)
    })?;
    match found {
        (address, None) => write!(out, "{address}"),
        (address, Some(bits)) => write!(out, "{address}/{bits}"),
    }
    .map_err(|error| Fault::new(ReasonCode::NotAnAddress, error.to_string()))
}

fn read(text: &[u8]) -> Option<(IpAddr, Option<u8>)> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let Some(bits) = bits else {
        return Some((address, None));
    };
    let plain =
        bits.bytes().all(|byte| byte.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    let bits: u8 = bits.parse().ok().filter(|_| plain)?;
    (bits <= all).then_some((address, Some(bits).filter(|bits| *bits < all)))
}

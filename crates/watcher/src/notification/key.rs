/// Undoes the form encoding of a key, once: `+` is a space, `%2B` a plus.
pub(super) fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let pair = [rest.next(), rest.next()].map(|digit| digit.and_then(hex));
                let [Some(high), Some(low)] = pair else {
                    return Err("its key has a % without two hexadecimal digits".to_owned());
                };
                high << 4 | low
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).map_err(|_| "its key is not UTF-8 once decoded".to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_exactly_once() {
        let check = |encoded: &str, expect: &str| {
            assert_eq!(decode(encoded).as_deref(), Ok(expect), "{encoded}");
        };
        check("orders/2026-11-22/a.csv", "orders/2026-11-22/a.csv");
        check("orders%2F2026%2fa.csv", "orders/2026/a.csv");
        check("a+b%20c.csv", "a b c.csv");
        check("a%2Bb.csv", "a+b.csv");
        check("100%25.csv", "100%.csv");
        check("a%252Bb.csv", "a%2Bb.csv");
        check("caf%C3%A9+%E2%82%AC.csv", "café €.csv");
        check("café.csv", "café.csv");
        check("a%0Ab", "a\nb");
        check("../x", "../x");
        check("", "");
    }

    #[test]
    fn a_broken_encoding_is_no_key() {
        let check = |encoded: &str, reason: &str| {
            let error = decode(encoded).expect_err(encoded);
            assert!(error.contains(reason), "{encoded}: {error}");
        };
        check("a%", "two hexadecimal digits");
        check("a%2", "two hexadecimal digits");
        check("100%.csv", "two hexadecimal digits");
        check("a%é", "two hexadecimal digits");
        check("a%+1", "two hexadecimal digits");
        check("a%FFb", "not UTF-8");
        check("a%C3", "not UTF-8");
    }
}

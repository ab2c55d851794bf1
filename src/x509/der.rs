//! Reading DER, as far as a certificate needs it: definite lengths, low tag numbers, no copies.
//!
//! X.690 §8 and §10.1. Input is untrusted: every step is bounded by the slice it reads from.

/// The bytes are not the DER that was expected here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A position in a run of DER values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

/// One value: its tag, its content, and all of its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// `[number]`, primitive.
pub(super) const fn context(number: u8) -> u8 {
    0x80 | number
}

/// `[number]`, constructed.
pub(super) const fn context_constructed(number: u8) -> u8 {
    0xA0 | number
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next value, whatever its tag.
    pub(super) fn any(&mut self) -> Result<Value<'a>, Malformed> {
        let all = self.0;
        let (&tag, rest) = all.split_first().ok_or(Malformed)?;
        // High tag numbers do not occur in certificates.
        if tag & 0x1F == 0x1F {
            return Err(Malformed);
        }
        let (&first, rest) = rest.split_first().ok_or(Malformed)?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            // X.690 §10.1: the shortest form, and never the indefinite one.
            let count = usize::from(first & 0x7F);
            let (digits, rest) = rest.split_at_checked(count).ok_or(Malformed)?;
            if !(1..=4).contains(&count) || digits.first() == Some(&0) {
                return Err(Malformed);
            }
            let length = digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
            if length < 0x80 {
                return Err(Malformed);
            }
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        let (whole, _) = all.split_at_checked(all.len() - rest.len()).ok_or(Malformed)?;
        self.0 = rest;
        Ok(Value { tag, content, whole })
    }

    /// The next value, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<Value<'a>, Malformed> {
        self.any().and_then(|value| if value.tag == tag { Ok(value) } else { Err(Malformed) })
    }

    /// The next value if it has this tag; otherwise nothing is read.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Value<'a>>, Malformed> {
        if self.0.first() == Some(&tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

impl<'a> Value<'a> {
    pub(super) fn reader(self) -> Reader<'a> {
        Reader(self.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_definite_and_shortest() {
        let mut long = vec![OCTET_STRING, 0x81, 0x80];
        long.extend([7; 0x80]);
        assert_eq!(Reader::new(&long).any().unwrap().content.len(), 0x80);
        for bytes in [
            &[4_u8, 0x81, 1, 0][..],
            &[4, 0x80, 0, 0],
            &[4, 0x82, 0, 0x80],
            &[4, 2, 0],
            &[4],
            &[],
            &[0x1F, 1, 0],
        ] {
            assert!(Reader::new(bytes).any().is_err(), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_fails_loudly_and_always_advances(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let mut left = bytes.len();
            while let Ok(value) = reader.any() {
                assert!(value.whole.len() >= 2 && value.whole.len() <= left);
                left -= value.whole.len();
            }
        }
    }
}

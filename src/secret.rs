//! Bytes that nobody may read by accident: keys, as they pass between the parts.
//!
//! [`Secret`] never shows its content in `Debug` and has no `Display`. On drop its bytes are overwritten, as far
//! as safe code can: copies that a caller makes, or that the system swaps out, are beyond it.

use std::fmt;
use std::hint::black_box;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A key or a file with a key in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes; a `String` is taken without a copy.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text; nothing if they are not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without it the compiler may leave the zeros out, since nobody reads them.
        black_box(self.0.as_slice());
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({} bytes)", self.0.len())
    }
}

/// As a JSON string, for files with mode 0600.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text().ok_or_else(|| serde::ser::Error::custom("the secret is not text"))?;
        serializer.serialize_str(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(7 bytes) Some(Secret(7 bytes))");
        assert_eq!((secret.text(), secret.bytes()), (Some("hunter2"), &b"hunter2"[..]));
        assert_eq!(Secret::new([0xFF]).text(), None);
    }

    #[test]
    fn a_secret_is_a_string_in_a_file() {
        let secret = Secret::new("a\nb".to_owned());
        let text = serde_json::to_string(&secret).unwrap();
        assert_eq!(text, r#""a\nb""#);
        assert_eq!(serde_json::from_str::<Secret>(&text).unwrap(), secret);
        assert!(serde_json::to_string(&Secret::new([0xFF])).is_err());
    }
}

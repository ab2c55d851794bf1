//! Keys as JSON: the JWK of a P-256 key and its thumbprint. RFC 7517, RFC 7518 §6.2, RFC 7638.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::Value;

/// The members of a public key that RFC 7638 §3.2 requires, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jwk(BTreeMap<&'static str, String>);

impl Jwk {
    /// From the coordinates of a P-256 key, 32 bytes each, leading zeros kept (RFC 7518 §6.2.1.2).
    pub(super) fn p256(x: &[u8; 32], y: &[u8; 32]) -> Self {
        let coordinate = |bytes: &[u8; 32]| URL_SAFE_NO_PAD.encode(bytes);
        Self::of([
            ("kty", "EC".to_owned()),
            ("crv", "P-256".to_owned()),
            ("x", coordinate(x)),
            ("y", coordinate(y)),
        ])
    }

    fn of<const N: usize>(members: [(&'static str, String); N]) -> Self {
        Self(BTreeMap::from(members))
    }

    /// Its JSON: the members by name, no spaces, which is the form that RFC 7638 §3.3 hashes.
    pub(super) fn to_json(&self) -> Value {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect()
    }

    /// base64url of the SHA-256 of its JSON.
    pub(super) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.to_json().to_string().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> [u8; 32] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_thumbprint_of_rfc_7638_section_3_1() {
        let key = Jwk::of([
            ("kty", "RSA".to_owned()),
            (
                "n",
                "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
                 oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZ\
                 Hzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kE\
                 gU8awapJzKnqDKgw"
                    .to_owned(),
            ),
            ("e", "AQAB".to_owned()),
        ]);
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_thumbprint_of_rfc_9449s_key() {
        let (x, y) =
            ("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
        let key = Jwk::p256(&bytes(x), &bytes(y));
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        assert_eq!(key.to_json().to_string(), canonical);
        assert_eq!(key.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn leading_zeros_of_a_coordinate_stay() {
        let json = Jwk::p256(&[0; 32], &[1; 32]).to_json();
        assert_eq!(json["x"].as_str().unwrap().len(), 43);
    }
}

//! PEM: reading through rustls' own reader, writing here. RFC 7468.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One block with lines of 64 characters and a newline at its end.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut block = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        block.extend(line.iter().map(|byte| char::from(*byte)));
        block.push('\n');
    }
    block.push_str(&format!("-----END {label}-----\n"));
    block
}

/// The label of a PKCS#8 key.
pub const PRIVATE_KEY: &str = "PRIVATE KEY";
/// The label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";

//! The signing request: the names and the key, nothing else. RFC 2986, RFC 8555 §7.4.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};

use super::error::{Error, ErrorKind};
use super::key::CertificateKey;
use crate::names::Identifier;

/// DER of a request for exactly these names, signed by the certificate's key.
pub(super) fn request(identifiers: &[Identifier], key: &CertificateKey) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::from(ErrorKind::Request).with_source(error);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(key.p256().pkcs8(), &PKCS_ECDSA_P256_SHA256);
    let mut params = CertificateParams::default();
    // rcgen's default subject has a common name, which is no name of the order.
    params.distinguished_name = DistinguishedName::new();
    for identifier in identifiers {
        params.subject_alt_names.push(match identifier {
            Identifier::Dns(name) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
            Identifier::Ip(address) => SanType::IpAddress(*address),
        });
    }
    let request = params.serialize_request(&key.map_err(failed)?).map_err(failed)?;
    Ok(request.der().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
        bytes.windows(part.len()).position(|window| window == part)
    }

    #[test]
    fn a_request_has_an_empty_subject_and_exactly_the_names() {
        let names =
            ["docs.example.com", "192.0.2.1", "2001:db8::1"].map(|name| Identifier::parse(name).unwrap());
        let der = request(&names, &CertificateKey::generate().unwrap()).unwrap();
        // Version 0, then a Name without any RDN, then the key.
        let start = find(&der, &[0x02, 0x01, 0x00]).unwrap();
        assert_eq!(der[start..start + 6], [0x02, 0x01, 0x00, 0x30, 0x00, 0x30]);
        assert_eq!(find(&der, &[0x55, 0x04, 0x03]), None, "no common name");
        let mut san = vec![0x30, 42, 0x82, 16];
        san.extend(b"docs.example.com");
        san.extend([0x87, 4, 192, 0, 2, 1, 0x87, 16, 0x20, 0x01, 0x0D, 0xB8]);
        san.extend([0; 11]);
        san.push(1);
        assert!(find(&der, &san).is_some(), "{der:02x?}");
    }
}

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SerialNumber};

use super::*;

fn issuer(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(names: &[&str], key: &KeyPair, issuer: &CertifiedIssuer<'_, KeyPair>) -> String {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.serial_number = Some(SerialNumber::from_slice(&[0, 0x87, 0x65, 0x43, 0x21]));
    params.use_authority_key_identifier_extension = true;
    params.not_before = SystemTime::UNIX_EPOCH.into();
    params.not_after = (SystemTime::UNIX_EPOCH + Duration::from_secs(951_782_400)).into();
    params.signed_by(key, issuer).unwrap().pem()
}

fn names(names: &[&str]) -> Vec<Identifier> {
    names.iter().map(|name| Identifier::parse(name).unwrap()).collect()
}

#[test]
fn a_certificate_says_whom_it_is_for_and_until_when() {
    let (ca, key) = (issuer("Test CA"), KeyPair::generate().unwrap());
    let text = leaf(&["a.example", "192.0.2.1", "2001:db8::1", "*.b.example"], &key, &ca);
    let chain = Chain::from_pem(text.as_bytes()).unwrap();
    let read = chain.leaf();
    assert_eq!(read.identifiers(), names(&["a.example", "192.0.2.1", "2001:db8::1"]));
    assert_eq!(read.issuer_name(), Some("Test CA"));
    assert_eq!(read.serial(), [0, 0x87, 0x65, 0x43, 0x21]);
    assert_eq!(date(read.not_after()), "2000-02-29 00:00:00 UTC");
    assert_eq!(date(read.not_before()), "1970-01-01 00:00:00 UTC");
    assert!(read.authority_key_identifier().is_some_and(|id| !id.is_empty()));
    for (name, covered) in
        [("a.example", true), ("x.b.example", true), ("b.example", false), ("x.y.b.example", false)]
    {
        assert_eq!(read.covers(&Identifier::parse(name).unwrap()), covered, "{name}");
    }
}

#[test]
fn a_chain_is_held_to_what_was_asked() {
    let (ca, other, key) = (issuer("Test CA"), issuer("Test CA"), KeyPair::generate().unwrap());
    let text = leaf(&["a.example"], &key, &ca);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    let good = Chain::from_pem(format!("{text}some text\n{}", ca.pem()).as_bytes()).unwrap();
    assert_eq!(good.check(&names(&["a.example"]), now), Ok(()));
    assert_eq!(Chain::from_pem(good.to_pem().as_bytes()), Ok(good.clone()));
    assert!(matches!(good.check(&names(&["a.example", "b.example"]), now), Err(Error::NameMissing(_))));
    assert!(matches!(good.check(&[], now), Err(Error::NameUnasked(_))));
    let late = now + Duration::from_secs(2_000_000_000);
    assert!(matches!(good.check(&names(&["a.example"]), late), Err(Error::NotValid { .. })));
    let unlinked = Chain::from_pem(format!("{text}{}", other.pem()).as_bytes()).unwrap();
    assert_eq!(unlinked.check(&names(&["a.example"]), now), Err(Error::Unlinked(0)));
    let reversed = Chain::from_pem(format!("{}{text}", ca.pem()).as_bytes()).unwrap();
    assert!(reversed.check(&names(&["a.example"]), now).is_err());
}

#[test]
fn a_key_must_fit_its_certificate() {
    let (ca, key) = (issuer("Test CA"), KeyPair::generate().unwrap());
    let text = leaf(&["a.example"], &key, &ca);
    let pair = Pair::from_pem(text.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    assert!(Pair::from_pem(text.as_bytes(), pair.key_to_pem().as_bytes()).is_ok());
    let stranger = KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(Pair::from_pem(text.as_bytes(), stranger.as_bytes()).unwrap_err(), Error::KeyMismatch);
    assert_eq!(Pair::from_pem(text.as_bytes(), b"").unwrap_err(), Error::NoKey);
    assert_eq!(Pair::from_pem(b"", stranger.as_bytes()).unwrap_err(), Error::NoCertificate);
}

proptest::proptest! {
    #[test]
    fn a_broken_certificate_is_an_error(place: proptest::sample::Index, byte: u8, cut: proptest::sample::Index) {
        let (ca, key) = (issuer("Test CA"), KeyPair::generate().unwrap());
        let text = leaf(&["a.example", "192.0.2.1"], &key, &ca);
        let mut der = Chain::from_pem(text.as_bytes()).unwrap().leaf().der().to_vec();
        let index = place.index(der.len());
        der[index] = byte;
        let _ = Certificate::parse(CertificateDer::from(der.clone()));
        der.truncate(cut.index(der.len()));
        proptest::prop_assert_eq!(Certificate::parse(CertificateDer::from(der)), Err(Error::Malformed));
    }

    #[test]
    fn every_day_is_the_day_it_was_made_from(day in 0_u64..200_000) {
        let (year, month, date) = certificate::civil(day);
        let text = format!("{year:04}{month:02}{date:02}000000Z");
        proptest::prop_assert!(text.len() == 15 && (1..=12).contains(&month) && (1..=31).contains(&date));
        proptest::prop_assert_eq!(days(year, month, date), day);
    }
}

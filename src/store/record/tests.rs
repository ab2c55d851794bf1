use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::testing::{content, fixed, issue, pair};
use super::*;

/// Text that could be taken for the structure around it.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z.:/]{0,20}",
        Just("\n-----BEGIN CERTIFICATE-----\n\"}\n".to_owned()),
        Just(fixed(true).chain().to_pem()),
    ]
}

fn ari() -> impl Strategy<Value = Ari> {
    (any::<[u64; 4]>(), option::of(text())).prop_map(|([start, end, chosen, retry_at], explanation_url)| {
        Ari { start, end, chosen, retry_at, explanation_url }
    })
}

fn attempts() -> impl Strategy<Value = Attempts> {
    let last = (any::<u64>(), text(), text(), text(), option::of(any::<u64>()));
    let last = last.prop_map(|(at, kind, text, directory, retry_at)| Failure {
        at,
        kind,
        text,
        directory,
        retry_at,
    });
    let failed = (text(), any::<u64>()).prop_map(|(name, at)| FailedValidation { name, at });
    (any::<u32>(), option::of(last), option::of(any::<u64>()), vec(failed, 0..3), option::of(text()))
        .prop_map(|(failures, last, next_at, failed_validations, last_challenge)| Attempts {
            failures,
            last,
            next_at,
            failed_validations,
            last_challenge,
        })
}

fn order() -> impl Strategy<Value = OpenOrder> {
    (text(), text(), text(), text(), vec(text(), 0..3), any::<u64>()).prop_map(
        |(url, directory, account, key, names, placed_at)| OpenOrder {
            url,
            directory,
            account,
            key_pem: Secret::new(key),
            names,
            placed_at,
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let hashes = (text(), text()).prop_map(|(cert_sha256, key_sha256)| Hashes { cert_sha256, key_sha256 });
    let issued = (text(), text(), vec(text(), 0..3), option::of(text()), option::of(any::<u64>()));
    let flags = (any::<bool>(), any::<bool>(), vec(hashes, 0..3), any::<u32>());
    (issued, option::of(ari()), attempts(), option::of(order()), flags).prop_map(
        |((directory, account, names, profile, issued_at), ari, attempts, order, flags)| Record {
            directory,
            account,
            names,
            profile,
            issued_at,
            early_renewals: flags.3,
            ari,
            attempts,
            order,
            renew_requested: flags.0,
            revoked: flags.1,
            published: flags.2,
        },
    )
}

fn entry() -> CertificateEntry {
    let mut record = Record { names: vec!["docs.example.com".to_owned()], ..Record::default() };
    record.attempts.failures = 3;
    CertificateEntry::new(record, Some(pair()))
}

proptest! {
    #[test]
    fn an_entry_is_read_as_it_was_written(record in record(), pair in option::of(any::<bool>())) {
        let entry = CertificateEntry::new(record, pair.map(fixed));
        let read = CertificateEntry::decode(entry.encode().unwrap().bytes()).unwrap();
        prop_assert_eq!(read.record, entry.record);
        prop_assert_eq!(content(read.pair.as_ref()), content(entry.pair.as_ref()));
    }

    #[test]
    fn a_changed_byte_never_makes_another_pair(place: prop::sample::Index, byte: u8) {
        let entry = CertificateEntry::new(Record::default(), Some(fixed(false)));
        let mut bytes = entry.encode().unwrap().bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(read) = CertificateEntry::decode(&bytes) {
            prop_assert_eq!(content(read.pair.as_ref()), content(entry.pair.as_ref()));
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, text: String) {
        prop_assert!(CertificateEntry::decode(&bytes).is_err());
        let _ = CertificateEntry::decode(format!(r#"{{"format":1,"pem_sha256":"","names":["{text}"]}}"#).as_bytes());
    }
}

#[test]
fn a_file_cut_at_any_byte_is_no_entry() {
    let whole = entry().encode().unwrap();
    for length in 0..whole.bytes().len() {
        let read = CertificateEntry::decode(&whole.bytes()[..length]);
        assert!(matches!(read, Err(DecodeError::Malformed { .. })), "{length} of {}", whole.bytes().len());
    }
}

#[test]
fn a_lost_pair_does_not_lose_the_record() {
    let entry = entry();
    let whole = entry.encode().unwrap();
    let json = whole.text().unwrap().find("\n-----BEGIN").unwrap();
    let cut = &whole.bytes()[..json + 100];
    assert!(CertificateEntry::decode(cut).is_err());
    assert_eq!(CertificateEntry::salvage(cut), Some(entry.record));
    assert_eq!(CertificateEntry::salvage(&whole.bytes()[..json - 5]), None);
}

#[test]
fn a_record_without_a_pair_is_an_entry() {
    let entry = CertificateEntry::new(entry().record, None);
    let read = CertificateEntry::decode(entry.encode().unwrap().bytes()).unwrap();
    assert_eq!((read.record, read.pair.is_none()), (entry.record, true));
}

#[test]
fn a_chain_that_lost_its_last_certificate_is_no_entry() {
    let whole = entry().encode().unwrap();
    let last = whole.text().unwrap().rfind("-----BEGIN").unwrap();
    assert!(matches!(CertificateEntry::decode(&whole.bytes()[..last]), Err(DecodeError::Malformed { .. })));
}

#[test]
fn a_key_of_another_certificate_is_told() {
    let entry = entry();
    let ours = entry.pair.as_ref().unwrap().key_to_pem();
    let (_, stranger) = issue(&["docs.example.com"]);
    let text = entry.encode().unwrap().text().unwrap().replace(&ours, &stranger.replace("\r\n", "\n"));
    assert_eq!(CertificateEntry::decode(text.as_bytes()).unwrap_err(), DecodeError::KeyMismatch);
}

#[test]
fn a_newer_format_is_told_from_a_broken_one() {
    let newer = br#"{"format": 2, "names": {"this": "is new"}, "later": []} and more"#;
    assert_eq!(CertificateEntry::decode(newer).unwrap_err(), DecodeError::NewerFormat { found: 2 });
    for broken in [&br#"{"names": []}"#[..], br#"{"format": "1"}"#, b"", b"[]", b"null", b"-----BEGIN"] {
        let error = CertificateEntry::decode(broken).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed { .. }), "{error:?}");
    }
}

#[test]
fn fields_may_be_missing_and_unknown_ones_are_passed_over() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let text = format!(
        r#"{{"format": 1, "pem_sha256": "{empty}", "directory": "https://ca.example/", "flavour": {{"a": [1]}},
            "attempts": {{"failures": 2, "mood": "bad"}}, "ari": {{"start": 5}}}}"#
    );
    let record = CertificateEntry::decode(text.as_bytes()).unwrap().record;
    assert_eq!((record.directory.as_str(), record.attempts.failures), ("https://ca.example/", 2));
    assert_eq!(record.ari, Some(Ari { start: 5, ..Ari::default() }));
    assert_eq!((record.names.len(), record.order, record.renew_requested), (0, None, false));
}

#[test]
fn other_programs_read_the_file_as_it_is() {
    let entry = entry();
    let file = entry.encode().unwrap();
    let read = Pair::from_pem(file.bytes(), file.bytes()).unwrap();
    assert_eq!(content(Some(&read)), content(entry.pair.as_ref()));
    assert!(file.text().unwrap().starts_with("{\n  \"format\": 1,\n"));
}

#[test]
fn keys_are_not_in_what_debug_and_errors_show() {
    let order = OpenOrder { key_pem: Secret::new("hunter2".to_owned()), ..OpenOrder::default() };
    let entry = CertificateEntry::new(Record { order: Some(order), ..Record::default() }, Some(pair()));
    let shown = format!("{entry:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("PRIVATE"), "{shown}");
    let text = entry.encode().unwrap().text().unwrap().replace("\"hunter2\"", "[\"hunter2\"]");
    let error = CertificateEntry::decode(text.as_bytes()).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn generations_are_kept_until_one_is_published() {
    let hashes = |n: usize| Hashes { cert_sha256: format!("c{n}"), key_sha256: format!("k{n}") };
    let mut record = Record::default();
    for n in [1, 2, 1, 3] {
        record.announce(hashes(n));
    }
    assert_eq!(record.published, [hashes(2), hashes(1), hashes(3)]);
    record.settle(&hashes(3));
    assert_eq!(record.published, [hashes(3)]);
    (0..200).for_each(|n| record.announce(hashes(n)));
    assert_eq!((record.published.len(), record.published.last()), (MOST_GENERATIONS, Some(&hashes(199))));
}

use super::super::testing::{content, issue, pair};
use super::*;

fn files(cert: Option<&Pair>, key: Option<&Pair>) -> PublishedFiles {
    PublishedFiles {
        cert: cert.map(|pair| pair.chain().to_pem().into_bytes()),
        key: key.map(|pair| Secret::new(pair.key_to_pem())),
        key_readable_by_others: false,
    }
}

/// A record that has published these.
fn record(known: &[&Pair]) -> Record {
    Record { published: known.iter().map(|pair| Hashes::of(pair)).collect(), ..Record::default() }
}

#[test]
fn no_files_are_to_be_published() {
    let pair = pair();
    assert!(matches!(judge(&files(None, None), &record(&[&pair]), Some(&pair)), Published::Absent));
    assert!(matches!(judge(&files(None, None), &record(&[]), None), Published::Absent));
}

#[test]
fn the_truths_own_files_are_current() {
    let pair = pair();
    let whole = files(Some(&pair), Some(&pair));
    assert!(matches!(judge(&whole, &record(&[&pair]), Some(&pair)), Published::Current));
    // Even if the record has lost its hashes.
    assert!(matches!(judge(&whole, &record(&[]), Some(&pair)), Published::Current));
}

#[test]
fn every_state_between_two_generations_is_ours() {
    let (old, new) = (pair(), pair());
    let states = [None, Some(&old), Some(&new)];
    for cert in 0..3 {
        for key in 0..3 {
            let found = judge(&files(states[cert], states[key]), &record(&[&old, &new]), Some(&new));
            match (cert, key) {
                (0, 0) => assert!(matches!(found, Published::Absent)),
                (2, 2) => assert!(matches!(found, Published::Current)),
                _ => {
                    let Published::Stale { pair } = found else { panic!("{cert} {key}: {found:?}") };
                    let whole = (cert == 1 && key == 1).then(|| content(Some(&old))).flatten();
                    assert_eq!(content(pair.as_ref()), whole, "{cert} {key}");
                }
            }
        }
    }
}

#[test]
fn a_whole_pair_of_ours_outlives_a_lost_truth() {
    let ours = pair();
    let found = judge(&files(Some(&ours), Some(&ours)), &record(&[&ours]), None);
    let Published::Stale { pair: Some(found) } = found else { panic!("{found:?}") };
    assert_eq!(content(Some(&found)), content(Some(&ours)));
}

#[test]
fn a_pair_that_is_not_ours_is_the_operators() {
    let (ours, theirs) = (pair(), pair());
    for (known, truth) in [(record(&[&ours]), Some(&ours)), (record(&[]), None)] {
        let found = judge(&files(Some(&theirs), Some(&theirs)), &known, truth);
        let Published::Operators(found) = found else { panic!("{found:?}") };
        assert_eq!(content(Some(&found)), content(Some(&theirs)));
    }
}

#[test]
fn a_chain_that_was_edited_is_the_operators_with_our_key() {
    let ours = pair();
    let mut edited = files(Some(&ours), Some(&ours));
    edited.cert.as_mut().unwrap().extend(issue(&["other.example"]).0.into_bytes());
    assert!(matches!(judge(&edited, &record(&[&ours]), Some(&ours)), Published::Operators(_)));
}

#[test]
fn half_a_pair_of_the_operators_is_broken_and_not_ours() {
    let (ours, theirs) = (pair(), pair());
    let known = record(&[&ours]);
    for (found, why) in [
        (files(Some(&theirs), Some(&ours)), Error::KeyMismatch),
        (files(Some(&ours), Some(&theirs)), Error::KeyMismatch),
        (files(Some(&theirs), None), Error::NoKey),
        (files(None, Some(&theirs)), Error::NoCertificate),
        (PublishedFiles { cert: Some(b"text".to_vec()), ..files(None, Some(&ours)) }, Error::NoCertificate),
        (PublishedFiles { key: Some(Secret::default()), ..files(Some(&ours), None) }, Error::NoKey),
    ] {
        let Published::OperatorsBroken { why: found } = judge(&found, &known, Some(&ours)) else {
            panic!("{why:?}");
        };
        assert_eq!(found, why);
    }
}

//! Which CA and which challenge type the next attempt takes: pure choices.

use std::time::{Duration, SystemTime};

use super::Authority;
use crate::acme::ChallengeKind;
use crate::store::Attempts;

/// The place of the CA to ask. The first, until it has failed three times in a row; then they take turns. A CA
/// that asked to wait is passed over meanwhile, if there is another.
pub(super) fn authority(authorities: &[Authority], attempts: &Attempts, now: SystemTime) -> usize {
    let place = match attempts.failures.checked_sub(FAILURES_OF_THE_FIRST) {
        Some(beyond) if authorities.len() > 1 && beyond % 2 == 0 => 1,
        _ => 0,
    };
    let is_held_back = |place: usize| {
        authorities
            .get(place)
            .is_some_and(|authority| held_back_until(&authority.directory, attempts, now).is_some())
    };
    let other = 1 - place;
    if is_held_back(place) && other < authorities.len() && !is_held_back(other) { other } else { place }
}

/// Until when the CA asked not to be asked, if that is to come.
pub(super) fn held_back_until(directory: &str, attempts: &Attempts, now: SystemTime) -> Option<SystemTime> {
    let last = attempts.last.as_ref().filter(|last| last.directory == directory)?;
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(last.retry_at?);
    Some(until).filter(|until| *until > now)
}

/// The challenge type to try: the one that worked before, after a failed validation the other, as far as they can
/// be answered.
pub(super) fn challenge(only: Option<ChallengeKind>, http_01: bool, attempts: &Attempts) -> ChallengeKind {
    if let Some(only) = only {
        return only;
    }
    if !http_01 {
        return ChallengeKind::TlsAlpn01;
    }
    let before = attempts.last_challenge.as_deref().and_then(ChallengeKind::parse);
    let before = before.unwrap_or(ChallengeKind::Http01);
    let failed = attempts.last.as_ref().filter(|last| attempts.failures > 0 && last.kind == VALIDATION);
    match (failed, before) {
        (None, before) => before,
        (Some(_), ChallengeKind::Http01) => ChallengeKind::TlsAlpn01,
        (Some(_), _) => ChallengeKind::Http01,
    }
}

const FAILURES_OF_THE_FIRST: u32 = 3;
const VALIDATION: &str = crate::metrics::Failed::Validation.as_str();

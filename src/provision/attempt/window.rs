//! When the CA would like the certificate to be renewed. RFC 9773.

use std::time::{Duration, SystemTime};

use tracing::debug;

use super::connect;
use crate::acme::{self, CertificateId, Client};
use crate::provision::holding::{Holding, seconds};
use crate::provision::{Authority, Parts};
use crate::store::Ari;

/// Asks the CA when to renew; what to note of it, in any case when to ask again.
pub(in crate::provision) async fn renewal_info(
    parts: &Parts,
    authority: &Authority,
    holding: &Holding,
    client: &mut Option<Client>,
) -> Option<Ari> {
    let before = holding.entry.record.ari.as_ref();
    let now = parts.clock.system();
    let id = CertificateId::of(holding.entry.pair.as_ref()?.leaf())?;
    let later =
        |pause: Duration| Ari { retry_at: seconds(now + pause), ..before.cloned().unwrap_or_default() };
    let met = match client {
        Some(client) => client,
        None => match connect(parts, authority).await {
            Ok(met) => client.insert(met),
            Err(_) => return Some(later(ASK_AGAIN)),
        },
    };
    match met.renewal_info(&id).await {
        Ok(info) => {
            let chosen = match before.filter(|before| is_window(before, info.start, info.end)) {
                Some(before) => before.chosen,
                // Without randomness the middle is as good as any.
                None => seconds(info.pick(parts.entropy.as_ref()).unwrap_or(info.start)),
            };
            Some(Ari {
                start: seconds(info.start),
                end: seconds(info.end),
                chosen,
                retry_at: seconds(now + info.retry_after),
                explanation_url: info.explanation_url,
            })
        }
        Err(error) => {
            debug!(cause = %error, "the CA did not say when to renew");
            let pause = error.retry_after().unwrap_or(ASK_AGAIN).clamp(SOONEST, ASK_AGAIN);
            // A malformed answer is as if there were none (RFC 9773 §4.2); an unreachable CA takes nothing back.
            let forget = matches!(error.kind(), acme::ErrorKind::Malformed(_));
            Some(if forget { Ari { retry_at: seconds(now + pause), ..Ari::default() } } else { later(pause) })
        }
    }
}

fn is_window(ari: &Ari, start: SystemTime, end: SystemTime) -> bool {
    ari.start == seconds(start) && ari.end == seconds(end)
}

const SOONEST: Duration = Duration::from_secs(60);
/// Twice a day at least (RFC 9773 §4.3.1), and six hours by habit.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 3_600);

//! When to do what: a pure function of the time and of what is known.
//!
//! RFC 9773 (ARI) decides where a CA has it; else a third of the lifetime before the end, or half of one under
//! ten days, as Let's Encrypt's integration guide asks. Failures wait 1, 10, 100 minutes, then a day. No name's
//! validation fails more than four times in any hour (Let's Encrypt allows five).

use std::time::{Duration, SystemTime};

/// What the schedule looks at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The certificate that is served, if there is one.
    pub held: Option<Held>,
    /// What the CA said of its renewal; none: it has no ARI, or was not asked.
    pub window: Option<Window>,
    /// When the CA may be asked for its window again; none: it has no ARI.
    pub ask_at: Option<SystemTime>,
    /// The operator wants a new certificate now.
    pub requested: bool,
    /// Not before this; as the last failure left it.
    pub next_at: Option<SystemTime>,
    /// When a validation failed, of any hour and name.
    pub failed_validations: &'a [(String, SystemTime)],
}

/// The certificate that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Valid from.
    pub not_before: SystemTime,
    /// Valid until.
    pub not_after: SystemTime,
    /// When it was obtained; CAs date `not_before` back by up to an hour.
    pub issued: SystemTime,
    /// How many renewals in a row, the one that brought it the last, were [early](is_early).
    pub early_renewals: u32,
    /// Whether it is to stay.
    pub standing: Standing,
}

/// How a certificate stands to the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Ours, for every name, from a CA that is configured.
    Right,
    /// Served only until its replacement is there: another CA, a name missing or too many, revoked.
    Interim,
    /// The operator's own: theirs to renew. Ours is there shortly before it ends, and served from then on.
    Operators,
}

/// The time for renewal that a CA suggests, and the one chosen in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its begin.
    pub start: SystemTime,
    /// Its end.
    pub end: SystemTime,
    /// Uniformly random in it, kept as long as the window is the same.
    pub chosen: SystemTime,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Order a certificate now.
    Order,
    /// Ask the CA for its window now.
    AskRenewalInfo,
    /// Nothing until then.
    Wait {
        /// When to look again.
        until: SystemTime,
        /// For what.
        reason: Reason,
    },
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The renewal's time.
    Renewal,
    /// The pause after a failure.
    Backoff,
    /// A name has failed four validations within the hour.
    ValidationLimit,
}

/// What to do at `now`.
#[must_use]
pub fn next_action(now: SystemTime, view: &View<'_>) -> Action {
    let (until, reason) = next_order(now, view);
    if until <= now {
        return Action::Order;
    }
    match view.ask_at.filter(|_| view.held.is_some_and(|held| held.standing == Standing::Right)) {
        Some(ask_at) if ask_at <= now => Action::AskRenewalInfo,
        Some(ask_at) if ask_at < until => Action::Wait { until: ask_at, reason },
        _ => Action::Wait { until, reason },
    }
}

/// When the next order comes, whatever else is done before, and what holds it up until then.
#[must_use]
pub fn next_order(now: SystemTime, view: &View<'_>) -> (SystemTime, Reason) {
    let due = due(now, view);
    [
        (Some(due), Reason::Renewal),
        (backoff_end(now, view), Reason::Backoff),
        (validations_allowed_at(now, view.failed_validations), Reason::ValidationLimit),
    ]
    .into_iter()
    .filter_map(|(until, reason)| Some((until?, reason)))
    // Of equal times the first: `max_by_key` would take the last.
    .rev()
    .max_by_key(|(until, _)| *until)
    .unwrap_or((due, Reason::Renewal))
}

/// When a certificate is due: at once if none is right, at the CA's chosen time, or by its lifetime.
#[must_use]
pub fn due(now: SystemTime, view: &View<'_>) -> SystemTime {
    let Some(held) = view.held.filter(|_| !view.requested) else { return now };
    match held.standing {
        Standing::Interim => now,
        Standing::Operators => before_end(held, operators_margin(held)),
        Standing::Right => match view.window {
            Some(window) => by_window(held, window),
            None => without_window(held),
        },
    }
}

/// Renewal when the CA says so, within reason.
fn by_window(held: Held, window: Window) -> SystemTime {
    let chosen = window.chosen.max(held.issued + rest(held));
    // One that leaves less than a twentieth of the lifetime is a mistake of the CA.
    chosen.min(before_end(held, lifetime(held) / 20))
}

/// How old a certificate becomes before the CA's window can end it. A window in the past is followed at once
/// (RFC 9773 §4.2), and so is the next of a CA that has to revoke twice; but a CA that never stops would have orders
/// without end.
fn rest(held: Held) -> Duration {
    let rest = match held.early_renewals {
        0 => Duration::ZERO,
        1 => HOUR / 6,
        2 => HOUR * 5 / 3,
        3 => HOUR * 24,
        _ => Duration::MAX,
    };
    rest.min(lifetime(held) / 6)
}

/// Whether a certificate that is replaced now has served less than half of its time without a window.
#[must_use]
pub fn is_early(now: SystemTime, held: &Held) -> bool {
    let whole = without_window(*held).duration_since(held.not_before).unwrap_or_default();
    held.standing == Standing::Right && now < held.issued + whole / 2
}

/// From how long before its end on the operator's certificate is expected to end.
#[must_use]
pub fn operators_margin(held: Held) -> Duration {
    (lifetime(held) / 20).min(HALF_A_DAY)
}

/// Renewal by lifetime alone.
fn without_window(held: Held) -> SystemTime {
    let lifetime = lifetime(held);
    before_end(held, if lifetime < SHORT_LIVED { lifetime / 2 } else { lifetime / 3 })
}

fn lifetime(held: Held) -> Duration {
    held.not_after.duration_since(held.not_before).unwrap_or_default()
}

fn before_end(held: Held, margin: Duration) -> SystemTime {
    held.not_after.checked_sub(margin).unwrap_or(held.not_before)
}

fn backoff_end(now: SystemTime, view: &View<'_>) -> Option<SystemTime> {
    // A time further away than any pause was written under a wrong clock.
    view.next_at.filter(|next_at| *next_at <= now + LONGEST_PAUSE)
}

/// When every name has at most three failed validations in the hour before: one more may fail then.
fn validations_allowed_at(now: SystemTime, failed: &[(String, SystemTime)]) -> Option<SystemTime> {
    let hour_of = |at: SystemTime| at + HOUR;
    let within = |at: SystemTime| at <= now && now < hour_of(at);
    let allowed_for = |name: &str| {
        let mut times: Vec<SystemTime> =
            failed.iter().filter(|(other, at)| other == name && within(*at)).map(|(_, at)| *at).collect();
        times.sort_unstable();
        let place = times.len().checked_sub(FAILED_VALIDATIONS_AN_HOUR)?;
        times.get(place).map(|at| hour_of(*at))
    };
    failed.iter().filter_map(|(name, _)| allowed_for(name)).max()
}

/// The pause after the `failures`th failure in a row, spread by a tenth either way with `jitter` from 0 to 255.
#[must_use]
pub fn pause(failures: u32, jitter: u8) -> Duration {
    let minutes: u32 = match failures {
        0 | 1 => 1,
        2 => 10,
        3 => 100,
        _ => 24 * 60,
    };
    let whole = Duration::from_secs(u64::from(minutes) * 60);
    whole * 9 / 10 + whole * u32::from(jitter) / (5 * 255)
}

const HOUR: Duration = Duration::from_secs(3_600);
const HALF_A_DAY: Duration = Duration::from_secs(12 * 3_600);
/// Under this, a certificate is renewed at half of its lifetime.
const SHORT_LIVED: Duration = Duration::from_secs(10 * 24 * 3_600);
/// Let's Encrypt refuses at the sixth.
const FAILED_VALIDATIONS_AN_HOUR: usize = 4;
/// The longest that a CA's Retry-After is followed, and so the furthest that a next attempt can lie.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(8 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn held(days: u32, standing: Standing) -> Held {
        Held { not_before: at(0), not_after: at(0) + DAY * days, issued: at(0), early_renewals: 0, standing }
    }

    fn view(held: Option<Held>) -> View<'static> {
        let nothing = &[];
        View {
            held,
            window: None,
            ask_at: None,
            requested: false,
            next_at: None,
            failed_validations: nothing,
        }
    }

    #[test]
    fn asking_for_the_window_does_not_bring_the_next_order_nearer() {
        let now = at(80 * 86_400);
        let failed = View {
            ask_at: Some(at(0)),
            next_at: Some(now + HOUR),
            requested: true,
            ..view(Some(held(90, Standing::Right)))
        };
        assert_eq!(next_action(now, &failed), Action::AskRenewalInfo);
        assert_eq!(next_order(now, &failed), (now + HOUR, Reason::Backoff));
    }

    fn waits(action: Action) -> (SystemTime, Reason) {
        match action {
            Action::Wait { until, reason } => (until, reason),
            other => panic!("{other:?} does not wait"),
        }
    }

    #[test]
    fn without_a_certificate_one_is_ordered() {
        assert_eq!(next_action(at(0), &view(None)), Action::Order);
        assert_eq!(next_action(at(0), &view(Some(held(90, Standing::Interim)))), Action::Order);
    }

    #[test]
    fn a_third_of_the_lifetime_is_left_at_renewal_and_a_half_under_ten_days() {
        for (days, renewed) in [(90, DAY * 60), (45, DAY * 30), (6, DAY * 3), (10, DAY * 20 / 3)] {
            let view = view(Some(held(days, Standing::Right)));
            assert_eq!(waits(next_action(at(0), &view)), (at(0) + renewed, Reason::Renewal), "{days}");
            assert_eq!(next_action(at(0) + renewed, &view), Action::Order);
        }
    }

    #[test]
    fn the_operators_own_certificate_is_left_alone_until_it_is_about_to_end() {
        let view = view(Some(held(90, Standing::Operators)));
        let ready = at(0) + DAY * 90 - HALF_A_DAY;
        assert_eq!(waits(next_action(at(0), &view)).0, ready);
        assert_eq!(next_action(ready, &view), Action::Order);
    }

    #[test]
    fn the_cas_window_comes_first() {
        let chosen = at(0) + DAY * 5;
        let window = Some(Window { start: at(0) + DAY * 4, end: at(0) + DAY * 6, chosen });
        let view = View { window, ask_at: Some(at(0) + DAY), ..view(Some(held(90, Standing::Right))) };
        assert_eq!(waits(next_action(at(0), &view)).0, at(0) + DAY);
        assert_eq!(next_action(at(0) + DAY, &view), Action::AskRenewalInfo);
        assert_eq!(next_action(chosen, &view), Action::Order);
        // in the past
        let past = Some(Window { start: at(0) + DAY, end: at(0) + DAY * 2, chosen: at(0) + DAY });
        assert_eq!(next_action(at(0) + DAY * 3, &View { window: past, ..view }), Action::Order);
        // far too late
        let late = Some(Window { start: at(0) + DAY * 99, end: at(0) + DAY * 99, chosen: at(0) + DAY * 99 });
        let last_call = at(0) + DAY * 90 - DAY * 90 / 20;
        assert_eq!(due(at(0), &View { window: late, ..view }), last_call);
    }

    /// When certificates are ordered within `span` from a CA whose windows are always as `window` says at the time.
    fn orders_within(span: Duration, days: u32, window: impl Fn(SystemTime) -> Window) -> Vec<Duration> {
        let (mut now, mut orders) = (at(0), Vec::new());
        let mut current = held(days, Standing::Right);
        while orders.len() < 1_000 {
            let view = View { window: Some(window(now)), ask_at: Some(now + HOUR), ..view(Some(current)) };
            now = match next_action(now, &view) {
                Action::Wait { until, .. } => until,
                _ => {
                    let early_renewals = if is_early(now, &current) { current.early_renewals + 1 } else { 0 };
                    let not_after = now + DAY * days;
                    current = Held { not_before: now, not_after, issued: now, early_renewals, ..current };
                    orders.push(now.duration_since(at(0)).unwrap());
                    now
                }
            };
            if now > at(0) + span {
                break;
            }
        }
        orders
    }

    #[test]
    fn windows_that_are_always_in_the_past_do_not_make_orders_without_end() {
        let stuck = |_| Window { start: at(0) - DAY * 2, end: at(0) - DAY, chosen: at(0) - DAY };
        let sliding = |now| Window { start: now - HOUR, end: now - HOUR / 2, chosen: now - HOUR };
        let open = |now| Window { start: now - HOUR, end: now + HOUR, chosen: now };
        let minutes = |minutes: u32| Duration::from_secs(60) * minutes;
        let day = minutes(24 * 60);
        let fourth = minutes(10 + 100) + day;
        let expected =
            [Duration::ZERO, minutes(10), minutes(110), fourth, fourth + day * 15, fourth + day * 30];
        assert_eq!(orders_within(DAY * 40, 90, stuck), expected);
        assert_eq!(orders_within(DAY * 40, 90, sliding), expected);
        assert_eq!(orders_within(DAY * 40, 90, open), expected);
        // Of six days: a sixth of them is one.
        assert_eq!(
            orders_within(DAY * 4, 6, stuck),
            [&expected[..4], &[fourth + day, fourth + day * 2]].concat()
        );
    }

    #[test]
    fn renewals_in_their_time_are_not_early() {
        let held = held(90, Standing::Right);
        assert!(is_early(at(0) + DAY * 29, &held) && !is_early(at(0) + DAY * 30, &held));
        assert!(!is_early(at(0), &Held { standing: Standing::Interim, ..held }));
    }

    #[test]
    fn a_failure_waits_and_a_wish_of_the_operator_waits_too() {
        let view = View { requested: true, next_at: Some(at(60)), ..view(None) };
        assert_eq!(waits(next_action(at(0), &view)), (at(60), Reason::Backoff));
        assert_eq!(next_action(at(60), &view), Action::Order);
    }

    #[test]
    fn a_pause_that_was_written_under_a_wrong_clock_is_forgotten() {
        let view = View { next_at: Some(at(0) + DAY * 400), ..view(None) };
        assert_eq!(next_action(at(0), &view), Action::Order);
    }

    #[test]
    fn the_fifth_validation_of_a_name_waits_for_the_hour() {
        let failed: Vec<(String, SystemTime)> =
            [0, 60, 600, 900].into_iter().map(|second| ("a.example".to_owned(), at(second))).collect();
        let view = View { failed_validations: &failed, ..view(None) };
        assert_eq!(waits(next_action(at(1_000), &view)), (at(3_600), Reason::ValidationLimit));
        assert_eq!(next_action(at(3_600), &view), Action::Order);
        let three = View { failed_validations: &failed[..3], ..view };
        assert_eq!(next_action(at(1_000), &three), Action::Order);
    }

    #[test]
    fn pauses_grow_to_a_day_and_are_spread_by_a_tenth() {
        for (failures, minutes) in [(1, 1), (2, 10), (3, 100), (4, 1_440), (50, 1_440)] {
            let (least, most) = (pause(failures, 0), pause(failures, 255));
            assert_eq!(least, Duration::from_secs(minutes * 54));
            assert_eq!(most, Duration::from_secs(minutes * 66));
        }
    }

    proptest::proptest! {
        #[test]
        fn an_order_comes_within_the_lifetime_unless_failures_hold_it(days in 1_u32..400, chosen in 0_u64..100_000_000) {
            let held = held(days, Standing::Right);
            let chosen = at(chosen);
            let window = Some(Window { start: chosen, end: chosen, chosen });
            for window in [None, window] {
                let due = due(at(0), &View { window, ..view(Some(held)) });
                proptest::prop_assert!(due < held.not_after);
            }
        }
    }
}

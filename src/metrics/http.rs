//! Connections, requests and streams of one router.

use std::time::Duration;

use super::number::{Counter, Gauge, Histogram, Table, place};

/// What is counted of one router and its listeners.
#[derive(Debug)]
pub struct Http {
    routes: Box<[&'static str]>,
    requests: Table<3>,
    durations: Box<[Histogram]>,
    /// Response bodies, bytes.
    pub sent: Counter,
    /// Event streams that are open.
    pub streams: Gauge,
    /// Connections that are open, handshakes included.
    pub connections: Gauge,
    /// Connections that were accepted.
    pub accepted: Counter,
    refused: [Counter; Bound::ALL.len()],
}

/// Which limit a connection was refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `connections`.
    Connections,
    /// `connections_per_address`.
    PerAddress,
}

impl Bound {
    /// Every limit.
    pub const ALL: [Self; 2] = [Self::Connections, Self::PerAddress];

    /// Its key below `limits.http`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::PerAddress => "connections_per_address",
        }
    }
}

impl Http {
    /// Zeros for these routes; what matches none is counted for the route `other`.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = &'static str>) -> Self {
        let routes: Box<[&str]> = routes.into_iter().chain([OTHER]).collect();
        let durations = routes.iter().map(|_| Histogram::new(&BOUNDS)).collect();
        Self {
            requests: Table::new([&routes, &METHODS, &CODES]),
            routes,
            durations,
            sent: Counter::default(),
            streams: Gauge::default(),
            connections: Gauge::default(),
            accepted: Counter::default(),
            refused: Default::default(),
        }
    }

    /// A request was answered, after `took`; without a status its client went away first. A route that is not in the
    /// list is [`OTHER`].
    pub fn answered(&self, route: &str, method: &str, status: Option<u16>, took: Duration) {
        let route = place(&self.routes, route);
        self.requests.increment([route, place(&METHODS, method), code(status)]);
        if let (Some(_), Some(durations)) = (status, self.durations.get(route)) {
            durations.observe(took);
        }
    }

    /// A connection was refused.
    pub fn refuse(&self, bound: Bound) {
        let [connections, per_address] = &self.refused;
        match bound {
            Bound::Connections => connections.increment(),
            Bound::PerAddress => per_address.increment(),
        }
    }

    /// Requests by route, method and status.
    pub fn requests(&self) -> impl Iterator<Item = ([&'static str; 3], u64)> + '_ {
        self.requests.counted()
    }

    /// How long answers took to begin, by route.
    pub fn durations(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        self.routes.iter().copied().zip(&self.durations)
    }

    /// Connections refused, by limit.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Bound::ALL.into_iter().zip(&self.refused).map(|(bound, count)| (bound.as_str(), count.get()))
    }
}

/// A request's method as it is counted and logged: `other` if it is none of the usual ones.
#[must_use]
pub fn http_method(name: &str) -> &'static str {
    METHODS.get(place(&METHODS, name)).copied().unwrap_or(OTHER)
}

/// Where a status stands in [`CODES`].
fn code(status: Option<u16>) -> usize {
    let Some(status) = status else { return CODES.len() - 2 };
    let mut digits = [b'0'; 3];
    let mut rest = status;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    std::str::from_utf8(&digits).map_or(CODES.len() - 1, |text| place(&CODES, text))
}

/// The label of what is in no list.
pub const OTHER: &str = "other";

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", OTHER];

/// `none`: the client went away before there was an answer.
const CODES: [&str; 24] = [
    "200", "202", "204", "206", "301", "302", "304", "307", "308", "400", "401", "403", "404", "405", "406",
    "408", "413", "415", "429", "431", "500", "503", "none", OTHER,
];

const BOUNDS: [Duration; 14] = [
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_list_has_is_counted_as_other_and_makes_no_series() {
        let http = Http::new(["/mcp"]);
        http.answered("/mcp", "POST", Some(200), Duration::ZERO);
        for method in ["BREW", "get", ""] {
            http.answered("/wp-login.php", method, Some(418), Duration::ZERO);
        }
        http.answered("/mcp", "GET", None, Duration::ZERO);
        let counted: Vec<_> = http.requests().collect();
        assert_eq!(
            counted,
            [(["/mcp", "GET", "none"], 1), (["/mcp", "POST", "200"], 1), (["other", "other", "other"], 3)]
        );
    }

    #[test]
    fn a_request_whose_client_went_away_has_no_duration() {
        let http = Http::new(["/mcp"]);
        http.answered("/mcp", "POST", None, Duration::from_secs(3));
        http.answered("/mcp", "POST", Some(200), Duration::from_millis(2));
        let (route, durations) = http.durations().next().unwrap();
        assert_eq!((route, durations.snapshot().count), ("/mcp", 1));
    }

    #[test]
    fn each_status_has_its_own_label() {
        for text in CODES.iter().filter(|text| text.starts_with(|first: char| first.is_ascii_digit())) {
            assert_eq!(CODES[code(text.parse().ok())], *text);
        }
        assert_eq!((CODES[code(None)], CODES[code(Some(299))]), ("none", "other"));
    }
}

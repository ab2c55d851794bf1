//! Values as an operator would write them: the way back from [`Config`](super::Config) to text.
//!
//! What stands here, [`value`](super::value) reads again.

use std::fmt::Display;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::value;
use crate::acme::ChallengeKind;
use crate::docs::Source;

/// A limit's value as text.
pub(super) trait Written {
    fn written(&self) -> String;
}

impl Written for Duration {
    /// In the largest unit that loses nothing: `2h`, `10m`, `30s`, `500ms`.
    fn written(&self) -> String {
        let millis = self.as_millis();
        let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        let unit = units.into_iter().find(|(factor, _)| millis >= *factor && millis.is_multiple_of(*factor));
        match unit {
            Some((factor, unit)) => format!("{}{unit}", millis / factor),
            None if millis == 0 => "0".to_owned(),
            None => format!("{millis}ms"),
        }
    }
}

impl Written for usize {
    fn written(&self) -> String {
        self.to_string()
    }
}

impl Written for u32 {
    fn written(&self) -> String {
        self.to_string()
    }
}

/// A limit's value by the name of its field: sizes carry their unit.
pub(super) fn limit(field: &str, limit: &impl Written) -> String {
    let text = limit.written();
    let is_size = field.ends_with("bytes") || field == "line";
    text.parse().ok().filter(|_| is_size).map_or(text, value::size)
}

/// What prints as it is read.
pub(super) fn it(shown: &impl ToString) -> Option<String> {
    Some(shown.to_string())
}

/// Several of those.
pub(super) fn each(shown: &[impl Display]) -> Vec<String> {
    shown.iter().map(ToString::to_string).collect()
}

/// A path; those of a configuration are text.
pub(super) fn path(path: &Path) -> Option<String> {
    path.to_str().map(str::to_owned)
}

pub(super) fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

pub(super) fn challenge(kind: Option<ChallengeKind>) -> String {
    kind.map_or_else(|| "auto".to_owned(), |kind| kind.to_string())
}

/// A source, without the password that its URL may carry.
pub(super) fn source(source: &Source) -> String {
    match source {
        Source::Path(path) => path.display().to_string(),
        Source::Url(url) => without_password(url),
        Source::Manual => String::new(),
    }
}

/// `https://user:secret@host/` as `https://user:***@host/`.
pub(super) fn without_password(url: &str) -> String {
    let hidden = || {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (userinfo, host) = authority.rsplit_once('@')?;
        let (user, _) = userinfo.split_once(':')?;
        let behind = rest.get(authority.len()..)?;
        Some(format!("{scheme}://{user}:***@{host}{behind}"))
    };
    hidden().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_in_the_largest_unit_that_loses_nothing() {
        for text in ["2h", "90m", "10m", "90s", "30s", "1500ms", "500ms"] {
            assert_eq!(value::duration(text).unwrap().written(), text);
        }
        assert_eq!(Duration::ZERO.written(), "0");
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (url, shown) in [
            ("https://me:secret@docs.example/a@b:c", "https://me:***@docs.example/a@b:c"),
            ("https://a:b@c@docs.example", "https://a:***@docs.example"),
            ("https://me@docs.example", "https://me@docs.example"),
            ("https://docs.example/a:b@c", "https://docs.example/a:b@c"),
            ("docs", "docs"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}

//! The table of keys: what an operator may set, and where in [`Config`] it lands.
//!
//! A key's flag, variable and place in `docquay.toml` follow from its name: `base_url` is
//! `--base-url` and `DOCQUAY_BASE_URL`; `limits.http.body_bytes` is `--limits http.body_bytes=…` and
//! `DOCQUAY_LIMITS_HTTP_BODY_BYTES`.

use std::path::{Path, PathBuf};

use super::error::Wrong;
use super::{Config, LogFormat, value};
use crate::docs::Source;
use crate::{docs, http, mcp, tls};

/// One line of the table.
pub(crate) struct Key {
    /// As in `docquay.toml`, tables joined by dots.
    pub(crate) name: &'static str,
    /// Whether it takes any number of values.
    pub(crate) list: bool,
    set: fn(&mut Config, &str, &Path) -> Result<(), Wrong>,
    show: Option<fn(&Config) -> String>,
}

impl Key {
    /// The key of that name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        all().find(|key| key.name == name)
    }

    /// `DOCQUAY_BASE_URL`.
    pub(crate) fn variable(&self) -> String {
        format!("DOCQUAY_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// A limit's value, as it is written; none for other keys.
    pub(crate) fn show(&self, config: &Config) -> Option<String> {
        let text = self.show?(config);
        let size = text.parse::<usize>().ok().filter(|_| self.name.ends_with("bytes"));
        let minutes = text.strip_suffix('s').and_then(|seconds| seconds.parse::<u64>().ok());
        let minutes = minutes.filter(|seconds| seconds.is_multiple_of(60)).map(|seconds| seconds / 60);
        Some(match (size, minutes) {
            (Some(size), _) => value::size(size),
            (None, Some(minutes)) => format!("{minutes}m"),
            (None, None) => text,
        })
    }

    /// Puts one value into its place; `folder` is where relative paths begin.
    pub(crate) fn set(&self, config: &mut Config, value: &str, folder: &Path) -> Result<(), Wrong> {
        (self.set)(config, value, folder)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

/// Every key, in the order of the help.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(TLS).chain(HTTP).chain(MCP).chain(DOCS)
}

const fn one(name: &'static str, set: fn(&mut Config, &str, &Path) -> Result<(), Wrong>) -> Key {
    Key { name, list: false, set, show: None }
}

const fn list(name: &'static str, set: fn(&mut Config, &str, &Path) -> Result<(), Wrong>) -> Key {
    Key { name, list: true, set, show: None }
}

fn store<T>(place: &mut T, value: Result<T, Wrong>) -> Result<(), Wrong> {
    *place = value?;
    Ok(())
}

fn path(place: &mut Option<PathBuf>, text: &str, folder: &Path) -> Result<(), Wrong> {
    store(place, value::filled(text).map(|text| Some(folder.join(text))))
}

static KEYS: &[Key] = &[
    list("source", |config, text, folder| {
        if text.is_empty() {
            return Err(Wrong::new("a source is empty", "name a folder, a .json index or its URL"));
        }
        config.sources.push(match Source::parse(text) {
            Source::Path(path) => Source::Path(folder.join(path)),
            other => other,
        });
        Ok(())
    }),
    list("domain", |config, text, _| {
        let name = value::domain(text)?;
        // Once is enough; the first stays the first.
        if !config.certificates.domains.contains(&name) {
            config.certificates.domains.push(name);
        }
        Ok(())
    }),
    one("email", |config, text, _| store(&mut config.certificates.email, value::email(text).map(Some))),
    one("agree_tos", |config, text, _| store(&mut config.certificates.agree_tos, value::switch(text))),
    one("port", |config, text, _| store(&mut config.port, value::port(text).map(Some))),
    one("acme_port", |config, text, _| store(&mut config.certificates.acme_port, value::port(text))),
    one("bind", |config, text, _| store(&mut config.bind, value::address(text).map(Some))),
    one("base_url", |config, text, _| store(&mut config.base_url, value::base_url(text).map(Some))),
    one("site_url", |config, text, _| {
        store(&mut config.docs.site_url, value::base_url(text).map(|url| Some(url.as_str().to_owned())))
    }),
    one("certs", |config, text, folder| {
        store(&mut config.certificates.folder, value::filled(text).map(|text| folder.join(text)))
    }),
    one("ephemeral_certs", |config, text, _| store(&mut config.certificates.ephemeral, value::switch(text))),
    one("acme_directory", |config, text, _| {
        store(&mut config.certificates.directory, value::directory(text).map(Some))
    }),
    one("staging", |config, text, _| store(&mut config.certificates.staging, value::switch(text))),
    one("acme_ca_file", |config, text, folder| path(&mut config.certificates.ca_file, text, folder)),
    one("acme_profile", |config, text, _| {
        store(&mut config.certificates.profile, value::filled(text).map(Some))
    }),
    one("acme_preferred_chain", |config, text, _| {
        store(&mut config.certificates.preferred_chain, value::filled(text).map(Some))
    }),
    one("acme_challenge", |config, text, _| {
        store(&mut config.certificates.challenge, value::challenge(text))
    }),
    one("eab_kid", |config, text, _| store(&mut config.certificates.eab_kid, value::filled(text).map(Some))),
    one("eab_hmac_key_file", |config, text, folder| {
        path(&mut config.certificates.eab_hmac_key_file, text, folder)
    }),
    one("fallback_acme_directory", |config, text, _| {
        store(&mut config.certificates.fallback_directory, value::directory(text).map(Some))
    }),
    one("tls_cert", |config, text, folder| path(&mut config.certificates.tls_cert, text, folder)),
    one("tls_key", |config, text, folder| path(&mut config.certificates.tls_key, text, folder)),
    list("allow_origin", |config, text, _| {
        config.policy.origins.push(value::origin(text)?);
        Ok(())
    }),
    list("allow_host", |config, text, _| {
        match text {
            "*" => config.policy.any_host = true,
            name => config.policy.hosts.push(value::host(name)?),
        }
        Ok(())
    }),
    one("reload_every", |config, text, _| store(&mut config.docs.reload_every, value::duration(text))),
    one("source_wait", |config, text, _| store(&mut config.docs.source_wait, value::switch(text))),
    one("sse_keep_alive", |config, text, _| store(&mut config.sse_keep_alive, value::duration_or_off(text))),
    one("metrics_bind", |config, text, _| store(&mut config.metrics_bind, value::socket(text).map(Some))),
    one("access_log", |config, text, _| store(&mut config.log.requests, value::switch(text))),
    one("log_queries", |config, text, _| store(&mut config.log.queries, value::switch(text))),
    one("log_format", |config, text, _| {
        config.log.format = match text {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return Err(Wrong::new(format!("there is no log format `{text}`"), "use text or json")),
        };
        Ok(())
    }),
    one("log_level", |config, text, _| store(&mut config.log.level, value::log_level(text).map(Some))),
];

/// The keys of one part's limits. The pattern names every field, so that a new limit does not
/// compile until it has its key (or its reason to have none).
macro_rules! limits {
    ($keys:ident, $part:ident: $type:path { $($field:ident: $kind:expr),* $(,)? } besides { $($other:ident),* }) => {
        static $keys: &[Key] = &[$(
            Key {
                name: concat!("limits.", stringify!($part), ".", stringify!($field)),
                list: false,
                set: |config, text, _| store(&mut config.$part.$field, $kind(text)),
                show: Some(|config| format!("{:?}", config.$part.$field)),
            }
        ),*];
        const _: fn($type) = |limits| {
            let $type { $($field: _,)* $($other: _),* } = limits;
        };
    };
}

limits!(TLS, tls: tls::Limits {
    handshake: value::duration,
} besides {});

limits!(HTTP, http: http::Limits {
    sniff: value::duration,
    header: value::duration,
    header_bytes: value::bytes,
    header_fields: value::count,
    idle: value::duration,
    body: value::duration,
    body_bytes: value::bytes,
    write_stall: value::duration,
    connections: value::count,
    connections_per_address: value::count,
    h2_streams: value::count,
    drain: value::duration,
} besides {});

limits!(MCP, mcp: mcp::Limits {
    sessions: value::count,
    session_idle: value::duration,
    replay_events: value::count,
    replay_bytes: value::bytes,
    tool_time: value::duration,
    stream_queue: value::count,
    in_flight: value::count,
    batch: value::count,
    line: value::bytes,
    subscriptions: value::count,
} besides {});

limits!(DOCS, docs: docs::Options {
    settle: value::duration,
    fetch_time: value::duration,
    source_bytes: value::bytes,
    corpus_bytes: value::bytes,
} besides { reload_every, site_url, source_wait, fetch });

//! The table of keys: what an operator may set, and where in [`Config`] it lands.
//!
//! A key's flag, variable and place in `docquay.toml` follow from its name: `base_url` is
//! `--base-url` and `DOCQUAY_BASE_URL`; `limits.http.body_bytes` is `--limits http.body_bytes=…` and
//! `DOCQUAY_LIMITS_HTTP_BODY_BYTES`.

use std::path::{Path, PathBuf};

use super::error::Wrong;
use super::written::{self, Written as _};
use super::{Config, LogFormat, value};
use crate::docs::Source;
use crate::{access, docs, http, mcp, tls};

/// One line of the table.
pub(crate) struct Key {
    /// As in `docquay.toml`, tables joined by dots.
    pub(crate) name: &'static str,
    set: fn(&mut Config, &str, &Path) -> Result<(), Wrong>,
    show: Show,
}

/// How a value is read back, as `set` would take it again. No key is without.
enum Show {
    /// One value, or none while it is not set.
    One(fn(&Config) -> Option<String>),
    /// Any number of values.
    List(fn(&Config) -> Vec<String>),
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

    /// Whether it takes any number of values.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.show, Show::List(_))
    }

    /// Its values, each as it may be written; none while it is not set.
    pub(crate) fn show(&self, config: &Config) -> Vec<String> {
        match self.show {
            Show::One(show) => show(config).into_iter().collect(),
            Show::List(show) => show(config),
        }
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
    KEYS.iter().chain(ACCESS).chain(TLS).chain(HTTP).chain(MCP).chain(DOCS)
}

/// A key with one value: its name, how it is set, how it is shown.
const fn one(
    name: &'static str,
    set: fn(&mut Config, &str, &Path) -> Result<(), Wrong>,
    show: fn(&Config) -> Option<String>,
) -> Key {
    Key { name, set, show: Show::One(show) }
}

/// A key with any number of values.
const fn list(
    name: &'static str,
    set: fn(&mut Config, &str, &Path) -> Result<(), Wrong>,
    show: fn(&Config) -> Vec<String>,
) -> Key {
    Key { name, set, show: Show::List(show) }
}

fn store<T>(place: &mut T, value: Result<T, Wrong>) -> Result<(), Wrong> {
    *place = value?;
    Ok(())
}

fn path(place: &mut Option<PathBuf>, text: &str, folder: &Path) -> Result<(), Wrong> {
    store(place, value::filled(text).map(|text| Some(folder.join(text))))
}

static KEYS: &[Key] = &[
    list("source", set_source, |config| config.sources.iter().map(written::source).collect()),
    list("domain", set_domain, |config| written::each(&config.certificates.domains)),
    one(
        "email",
        |config, text, _| store(&mut config.certificates.email, value::email(text).map(Some)),
        |config| config.certificates.email.clone(),
    ),
    one(
        "agree_tos",
        |config, text, _| store(&mut config.certificates.agree_tos, value::switch(text)),
        |config| written::it(&config.certificates.agree_tos),
    ),
    one(
        "port",
        |config, text, _| store(&mut config.port, value::port(text).map(Some)),
        |config| config.port.as_ref().and_then(written::it),
    ),
    one(
        "acme_port",
        |config, text, _| store(&mut config.certificates.acme_port, value::port(text)),
        |config| written::it(&config.certificates.acme_port),
    ),
    one(
        "bind",
        |config, text, _| store(&mut config.bind, value::address(text).map(Some)),
        |config| config.bind.map(written::address),
    ),
    one(
        "base_url",
        |config, text, _| store(&mut config.base_url, value::base_url(text).map(Some)),
        |config| config.base_url.as_ref().map(|url| url.as_str().to_owned()),
    ),
    one(
        "site_url",
        |config, text, _| {
            store(&mut config.docs.site_url, value::base_url(text).map(|url| Some(url.as_str().to_owned())))
        },
        |config| config.docs.site_url.clone(),
    ),
    one(
        "certs",
        |config, text, folder| {
            store(&mut config.certificates.folder, value::filled(text).map(|text| folder.join(text)))
        },
        |config| written::path(&config.certificates.folder),
    ),
    one(
        "ephemeral_certs",
        |config, text, _| store(&mut config.certificates.ephemeral, value::switch(text)),
        |config| written::it(&config.certificates.ephemeral),
    ),
    one(
        "acme_directory",
        |config, text, _| store(&mut config.certificates.directory, value::directory(text).map(Some)),
        |config| config.certificates.directory.clone(),
    ),
    one(
        "staging",
        |config, text, _| store(&mut config.certificates.staging, value::switch(text)),
        |config| written::it(&config.certificates.staging),
    ),
    one(
        "acme_ca_file",
        |config, text, folder| path(&mut config.certificates.ca_file, text, folder),
        |config| written::path(config.certificates.ca_file.as_ref()?),
    ),
    one(
        "acme_profile",
        |config, text, _| store(&mut config.certificates.profile, value::filled(text).map(Some)),
        |config| config.certificates.profile.clone(),
    ),
    one(
        "acme_preferred_chain",
        |config, text, _| store(&mut config.certificates.preferred_chain, value::filled(text).map(Some)),
        |config| config.certificates.preferred_chain.clone(),
    ),
    one(
        "acme_challenge",
        |config, text, _| store(&mut config.certificates.challenge, value::challenge(text)),
        |config| Some(written::challenge(config.certificates.challenge)),
    ),
    one(
        "eab_kid",
        |config, text, _| store(&mut config.certificates.eab_kid, value::filled(text).map(Some)),
        |config| config.certificates.eab_kid.clone(),
    ),
    one(
        "eab_hmac_key_file",
        |config, text, folder| path(&mut config.certificates.eab_hmac_key_file, text, folder),
        |config| written::path(config.certificates.eab_hmac_key_file.as_ref()?),
    ),
    one(
        "fallback_acme_directory",
        |config, text, _| {
            store(&mut config.certificates.fallback_directory, value::directory(text).map(Some))
        },
        |config| config.certificates.fallback_directory.clone(),
    ),
    one(
        "tls_cert",
        |config, text, folder| path(&mut config.certificates.tls_cert, text, folder),
        |config| written::path(config.certificates.tls_cert.as_ref()?),
    ),
    one(
        "tls_key",
        |config, text, folder| path(&mut config.certificates.tls_key, text, folder),
        |config| written::path(config.certificates.tls_key.as_ref()?),
    ),
    list(
        "allow_origin",
        |config, text, _| {
            config.policy.origins.push(value::origin(text)?);
            Ok(())
        },
        |config| written::each(&config.policy.origins),
    ),
    list("allow_host", set_host, |config| {
        let any = config.policy.any_host.then(|| "*".to_owned());
        any.into_iter().chain(written::each(&config.policy.hosts)).collect()
    }),
    one(
        "token_file",
        |config, text, folder| path(&mut config.token_file, text, folder),
        |config| written::path(config.token_file.as_ref()?),
    ),
    list(
        "trusted_proxies",
        |config, text, _| {
            config.trusted_proxies.push(value::network(text)?);
            Ok(())
        },
        |config| written::each(&config.trusted_proxies),
    ),
    one(
        "outbound_proxy",
        |config, text, _| store(&mut config.outbound_proxy, value::outbound_proxy(text).map(Some)),
        |config| config.outbound_proxy.as_ref().and_then(written::it),
    ),
    one(
        "reload_every",
        |config, text, _| store(&mut config.docs.reload_every, value::duration(text)),
        |config| Some(config.docs.reload_every.written()),
    ),
    one(
        "source_wait",
        |config, text, _| store(&mut config.docs.source_wait, value::switch(text)),
        |config| written::it(&config.docs.source_wait),
    ),
    one(
        "sse_keep_alive",
        |config, text, _| store(&mut config.sse_keep_alive, value::duration_or_off(text)),
        |config| Some(config.sse_keep_alive.unwrap_or_default().written()),
    ),
    one(
        "drain_delay",
        |config, text, _| {
            store(&mut config.drain_delay, value::duration_or_off(text).map(Option::unwrap_or_default))
        },
        |config| Some(config.drain_delay.written()),
    ),
    one(
        "metrics_bind",
        |config, text, _| store(&mut config.metrics_bind, value::socket(text).map(Some)),
        |config| config.metrics_bind.as_ref().and_then(written::it),
    ),
    one(
        "access_log",
        |config, text, _| store(&mut config.log.requests, value::switch(text)),
        |config| written::it(&config.log.requests),
    ),
    one(
        "log_queries",
        |config, text, _| store(&mut config.log.queries, value::switch(text)),
        |config| written::it(&config.log.queries),
    ),
    one("log_format", set_log_format, |config| {
        let name = match config.log.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        Some(name.to_owned())
    }),
    one(
        "log_level",
        |config, text, _| store(&mut config.log.level, value::log_level(text).map(Some)),
        |config| config.log.level.as_ref().map(|level| level.as_str().to_owned()),
    ),
];

fn set_source(config: &mut Config, text: &str, folder: &Path) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err(Wrong::new("a source is empty", "name a folder, a .json index or its URL"));
    }
    config.sources.push(match Source::parse(text) {
        Source::Path(path) => Source::Path(folder.join(path)),
        other => other,
    });
    Ok(())
}

fn set_domain(config: &mut Config, text: &str, _: &Path) -> Result<(), Wrong> {
    let name = value::domain(text)?;
    // Once is enough; the first stays the first.
    if !config.certificates.domains.contains(&name) {
        config.certificates.domains.push(name);
    }
    Ok(())
}

fn set_host(config: &mut Config, text: &str, _: &Path) -> Result<(), Wrong> {
    match text {
        "*" => config.policy.any_host = true,
        name => config.policy.hosts.push(value::host(name)?),
    }
    Ok(())
}

fn set_log_format(config: &mut Config, text: &str, _: &Path) -> Result<(), Wrong> {
    config.log.format = match text {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return Err(Wrong::new(format!("there is no log format `{text}`"), "use text or json")),
    };
    Ok(())
}

/// The keys of one part's limits. The pattern names every field, so that a new limit does not
/// compile until it has its key (or its reason to have none).
macro_rules! limits {
    ($keys:ident, $part:ident: $type:path { $($field:ident: $kind:expr),* $(,)? } besides { $($other:ident),* }) => {
        static $keys: &[Key] = &[$(
            Key {
                name: concat!("limits.", stringify!($part), ".", stringify!($field)),
                set: |config, text, _| store(&mut config.$part.$field, $kind(text)),
                show: Show::One(|config| Some(written::limit(stringify!($field), &config.$part.$field))),
            }
        ),*];
        const _: fn($type) = |limits| {
            let $type { $($field: _,)* $($other: _),* } = limits;
        };
    };
}

limits!(ACCESS, access: access::Limits {
    requests_per_minute: value::count_or_off,
    burst: value::count,
    failures_per_minute: value::count_or_off,
    addresses: value::count,
} besides {});

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
    // Documentation asks its callers nothing and has no tasks.
} besides { answer_time, tasks, task_ttl });

limits!(DOCS, docs: docs::Options {
    settle: value::duration,
    fetch_time: value::duration,
    source_bytes: value::bytes,
    corpus_bytes: value::bytes,
} besides { reload_every, site_url, source_wait, fetch, progress });

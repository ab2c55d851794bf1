//! The configuration: flags, `DOCQUAY_*` and `docquay.toml`, in that order of precedence.
//!
//! Owns reading and validating them and gathers every part's own options. Nobody but the
//! composition root reads the whole [`Config`].

mod certificates;
mod effective;
mod error;
mod keys;
mod raw;
mod value;
mod written;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use certificates::{Certificates, Security};
pub use effective::Effective;
pub use error::Error;
pub use raw::Flags;
pub(crate) use raw::nearest;
pub use value::BaseUrl;

use crate::docs::{self, Source};
use crate::names::Network;
use crate::outbound::Proxy;
use crate::{access, http, mcp, tls};
use raw::{Entry, Place};

/// Everything an operator can set, each value validated. The default serves docquay's own manual at
/// 127.0.0.1:8080.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What is served; none: docquay's own manual.
    pub sources: Vec<Source>,
    /// Where to listen; `::` is dual stack. None: `::` with a certificate, else 127.0.0.1.
    pub bind: Option<IpAddr>,
    /// 0 lets the system choose. None: 443 with a certificate, else 8080.
    pub port: Option<u16>,
    /// How clients reach this server, if not by the bound address.
    pub base_url: Option<BaseUrl>,
    /// Where certificates come from.
    pub certificates: Certificates,
    /// `allow_host` and `allow_origin`; the bound address, domains and `base_url`'s host are added at start.
    pub policy: http::HostPolicy,
    /// Whose tokens are let in; none: everybody is.
    pub token_file: Option<PathBuf>,
    /// Peers whose word on where a request comes from is believed.
    pub trusted_proxies: Vec<Network>,
    /// The proxy that the CA and URL sources are asked through.
    pub outbound_proxy: Option<Proxy>,
    /// How sources are read.
    pub docs: docs::Options,
    /// How often one client may ask.
    pub access: access::Limits,
    /// Limits of handshakes.
    pub tls: tls::Limits,
    /// Limits of connections and requests.
    pub http: http::Limits,
    /// Limits of sessions and calls.
    pub mcp: mcp::Limits,
    /// Silence on a stream before a comment goes out; none: never. Default 15 s.
    pub sse_keep_alive: Option<Duration>,
    /// Where `/metrics` is served; none: nowhere.
    pub metrics_bind: Option<SocketAddr>,
    /// From the wish to end until listeners close; `/readyz` says no meanwhile. Default 0.
    pub drain_delay: Duration,
    /// What is logged, and how.
    pub log: Log,
    /// Whether the first reading of the documents is shown while it goes on. No key: the command line sees for itself
    /// whether there is a terminal.
    pub progress: ShowProgress,
    given: Given,
}

/// Whether a long reading of the documents is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowProgress {
    /// It is not: a library, or a process that nobody watches.
    #[default]
    No,
    /// On stderr, which is a terminal, in one line that is gone when it is done.
    OnStderr,
}

/// What is logged, and how. Logs go to stderr.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// Default text.
    pub format: LogFormat,
    /// None: `info` for a server, `warn` for a command that ends.
    pub level: Option<LogLevel>,
    /// Logs each finished request at `info`, not at `debug`.
    pub requests: bool,
    /// Logs the text of each search.
    pub queries: bool,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// A level (`debug`) or a list of directives (`info,docquay::http=debug`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(pub(in crate::config) String);

impl LogLevel {
    /// Its directives, each `level` or `module=level`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            bind: None,
            port: None,
            base_url: None,
            certificates: Certificates::default(),
            policy: http::HostPolicy::default(),
            token_file: None,
            trusted_proxies: Vec::new(),
            outbound_proxy: None,
            docs: docs::Options::default(),
            access: access::Limits::default(),
            tls: tls::Limits::default(),
            http: http::Limits::default(),
            mcp: mcp::Limits::default(),
            sse_keep_alive: Some(Duration::from_secs(15)),
            metrics_bind: None,
            drain_delay: Duration::ZERO,
            log: Log::default(),
            given: Given::default(),
            progress: ShowProgress::No,
        }
    }
}

impl Config {
    /// Reads the environment and the file, and lays the flags over them. `file` is `--config`;
    /// without it `DOCQUAY_CONFIG`, else `docquay.toml` in `folder` if there is one.
    ///
    /// # Errors
    /// An unreadable file, an unknown key, a value that does not fit: each with its place.
    pub fn load(
        flags: Flags,
        variable: &dyn Fn(&str) -> Option<OsString>,
        file: Option<&Path>,
        folder: &Path,
    ) -> Result<Self, Error> {
        let written = read_file(file, variable, folder)?;
        Self::of(Given::of([written, raw::environment(variable)?, flags.entries]))
    }

    fn of(given: Given) -> Result<Self, Error> {
        let mut config = Self::default();
        for entry in given.0.values().flatten() {
            entry.apply(&mut config)?;
        }
        Ok(Self { given, ..config })
    }

    /// The keys that were set to something else in `other`, or in one of the two alone.
    #[must_use]
    pub fn changed(&self, other: &Self) -> Vec<&'static str> {
        let differ = |name: &&str| !self.given.same(&other.given, name);
        keys::all().map(|key| key.name).filter(differ).collect()
    }

    /// This configuration with `newer`'s word on those keys that `adopts` names. Fields set otherwise than by
    /// [`load`](Self::load) are lost.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn adopt(&self, newer: &Self, adopts: impl Fn(&str) -> bool) -> Result<Self, Error> {
        let ours = self.given.0.iter().filter(|(key, _)| !adopts(key));
        let theirs = newer.given.0.iter().filter(|(key, _)| adopts(key));
        Self::of(Given(ours.chain(theirs).map(|(key, entries)| (*key, entries.clone())).collect()))
    }

    /// Where to listen: as configured, else every address with a certificate, else this machine alone.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let (bind, port) = if self.certificates.are_wanted() {
            (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 443)
        } else {
            (IpAddr::V4(Ipv4Addr::LOCALHOST), 8080)
        };
        SocketAddr::new(self.bind.unwrap_or(bind), self.port.unwrap_or(port))
    }

    /// How connections are protected.
    ///
    /// # Errors
    /// Options that contradict each other or miss a part, or ask for what no public CA issues.
    pub fn security(&self) -> Result<Security, Error> {
        let security = self.certificates.security()?;
        let plain = self.base_url.as_ref().filter(|base| base.as_str().starts_with("http://"));
        if let (Security::Acme { .. }, Some(base)) = (&security, plain) {
            return Err(Error::new(
                format!("base_url {} cannot be used with a certificate", base.as_str()),
                "it is http, and port 80 would send browsers there for ever",
                "write it with https://, or leave it out: the first domain is used",
            ));
        }
        let address = self.address();
        if matches!(security, Security::Acme { .. })
            && address.port() == self.certificates.acme_port
            && address.port() != 0
        {
            return Err(Error::new(
                format!("port {} cannot serve both https and http", address.port()),
                "port and acme_port are the same",
                "leave out --port for 443, or --acme-port for 80",
            ));
        }
        Ok(security)
    }
}

/// What was set, as it was written, with its places; by key.
#[derive(Clone, Default)]
struct Given(BTreeMap<&'static str, Vec<Entry>>);

impl Given {
    /// Of layers, the strongest last.
    fn of(mut layers: [Vec<Entry>; 3]) -> Self {
        let mut given = Self::default();
        for key in keys::all() {
            let mut stronger = layers.iter_mut().rev();
            if let Some(entries) = stronger.find_map(|layer| take(layer, key.name)) {
                given.0.insert(key.name, entries);
            }
        }
        given
    }

    fn place(&self, key: &str) -> Option<&Place> {
        self.0.get(key)?.first().map(|entry| &entry.place)
    }

    fn same(&self, other: &Self, key: &str) -> bool {
        let values = |given: &Self| -> Option<Vec<String>> {
            Some(given.0.get(key)?.iter().flat_map(|entry| entry.values.clone()).collect())
        };
        values(self) == values(other)
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Given")
    }
}

/// Every limit without its `limits.`, with its default as it is written.
pub fn limits() -> impl Iterator<Item = (&'static str, String)> {
    let default = Config::default();
    keys::all().filter_map(move |key| Some((key.name.strip_prefix("limits.")?, key.show(&default).pop()?)))
}

impl Entry {
    fn apply(&self, config: &mut Config) -> Result<(), Error> {
        for value in &self.values {
            self.key.set(config, value, &self.folder).map_err(|wrong| {
                let what = match &self.place {
                    Place::File { .. } => format!("{}: `{}` cannot be used", self.place, self.key.name),
                    Place::Flag(_) | Place::Variable(_) => format!("{} cannot be used", self.place),
                };
                Error { what, cause: wrong.cause, help: wrong.help }
            })?;
        }
        Ok(())
    }
}

/// Removes the entries of a key from a layer: every one for a list, the last for any other.
fn take(layer: &mut Vec<Entry>, name: &str) -> Option<Vec<Entry>> {
    let (mut found, rest): (Vec<Entry>, Vec<Entry>) =
        std::mem::take(layer).into_iter().partition(|entry| entry.key.name == name);
    *layer = rest;
    if found.first().is_some_and(|entry| !entry.key.is_list()) {
        found.drain(..found.len().saturating_sub(1));
    }
    Some(found).filter(|found| !found.is_empty())
}

fn read_file(
    given: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    folder: &Path,
) -> Result<Vec<Entry>, Error> {
    let named = given
        .map(Path::to_path_buf)
        .or_else(|| variable("DOCQUAY_CONFIG").filter(|name| !name.is_empty()).map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| folder.join(FILE));
    match std::fs::read_to_string(&path) {
        Ok(text) => raw::file(&path, &text),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::new(
            format!("cannot read the configuration {}", path.display()),
            error.to_string(),
            "check the path given with --config or DOCQUAY_CONFIG, and the file's permissions",
        )),
    }
}

const FILE: &str = "docquay.toml";

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flags: Flags, variables: &[(&str, &str)], file: &str) -> Result<Config, Error> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), file).unwrap();
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        Config::load(flags, &variable, None, folder.path())
    }

    pub(super) fn flag(key: &str, value: &str) -> Flags {
        let mut flags = Flags::default();
        match key.strip_prefix("limits.") {
            Some(limit) => flags.push_limit(&format!("{limit}={value}")).unwrap(),
            None => flags.push(key, "--flag", [value.to_owned()]),
        }
        flags
    }

    /// A value that no key has by default.
    pub(super) fn sample(key: &str) -> &'static str {
        match key {
            "source" => "/tmp/pages",
            "certs" | "acme_ca_file" | "eab_hmac_key_file" | "tls_cert" | "tls_key" | "token_file" => {
                "/tmp/file"
            }
            "trusted_proxies" => "10.0.0.0/8",
            "outbound_proxy" => "http://proxy.example:3128",
            "bind" => "127.0.0.7",
            "base_url" | "site_url" => "https://docs.example.com",
            "allow_origin" => "https://app.example.com",
            "allow_host" => "docs.example.com",
            "source_wait" | "agree_tos" | "ephemeral_certs" | "staging" | "access_log" | "log_queries" => {
                "true"
            }
            "metrics_bind" => "127.0.0.1:9464",
            "domain" => "docs.example.org",
            "email" => "ops@example.com",
            "acme_directory" | "fallback_acme_directory" => "https://ca.example/directory",
            "acme_challenge" => "tls-alpn-01",
            "log_format" => "json",
            "log_level" => "debug",
            _ => "17",
        }
    }

    /// What differs from the default, printed; `docs::Options` prints by field here.
    fn print(config: &Config) -> String {
        let docs::Options {
            reload_every,
            settle,
            fetch_time,
            source_bytes,
            corpus_bytes,
            site_url,
            source_wait,
            fetch: _,
            progress: _,
        } = &config.docs;
        format!(
            "{config:#?}\nreload_every: {reload_every:?}\nsettle: {settle:?}\nfetch_time: {fetch_time:?}\n\
             source_bytes: {source_bytes}\ncorpus_bytes: {corpus_bytes}\nsite_url: {site_url:?}\n\
             source_wait: {source_wait}"
        )
    }

    #[test]
    fn every_key_lands_in_its_own_field_from_a_flag_a_variable_and_the_file() {
        let default = print(&Config::default());
        let mut seen = std::collections::HashMap::new();
        for key in keys::all() {
            let value = sample(key.name);
            let by_flag = print(&load(flag(key.name, value), &[], "").unwrap());
            let by_variable = print(&load(Flags::default(), &[(&key.variable(), value)], "").unwrap());
            let toml = format!("{} = \"{value}\"", key.name);
            let by_file = print(&load(Flags::default(), &[], &toml).unwrap());
            assert_eq!(by_flag, by_variable, "{}", key.name);
            assert_eq!(by_flag, by_file, "{}", key.name);
            assert_ne!(by_flag, default, "{} changes nothing", key.name);
            if let Some(other) = seen.insert(by_flag, key.name) {
                panic!("{} and {other} set the same field", key.name);
            }
        }
    }

    #[test]
    fn each_limit_lands_in_the_field_of_its_name() {
        for key in keys::all().filter(|key| key.name.starts_with("limits.")) {
            let field = key.name.rsplit('.').next().unwrap();
            let config = print(&load(flag(key.name, "17"), &[], "").unwrap());
            let line = [format!("{field}: 17,"), format!("{field}: 17s,"), format!("{field}: 17\n")];
            let last = [format!("{field}: 17s\n")];
            assert!(
                line.iter().chain(&last).any(|line| config.contains(line.as_str())),
                "{} {config}",
                key.name
            );
        }
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
        let file = "port = 3\n";
        let variables = [("DOCQUAY_PORT", "2")];
        assert_eq!(load(flag("port", "1"), &variables, file).unwrap().address().port(), 1);
        assert_eq!(load(Flags::default(), &variables, file).unwrap().address().port(), 2);
        assert_eq!(load(Flags::default(), &[], file).unwrap().address().port(), 3);
        assert_eq!(load(Flags::default(), &[], "").unwrap().address().port(), 8080);
    }

    #[test]
    fn what_changed_is_known_by_key_and_may_be_adopted_in_part() {
        let variables = [("DOCQUAY_ALLOW_HOST", "a.example")];
        let of = |file: &str| load(flag("email", "ops@example.com"), &variables, file).unwrap();
        let old = of("port = 1\nbase_url = \"https://a.example\"\n[limits.http]\nbody_bytes = 7\n");
        let new =
            of("port = 2\nsource = \"docs\"\nallow_host = \"b.example\"\n[limits.http]\nbody_bytes = 7\n");
        // The variable still beats the file.
        assert_eq!(old.changed(&new), ["source", "port", "base_url"]);
        assert_eq!(old.changed(&old), [""; 0]);
        let both = old.adopt(&new, |key| key != "port").unwrap();
        assert_eq!((both.port, both.sources.len(), both.base_url.is_none()), (Some(1), 1, true));
        assert_eq!((both.http.body_bytes, both.policy.hosts.len()), (7, 1));
        assert_eq!(both.changed(&new), ["port"]);
    }

    #[test]
    fn a_certificate_moves_the_defaults_of_port_and_address() {
        let shown = |config: Config| config.address().to_string();
        assert_eq!(shown(load(Flags::default(), &[], "").unwrap()), "127.0.0.1:8080");
        assert_eq!(shown(load(flag("domain", "a.example"), &[], "").unwrap()), "[::]:443");
        assert_eq!(shown(load(flag("tls_cert", "a"), &[], "port = 8443").unwrap()), "[::]:8443");
        let plain = "base_url = \"http://a.example\"\nagree_tos = true";
        let plain = load(flag("domain", "a.example"), &[], plain).unwrap();
        assert!(plain.security().unwrap_err().help.contains("https://"));
        let same = load(flag("domain", "a.example"), &[], "port = 80\nagree_tos = true").unwrap();
        assert_eq!(same.security().unwrap_err().cause, "port and acme_port are the same");
    }

    #[test]
    fn a_domain_is_taken_as_people_write_it() {
        for (text, read) in
            [("DOCS.example.com", "docs.example.com"), ("b\u{fc}cher.example", "xn--bcher-kva.example")]
        {
            let config = load(flag("domain", text), &[], "").unwrap();
            assert_eq!(config.certificates.domains[0].to_string(), read);
        }
        for (text, help) in
            [("*.example.com", "each name"), ("https://a.example", "the name alone"), ("", "the name alone")]
        {
            let error = load(flag("domain", text), &[], "").unwrap_err();
            assert!(error.help.contains(help), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_list_of_a_stronger_place_replaces_the_weaker_one_whole() {
        let file = "allow_host = [\"a.example\", \"b.example\"]";
        let hosts = |config: Config| config.policy.hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(hosts(load(Flags::default(), &[], file).unwrap()), ["a.example", "b.example"]);
        let variables = [("DOCQUAY_ALLOW_HOST", "c.example, d.example")];
        assert_eq!(hosts(load(Flags::default(), &variables, file).unwrap()), ["c.example", "d.example"]);
    }

    #[test]
    fn a_value_that_does_not_fit_names_its_place() {
        let error = load(Flags::default(), &[], "\nport = \"http\"").unwrap_err();
        assert!(error.what.ends_with("docquay.toml:2:8: `port` cannot be used"), "{}", error.what);
        let error = load(Flags::default(), &[("DOCQUAY_BASE_URL", "docs.example.com")], "").unwrap_err();
        assert_eq!(error.what, "DOCQUAY_BASE_URL cannot be used");
        assert_eq!(error.help, "write it as https://docs.example.com");
        let error = load(flag("log_level", "loud"), &[], "").unwrap_err();
        assert_eq!(error.cause, "there is no log level `loud`");
    }

    #[test]
    fn paths_in_the_file_begin_at_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.toml");
        std::fs::write(&path, "source = [\"docs\", \"https://docs.example.com/index.json\"]").unwrap();
        let config = Config::load(Flags::default(), &|_| None, Some(&path), Path::new("/nowhere")).unwrap();
        let url = Source::Url("https://docs.example.com/index.json".to_owned());
        assert_eq!(config.sources, [Source::Path(folder.path().join("docs")), url]);
    }

    #[test]
    fn a_named_file_must_exist_and_a_found_one_need_not() {
        assert!(Config::load(Flags::default(), &|_| None, None, Path::new("/nowhere")).is_ok());
        let error = Config::load(Flags::default(), &|_| None, Some(Path::new("/no/file")), Path::new("."));
        assert_eq!(error.unwrap_err().what, "cannot read the configuration /no/file");
    }
}

//! The options of the commands, in the groups of the help; each group hands its own to [`Flags`].

use std::io::{self, IsTerminal as _};
use std::iter;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::Resettable;

use crate::config::{self, Config, Flags, ShowProgress};

#[derive(Debug, Args)]
#[command(next_help_heading = "Documents")]
pub(super) struct Documents {
    /// A folder, a file, or a .json index (path or URL); none: docquay's own manual
    #[arg(value_name = "SOURCE", help_heading = Resettable::Reset)]
    sources: Vec<String>,
    /// Where the same pages are published, for their links
    #[arg(long, value_name = "URL", hide_short_help = true)]
    site_url: Option<String>,
}

/// For commands that outlive the first reading.
#[derive(Debug, Args)]
#[command(next_help_heading = "Documents")]
pub(super) struct Reading {
    /// Time between scans of a folder and polls of a URL [default: 30s]
    #[arg(long, value_name = "TIME")]
    reload_every: Option<String>,
    /// Wait for a missing folder instead of ending
    #[arg(long, hide_short_help = true)]
    source_wait: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(super) struct Network {
    /// Port; 0 for any free one [default: 8080, or 443 with a certificate]
    #[arg(short, long, value_name = "PORT")]
    port: Option<String>,
    /// Address; [::] for all [default: 127.0.0.1, or [::] with one]
    #[arg(short, long, value_name = "ADDRESS")]
    bind: Option<String>,
    /// How clients reach this server: https://docs.example.com
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Host name to answer to besides loopback; * for any; repeatable
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// Web origin that may call: https://app.example.com; repeatable
    #[arg(long, value_name = "ORIGIN", hide_short_help = true)]
    allow_origin: Vec<String>,
    /// Let in only whoever sends a token of this file
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
    /// Proxy in front whose Forwarded or X-Forwarded-* is believed: an address or a network; repeatable
    #[arg(long, value_name = "NETWORK", hide_short_help = true)]
    trusted_proxies: Vec<String>,
    /// Silence on a stream before a comment; 0 for none [default: 15s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    sse_keep_alive: Option<String>,
    /// From SIGTERM until nothing new is accepted; /readyz says no meanwhile [default: 0]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    drain_delay: Option<String>,
}

/// Where the certificate comes from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Certificate")]
pub(super) struct Certificate {
    /// Serve https for this name or IP, with its own certificate; repeatable
    #[arg(short, long, value_name = "NAME")]
    domain: Vec<String>,
    /// Whom the CA may write to
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// You have read the CA's terms of service, and agree
    #[arg(long)]
    agree_tos: bool,
    /// Port for the CA's HTTP-01 requests; sends browsers on to https [default: 80]
    #[arg(long, value_name = "PORT", hide_short_help = true)]
    acme_port: Option<String>,
    /// Folder of keys, certificates and the account [default: ./certs]
    #[arg(long, value_name = "FOLDER")]
    certs: Option<String>,
    /// Order although that folder does not outlive the container
    #[arg(long, hide_short_help = true)]
    ephemeral_certs: bool,
    /// Directory of the CA [default: Let's Encrypt]
    #[arg(long, value_name = "URL", hide_short_help = true)]
    acme_directory: Option<String>,
    /// Let's Encrypt's staging CA, for trying things out
    #[arg(long)]
    staging: bool,
    /// Root certificate of the CA's own server, PEM; trusted besides the public ones
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    acme_ca_file: Option<String>,
    /// Certificate profile to order: tlsserver, shortlived
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    acme_profile: Option<String>,
    /// Take the chain whose issuer has this common name, if the CA offers it
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    acme_preferred_chain: Option<String>,
    /// auto, http-01, or tls-alpn-01 (port 80 stays closed) [default: auto]
    #[arg(long, value_name = "TYPE", hide_short_help = true)]
    acme_challenge: Option<String>,
    /// External account binding: the key's name at the CA
    #[arg(long, value_name = "KID", hide_short_help = true)]
    eab_kid: Option<String>,
    /// External account binding: file with the key in base64url
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    eab_hmac_key_file: Option<String>,
    /// Directory of a second CA, for when the first keeps failing
    #[arg(long, value_name = "URL", hide_short_help = true)]
    fallback_acme_directory: Option<String>,
    /// Use this certificate chain instead, PEM; read again when it changes
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    tls_cert: Option<String>,
    /// The key of --tls-cert, PEM
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    tls_key: Option<String>,
}

/// For a server that others watch.
#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub(super) struct Observed {
    /// Serve /metrics for Prometheus at this address: 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS", hide_short_help = true)]
    metrics_bind: Option<String>,
    /// Log each request at info, not at debug
    #[arg(long, hide_short_help = true)]
    access_log: bool,
}

/// For commands that answer questions of others.
#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub(super) struct Asked {
    /// Log what is searched for
    #[arg(long, hide_short_help = true)]
    log_queries: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub(super) struct Process {
    /// Read this file [default: ./docquay.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask the CA and URL sources through this proxy: http://proxy.example.com:3128
    #[arg(long, value_name = "URL", hide_short_help = true)]
    outbound_proxy: Option<String>,
    /// error, warn, info, debug, or directives [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT", hide_short_help = true)]
    log_format: Option<String>,
    /// Change a limit: http.body_bytes=1MiB; repeatable (--help lists them)
    #[arg(long, value_name = "KEY=VALUE", hide_short_help = true, long_help = limits_help())]
    limits: Vec<String>,
}

impl Documents {
    pub(super) fn push(self, flags: &mut Flags) {
        flags.push("source", "SOURCE", self.sources);
        flags.push("site_url", "--site-url", self.site_url);
    }
}

impl Reading {
    pub(super) fn push(self, flags: &mut Flags) {
        flags.push("reload_every", "--reload-every", self.reload_every);
        flags.push("source_wait", "--source-wait", self.source_wait.then(|| "true".to_owned()));
    }
}

impl Network {
    pub(super) fn push(self, flags: &mut Flags) {
        flags.push("port", "--port", self.port);
        flags.push("bind", "--bind", self.bind);
        flags.push("base_url", "--base-url", self.base_url);
        flags.push("allow_host", "--allow-host", self.allow_host);
        flags.push("allow_origin", "--allow-origin", self.allow_origin);
        flags.push("token_file", "--token-file", self.token_file);
        flags.push("trusted_proxies", "--trusted-proxies", self.trusted_proxies);
        flags.push("sse_keep_alive", "--sse-keep-alive", self.sse_keep_alive);
        flags.push("drain_delay", "--drain-delay", self.drain_delay);
    }
}

impl Certificate {
    pub(super) fn push(self, flags: &mut Flags) {
        let switch = |on: bool| on.then(|| "true".to_owned());
        flags.push("domain", "--domain", self.domain);
        flags.push("email", "--email", self.email);
        flags.push("agree_tos", "--agree-tos", switch(self.agree_tos));
        flags.push("acme_port", "--acme-port", self.acme_port);
        flags.push("certs", "--certs", self.certs);
        flags.push("ephemeral_certs", "--ephemeral-certs", switch(self.ephemeral_certs));
        flags.push("acme_directory", "--acme-directory", self.acme_directory);
        flags.push("staging", "--staging", switch(self.staging));
        flags.push("acme_ca_file", "--acme-ca-file", self.acme_ca_file);
        flags.push("acme_profile", "--acme-profile", self.acme_profile);
        flags.push("acme_preferred_chain", "--acme-preferred-chain", self.acme_preferred_chain);
        flags.push("acme_challenge", "--acme-challenge", self.acme_challenge);
        flags.push("eab_kid", "--eab-kid", self.eab_kid);
        flags.push("eab_hmac_key_file", "--eab-hmac-key-file", self.eab_hmac_key_file);
        flags.push("fallback_acme_directory", "--fallback-acme-directory", self.fallback_acme_directory);
        flags.push("tls_cert", "--tls-cert", self.tls_cert);
        flags.push("tls_key", "--tls-key", self.tls_key);
    }
}

impl Observed {
    pub(super) fn push(self, flags: &mut Flags) {
        flags.push("metrics_bind", "--metrics-bind", self.metrics_bind);
        flags.push("access_log", "--access-log", self.access_log.then(|| "true".to_owned()));
    }
}

impl Asked {
    pub(super) fn push(self, flags: &mut Flags) {
        flags.push("log_queries", "--log-queries", self.log_queries.then(|| "true".to_owned()));
    }
}

impl Process {
    /// Adds its own flags to the others and reads the rest of the configuration.
    pub(super) fn load(self, flags: Flags) -> Result<Config, config::Error> {
        self.written(flags)?.load()
    }

    /// Adds its own flags to the others.
    pub(super) fn written(self, mut flags: Flags) -> Result<Written, config::Error> {
        flags.push("outbound_proxy", "--outbound-proxy", self.outbound_proxy);
        flags.push("log_level", "--log-level", self.log_level);
        flags.push("log_format", "--log-format", self.log_format);
        self.limits.iter().try_for_each(|limit| flags.push_limit(limit))?;
        Ok(Written { flags, file: self.config })
    }
}

/// Where the configuration is written: the flags, the file that they name, the environment.
#[derive(Debug)]
pub(super) struct Written {
    flags: Flags,
    file: Option<PathBuf>,
}

impl Written {
    /// The configuration as it is written now.
    pub(super) fn load(&self) -> Result<Config, config::Error> {
        let variable = |name: &str| std::env::var_os(name);
        let mut config = Config::load(self.flags.clone(), &variable, self.file.as_deref(), Path::new(""))?;
        if io::stderr().is_terminal() {
            config.progress = ShowProgress::OnStderr;
        }
        Ok(config)
    }
}

fn limits_help() -> String {
    let limits = config::limits().map(|(key, default)| format!("\n  {key}={default}"));
    let head = "Change a limit: http.body_bytes=1MiB; repeatable. The limits with their defaults:";
    iter::once(head.to_owned()).chain(limits).collect()
}

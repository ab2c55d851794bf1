//! Upgrades: what each release left with its operators and clients, opened with today's docquay. How a release's
//! folder is made stands in `upgrades/README.md`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use docquay::acme::ChallengeKind;
use docquay::clock::SystemClock;
use docquay::config::{Config, Flags};
use docquay::entropy::SystemEntropy;
use docquay::names::Identifier;
use docquay::server;
use docquay::store::{self, CertificateEntry, CertificateName, FileStore, Loaded, Published, Store as _};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::peer;

/// The folders of the releases.
fn releases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/upgrades");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

/// A copy of a release's store, since a store is written to when it is used. Git keeps no modes.
fn certs_of(release: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
            if from.is_dir() {
                fs::create_dir(&to).unwrap();
                fs::set_permissions(&to, fs::Permissions::from_mode(0o700)).unwrap();
                copy(&from, &to);
            } else {
                fs::copy(&from, &to).unwrap();
                fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy(&release.join("certs"), folder.path());
    folder
}

async fn open(certs: &Path) -> FileStore {
    FileStore::open(certs, Arc::new(SystemClock), Arc::new(SystemEntropy::new())).await.unwrap()
}

/// What is kept of a name, whole.
async fn entry(store: &FileStore, name: &str) -> CertificateEntry {
    let Loaded { entry, broken, .. } = store::load_certificate(store, &certificate(name)).await.unwrap();
    assert_eq!(broken, None, "{name}");
    entry.unwrap()
}

fn certificate(name: &str) -> CertificateName {
    CertificateName::new(&Identifier::parse(name).unwrap())
}

fn load(file: &Path) -> Config {
    Config::load(Flags::default(), &|_| None, Some(file), Path::new("/nowhere")).unwrap_or_else(|error| {
        panic!("{}: {} ({}; {})", file.display(), error.what, error.cause, error.help)
    })
}

#[test]
fn this_release_has_its_folder() {
    let mut names = releases().into_iter().map(|path| path.file_name().unwrap().to_owned());
    assert!(names.any(|name| name == env!("CARGO_PKG_VERSION")), "see tests/it/upgrades/README.md");
}

#[tokio::test]
async fn a_store_of_every_release_is_read_with_nothing_lost() {
    for release in releases() {
        let certs = certs_of(&release);
        let store = open(certs.path()).await;
        let names = store.certificates().await.unwrap();
        assert_eq!(names, ["docs.example.com", "late.example.com", "open.example.com"].map(certificate));

        // The certificate, and that its published files are ours.
        let served = entry(&store, "docs.example.com").await;
        let pair = served.pair.as_ref().unwrap();
        for name in ["docs.example.com", "mcp.example.com"] {
            assert!(pair.leaf().covers(&Identifier::parse(name).unwrap()), "{name}");
        }
        assert_eq!(served.record.names, ["docs.example.com", "mcp.example.com"]);
        assert!(served.record.issued_at.is_some() && served.record.order.is_none());
        let files = store.published(&certificate("docs.example.com")).await.unwrap();
        assert!(matches!(store::judge(&files, &served.record, Some(pair)), Published::Current));

        // A failure, its pause and what it counts for.
        let late = entry(&store, "late.example.com").await.record.attempts;
        assert_eq!((late.failures, late.failed_validations.len()), (1, 1));
        assert!(late.next_at.is_some() && late.last.unwrap().text.contains("connection refused"));

        // An order to go on with, and the account for it.
        let order = entry(&store, "open.example.com").await.record.order.unwrap();
        assert!(order.key_pem.bytes().starts_with(b"-----BEGIN PRIVATE KEY-----"));
        let account = store::load_account(&store, &order.directory).await.unwrap();
        let account = account.entry.unwrap();
        assert_eq!((account.url.as_ref(), &order.account), (Some(&order.account), &served.record.account));
        assert_eq!(account.contact, ["mailto:ops@example.com"]);
    }
}

#[tokio::test]
async fn a_store_of_every_release_can_be_written_on() {
    for release in releases() {
        let certs = certs_of(&release);
        let store = open(certs.path()).await;
        let before = entry(&store, "docs.example.com").await;
        store::save_certificate(&store, &certificate("docs.example.com"), &before).await.unwrap();
        let after = entry(&store, "docs.example.com").await;
        assert_eq!(after.record, before.record);
        assert_eq!(after.pair.unwrap().chain(), before.pair.unwrap().chain());
    }
}

#[test]
fn a_docquay_toml_of_every_release_means_what_it_meant() {
    for release in releases() {
        let own = load(&release.join("own-pair.toml")).certificates;
        assert_eq!(
            (own.tls_cert, own.tls_key),
            (Some(release.join("chain.pem")), Some(release.join("key.pem")))
        );
        let config = load(&release.join("docquay.toml"));
        assert!(config.security().is_ok());
        assert_eq!(config.address().to_string(), "127.0.0.1:8443");
        assert_eq!(config.base_url.as_ref().unwrap().as_str(), "https://docs.example.com");
        assert_eq!(config.sse_keep_alive, Some(Duration::from_secs(20)));
        let certificates = &config.certificates;
        assert_eq!(certificates.domains.len(), 2);
        assert_eq!(certificates.directory(), "https://localhost:14000/dir");
        assert_eq!(certificates.challenge, Some(ChallengeKind::TlsAlpn01));
        assert_eq!(certificates.folder, release.join("certs"));
        assert_eq!(certificates.eab_hmac_key_file, Some(release.join("hmac.key")));
        assert_eq!((config.policy.hosts.len(), config.policy.origins.len()), (1, 1));
        assert_eq!((config.docs.reload_every, config.docs.source_wait), (Duration::from_secs(60), true));
        assert_eq!((config.http.body_bytes, config.http.connections), (128 << 10, 500));
        assert_eq!((config.mcp.session_idle, config.mcp.batch), (Duration::from_secs(600), 10));
        assert_eq!((config.docs.corpus_bytes, config.tls.handshake), (128 << 20, Duration::from_secs(9)));
    }
}

#[tokio::test]
async fn a_session_of_every_release_gets_the_answers_that_it_got() {
    for release in releases() {
        let mut flags = Flags::default();
        flags.push("source", "SOURCE", [release.join("docs").display().to_string()]);
        flags.push("base_url", "--base-url", ["https://docs.example.com".to_owned()]);
        let config = Config::load(flags, &|_| None, None, Path::new("/nowhere")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let running = server::start_on(listener, config).await.unwrap();
        let mut session = String::new();
        for line in fs::read_to_string(release.join("session.jsonl")).unwrap().lines() {
            let exchange: Value = serde_json::from_str(line).unwrap();
            let answer = send(&running, &exchange["send"], &session).await;
            if let Some(opened) = answer.header("mcp-session-id") {
                session = opened.to_owned();
            }
            let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
            let (what, recorded) = (&exchange["what"], &exchange["answer"]);
            assert_eq!(recorded["status"], answer.status, "{what}: {body:#}");
            if let Some(fault) = differs(&recorded["body"], &body, "body") {
                panic!("{} {what}: {fault}; it answered {body:#}", release.display());
            }
        }
    }
}

async fn send(running: &server::Running, request: &Value, session: &str) -> peer::Whole {
    let headers: Vec<(&str, String)> = request["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap().replace("{session}", session)))
        .collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = request.get("body").map(Value::to_string).unwrap_or_default();
    let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
    peer::send(running.address(), method, path, &headers, &body).await.whole().await
}

/// Where an answer lacks something of the recorded one. What is new in it is no fault: clients pass over what they
/// do not know. What has a name is found by it, wherever it stands in its list.
fn differs(recorded: &Value, answer: &Value, place: &str) -> Option<String> {
    match (recorded, answer) {
        (Value::Object(recorded), Value::Object(answer)) => recorded.iter().find_map(|(key, value)| {
            let place = format!("{place}.{key}");
            match answer.get(key) {
                Some(found) => differs(value, found, &place),
                None => Some(format!("{place} is missing")),
            }
        }),
        (Value::Array(recorded), Value::Array(answer)) => {
            recorded.iter().enumerate().find_map(|(at, value)| {
                let place = format!("{place}[{at}]");
                let found = match value.get("name") {
                    Some(name) => answer.iter().find(|found| found.get("name") == Some(name)),
                    None => answer.get(at),
                };
                found.map_or_else(
                    || Some(format!("{place} is missing")),
                    |found| differs(value, found, &place),
                )
            })
        }
        _ => (recorded != answer).then(|| format!("{place} was {recorded}")),
    }
}

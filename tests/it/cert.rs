//! The options of a certificate and `docquay cert`, as far as no CA is asked.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn docquay(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docquay"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DOCQUAY_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

#[test]
fn options_that_cannot_work_end_with_2_and_the_one_to_add() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, help) in [
        (&["--domain", "docs.example.com"][..], "--agree-tos"),
        (&["--domain", "localhost", "--agree-tos"], "--acme-directory"),
        (&["--domain", "*.example.com", "--agree-tos"], "each name by itself"),
        (&["--domain", "docs.example.com", "--agree-tos", "--port", "80"], "leave out --port"),
        (&["--tls-cert", "chain.pem"], "--tls-key"),
        (&["--domain", "a.example.com", "--agree-tos", "--eab-kid", "k"], "--eab-hmac-key-file"),
        (&["--domain", "a.example.com", "--agree-tos", "--acme-ca-file", "none.pem"], "check the path"),
        (&["--domain", "a.example.com", "--agree-tos", "--acme-challenge", "dns-01"], "tls-alpn-01"),
        (&["--domain", "a.example.com", "--agree-tos", "--acme-directory", "http://ca"], "https://"),
    ] {
        // Ports that anyone may open, should the start get that far.
        let ports = ["--bind", "127.0.0.1", "--acme-port", "0"];
        let port = if arguments.contains(&"--port") { &["--acme-port", "80"][..] } else { &["--port", "0"] };
        let ended = docquay(folder.path(), &[&ports[..2], arguments, port].concat());
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(help), "{arguments:?}: {}", ended.stderr);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn an_own_pair_that_cannot_be_used_ends_with_1_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("chain.pem"), "no certificate").unwrap();
    let arguments = ["--tls-cert", "chain.pem", "--tls-key", "key.pem", "--bind", "127.0.0.1", "--port", "0"];
    let ended = docquay(folder.path(), &arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot read") && ended.stderr.contains("key.pem"), "{}", ended.stderr);
}

#[test]
fn the_status_of_nothing_is_told_ends_with_1_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let ended = docquay(folder.path(), &["cert", "status", "--domain", "docs.example.com"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("none yet"), "{}", ended.stdout);
    let ended = docquay(folder.path(), &["cert", "status", "--json", "--domain", "docs.example.com"]);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((json["valid"].as_bool(), json["names"][0].as_str()), (Some(false), Some("docs.example.com")));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn without_a_domain_there_is_no_certificate_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    for ask in ["status", "renew", "revoke"] {
        let ended = docquay(folder.path(), &["cert", ask]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("--domain"), "{}", ended.stderr);
    }
}

#[test]
fn there_is_nothing_to_revoke_in_an_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    let ended = docquay(folder.path(), &["cert", "revoke", "--domain", "docs.example.com"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("error: there is nothing to revoke"), "{}", ended.stderr);
}

//! The configuration as an operator meets it: precedence through the real process, errors with places.

use std::path::Path;
use std::process::{Command, Stdio};

struct Ended {
    code: Option<i32>,
    stderr: String,
}

/// Runs a search, which ends, with this environment and `docquay.toml`.
fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)], file: Option<&str>) -> Ended {
    if let Some(text) = file {
        std::fs::write(folder.join("docquay.toml"), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_docquay"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DOCQUAY_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).current_dir(folder).stdin(Stdio::null());
    let output = command.output().unwrap();
    Ended { code: output.status.code(), stderr: String::from_utf8(output.stderr).unwrap() }
}

#[test]
fn the_strongest_place_decides() {
    // given a value that no place can use, the error names the place that was asked
    for (flag, variable, file, blamed) in [
        (true, true, true, "error: --port cannot be used"),
        (false, true, true, "error: DOCQUAY_PORT cannot be used"),
        (false, false, true, "error: docquay.toml:1:8: `port` cannot be used"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let arguments: &[&str] = if flag { &["--port", "flag"] } else { &[] };
        let variables: &[(&str, &str)] = if variable { &[("DOCQUAY_PORT", "variable")] } else { &[] };
        let ended = run(folder.path(), arguments, variables, file.then_some("port = \"file\""));
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.starts_with(blamed), "{}", ended.stderr);
    }
}

#[test]
fn an_error_has_three_parts_and_the_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        (
            "port = 8080\nreload-every = \"1s\"\n",
            "error: docquay.toml:2:1: unknown key `reload-every`\n\
             cause: docquay has no option of that name\n\
             help:  did you mean `reload_every`?\n",
        ),
        (
            "# sizes\n[limits.http]\nbody_bytes = \"lots\"\n",
            "error: docquay.toml:3:14: `limits.http.body_bytes` cannot be used\n\
             cause: `lots` is no size\n\
             help:  use bytes, or 256KiB, 64MiB, 1GiB\n",
        ),
        (
            "allow_origin = [\"https://a.example\", 3.5]\n",
            "error: docquay.toml:1:38: `allow_origin` has the wrong type\n\
             cause: it is a float\n\
             help:  write it as [\"…\", \"…\"]\n",
        ),
    ] {
        let ended = run(folder.path(), &[], &[], Some(text));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), expected));
    }
}

#[test]
fn a_file_that_is_not_toml_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &[], &[], Some("port = 8080\nbind = 127.0.0.1\n"));
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.starts_with("error: docquay.toml:2:"), "{}", ended.stderr);
}

#[test]
fn a_named_file_is_read_instead_and_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other.toml"), "bnd = \"::1\"").unwrap();
    for (arguments, variables) in
        [(&["--config", "other.toml"][..], &[][..]), (&[][..], &[("DOCQUAY_CONFIG", "other.toml")][..])]
    {
        let ended = run(folder.path(), arguments, variables, Some("port = \"unused\""));
        assert!(ended.stderr.starts_with("error: other.toml:1:1: unknown key `bnd`"), "{}", ended.stderr);
    }
    let ended = run(folder.path(), &["--config", "none.toml"], &[], None);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.starts_with("error: cannot read the configuration none.toml"), "{}", ended.stderr);
}

#[test]
fn a_base_url_that_is_none_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["--base-url", "docs.example.com"], &[], None);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (
            Some(2),
            "error: --base-url cannot be used\n\
             cause: `docs.example.com` does not begin with https://\n\
             help:  write it as https://docs.example.com\n"
        )
    );
}

//! Notes what `docquay --version` tells and the source does not know: the commit, the features, the target, the
//! compiler.

use std::path::Path;
use std::process::Command;

fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let folder = variable("CARGO_MANIFEST_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DOCQUAY_COMMIT");
    let given = Some(variable("DOCQUAY_COMMIT")).filter(|commit| !commit.is_empty());
    // A development build does not ask: it would be built anew after each commit.
    let found =
        || if variable("PROFILE") == "release" { packaged(&folder).or_else(|| git(&folder)) } else { None };
    let commit = given.or_else(found).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=DOCQUAY_COMMIT={commit}");
    println!("cargo::rustc-env=DOCQUAY_FEATURES={}", features());
    println!("cargo::rustc-env=DOCQUAY_TARGET={}", variable("TARGET"));
    let compiler =
        run(&variable("RUSTC"), &["--version"], &folder).unwrap_or_else(|| "rustc unknown".to_owned());
    println!("cargo::rustc-env=DOCQUAY_COMPILER={compiler}");
}

/// Those that are on, as cargo tells a build script: `CARGO_FEATURE_ACME`.
fn features() -> String {
    let name = |(key, _): (std::ffi::OsString, std::ffi::OsString)| {
        key.to_str()?.strip_prefix("CARGO_FEATURE_").map(|name| name.to_ascii_lowercase().replace('_', "-"))
    };
    let mut names: Vec<String> =
        std::env::vars_os().filter_map(name).filter(|name| name != "default").collect();
    names.sort();
    names.join(", ")
}

/// What `cargo package` put beside the manifest.
fn packaged(folder: &str) -> Option<String> {
    let text = std::fs::read_to_string(Path::new(folder).join(".cargo_vcs_info.json")).ok()?;
    let (_, behind) = text.split_once("\"sha1\": \"")?;
    Some(short(behind))
}

/// The commit of the repository whose root this crate is; no other repository that happens to be around it.
fn git(folder: &str) -> Option<String> {
    let top = run("git", &["rev-parse", "--show-toplevel"], folder)?;
    if Path::new(&top).canonicalize().ok()? != Path::new(folder).canonicalize().ok()? {
        return None;
    }
    // It gets a line with each commit, checkout and rebase.
    let log = run("git", &["rev-parse", "--git-path", "logs/HEAD"], folder)?;
    println!("cargo::rerun-if-changed={log}");
    Some(short(&run("git", &["rev-parse", "HEAD"], folder)?))
}

fn short(commit: &str) -> String {
    commit.chars().take_while(char::is_ascii_hexdigit).take(12).collect()
}

fn run(program: &str, arguments: &[&str], folder: &str) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}

//! A root folder with docquay in it and no system: an image built from scratch. Takes root, for chroot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::process::run;

/// The static binary, a folder for certificates and what a test adds; no /etc, no /proc, no /dev, no libraries.
#[derive(Debug)]
pub(crate) struct EmptyRoot(TempDir);

impl EmptyRoot {
    /// Where the program lies, seen from inside.
    pub(crate) const PROGRAM: &str = "/docquay";

    pub(crate) fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        std::fs::copy(static_binary(), root.path().join("docquay")).unwrap();
        std::fs::create_dir(root.path().join("certs")).unwrap();
        root
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a copy of `file` at `/NAME`.
    pub(crate) fn add(&self, name: &str, file: &Path) {
        std::fs::copy(file, self.path().join(name)).unwrap();
    }

    /// Writes `/etc/FILE`, which a container runtime mounts.
    pub(crate) fn write_etc(&self, file: &str, text: &str) {
        let etc = self.path().join("etc");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(etc.join(file), text).unwrap();
    }
}

/// Builds it as a release does but for the profile, or gives the one that `DOCQUAY_STATIC` names, for measuring. A
/// target folder of its own keeps both builds from throwing each other's work away.
pub(crate) fn static_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(given) = std::env::var_os("DOCQUAY_STATIC") {
            return given.into();
        }
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let folder = repository.join("target/static");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(repository).args(["build", "--locked", "--quiet", "--bin", "docquay"]);
        cargo.args(["--target", &target, "--target-dir"]).arg(&folder);
        cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", "-C target-feature=+crt-static");
        run(&mut cargo, "libc6-dev");
        folder.join(target).join("debug/docquay")
    })
}

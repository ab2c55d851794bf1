//! The image, built once by buildah into a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::harness::empty_root::static_binary;
use crate::harness::process::run;

/// A built image, and its files.
#[derive(Debug)]
pub(crate) struct Image {
    root: PathBuf,
    config: Value,
    /// In the target folder and not a temporary one: what is static is never dropped. The next run clears it.
    folder: PathBuf,
}

const NAME: &str = "docquay-under-test";

impl Image {
    /// The one image of this process.
    pub(crate) fn built() -> &'static Self {
        static BUILT: OnceLock<Image> = OnceLock::new();
        BUILT.get_or_init(Self::build)
    }

    /// Where its files lie, seen from outside.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A field of its configuration, `User` and the like.
    pub(crate) fn config(&self, field: &str) -> &Value {
        &self.config[field]
    }

    /// The words of a list in it.
    pub(crate) fn words(&self, field: &str) -> Vec<String> {
        let list = self.config[field].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    /// `buildah WORDS…` on this image's storage.
    pub(crate) fn buildah(&self) -> Command {
        buildah(&self.folder)
    }

    /// A new working container, for `buildah run`, which leaves mount points in it.
    pub(crate) fn container(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("run-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        from(&self.folder, &name);
        name
    }

    /// As `dist/build` lays out what the Dockerfile's stage takes, but in a folder of its own.
    fn build() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
        run(Command::new("rm").arg("-rf").arg(&folder), "coreutils");
        let context = folder.join("context");
        let given = context.join("dist/out/image");
        run(Command::new("mkdir").arg("-p").arg(given.join("files")), "coreutils");
        run(Command::new("mkdir").args(["-m", "0700"]).arg(given.join("files/certs")), "coreutils");
        run(Command::new("strip").arg("-o").arg(given.join("docquay")).arg(static_binary()), "binutils");
        for file in ["Dockerfile", ".dockerignore"] {
            std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), context.join(file)).unwrap();
        }
        let mut build = buildah(&folder);
        build.args(["build", "--isolation", "chroot", "--target", "given", "--tag", NAME]).arg(&context);
        run(&mut build, "buildah");
        let inspected = run(buildah(&folder).args(["inspect", "--type", "image", NAME]), "buildah");
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        from(&folder, "pristine");
        let root = run(buildah(&folder).args(["mount", "pristine"]), "buildah");
        Self { root: root.trim().into(), config: inspected["OCIv1"]["config"].clone(), folder }
    }
}

fn from(folder: &Path, name: &str) {
    run(buildah(folder).args(["from", "--pull-never", "--name", name, NAME]), "buildah");
}

/// Storage of its own, without a driver that the machine's kernel would have to have.
fn buildah(folder: &Path) -> Command {
    let mut command = Command::new("buildah");
    command.arg("--root").arg(folder.join("storage")).arg("--runroot").arg(folder.join("run"));
    command.args(["--storage-driver", "vfs"]);
    command
}

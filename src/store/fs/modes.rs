//! Who may read a file: modes where the system has them, nothing elsewhere.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};

/// The mode and the owner of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mode {
    pub(super) owner: u32,
    bits: u32,
}

impl Mode {
    pub(super) fn is_open_to_others(self) -> bool {
        self.bits & 0o077 != 0
    }

    /// Whether the owner may read and write it, and enter it if it is a folder.
    pub(super) fn serves_owner(self, needed: u32) -> bool {
        self.bits & needed == needed
    }
}

#[cfg(unix)]
pub(super) fn of(found: &Metadata) -> Mode {
    Mode { owner: found.uid(), bits: found.mode() }
}

#[cfg(not(unix))]
pub(super) fn of(_: &Metadata) -> Mode {
    Mode { owner: 0, bits: 0o700 }
}

/// Files that this creates have mode 0600.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    options.mode(0o600);
    options
}

/// Folders that this creates have mode 0700.
pub(super) fn private_folder() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "no modes here"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder
}

/// Takes everything from everybody but the owner.
pub(super) fn tighten(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "no modes here"))]
    let mut permissions = fs::metadata(path)?.permissions();
    #[cfg(unix)]
    permissions.set_mode(permissions.mode() & 0o700);
    fs::set_permissions(path, permissions)
}

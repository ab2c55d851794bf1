//! Who may read a file: what the store makes of its owner and its mode.

use std::fs::Metadata;

use crate::platform;
pub(super) use crate::platform::{private, private_folder, sync_folder, tighten};

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

pub(super) fn of(found: &Metadata) -> Mode {
    let (owner, bits) = platform::owner_and_mode(found);
    Mode { owner, bits }
}

//! Whether a folder outlasts the process: the kind of file system that it lies on.
//!
//! Pure, over the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)). A container's own layer (overlay) and
//! memory (tmpfs, ramfs) are gone with the container or the machine; anything else is taken to last.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::platform;

/// Whether what is written stays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// As far as can be told.
    Lasting,
    /// Gone with the container, the machine or the process.
    Ephemeral {
        /// What it lies on.
        filesystem: Filesystem,
        /// The folder that was asked about.
        path: PathBuf,
    },
}

/// What does not last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filesystem {
    /// The layer of a container.
    Overlay,
    /// Memory, or swap.
    Tmpfs,
    /// Memory.
    Ramfs,
    /// The process itself, with a [`MemoryStore`](super::MemoryStore).
    Process,
}

impl fmt::Display for Filesystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Overlay => "overlayfs",
            Self::Tmpfs => "tmpfs",
            Self::Ramfs => "ramfs",
            Self::Process => "this process's memory",
        })
    }
}

/// The durability of `folder`, an absolute path without links, by the text of `/proc/self/mountinfo`.
#[must_use]
pub fn durability(mountinfo: &[u8], folder: &Path) -> Durability {
    let mut nearest: Option<(usize, &[u8])> = None;
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let Some((mount_point, kind)) = mount(line) else { continue };
        if !folder.starts_with(&mount_point) {
            continue;
        }
        let depth = mount_point.components().count();
        // Of two at one place the later one is on top.
        if nearest.is_none_or(|(deepest, _)| depth >= deepest) {
            nearest = Some((depth, kind));
        }
    }
    match nearest.and_then(|(_, kind)| ephemeral(kind)) {
        Some(filesystem) => Durability::Ephemeral { filesystem, path: folder.to_owned() },
        None => Durability::Lasting,
    }
}

fn ephemeral(kind: &[u8]) -> Option<Filesystem> {
    match kind {
        b"overlay" | b"aufs" | b"fuse.fuse-overlayfs" => Some(Filesystem::Overlay),
        b"tmpfs" => Some(Filesystem::Tmpfs),
        b"ramfs" | b"rootfs" => Some(Filesystem::Ramfs),
        _ => None,
    }
}

/// Mount point and kind of a line: the fifth field, and the one behind the lone `-`.
fn mount(line: &[u8]) -> Option<(PathBuf, &[u8])> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mount_point = fields.nth(4)?;
    fields.find(|field| *field == b"-")?;
    Some((platform::path_of(unescape(mount_point))?, fields.next()?))
}

/// Space, tab, newline and backslash are written as `\040`, `\011`, `\012` and `\134`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        match (first, behind) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..]) => {
                plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = behind;
            }
            _ => {
                plain.push(first);
                rest = behind;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a container sees it, with a volume, a folder with a space, and a disk that was mounted over.
    const CONTAINER: &[u8] =
        br"612 500 0:60 / / rw,relatime master:271 - overlay overlay rw,lowerdir=/var/lib/a
613 612 0:63 / /proc rw,nosuid - proc proc rw
615 612 0:64 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k
620 612 8:1 /var/lib/docker/volumes/c/_data /certs rw,relatime master:1 shared:7 - ext4 /dev/sda1 rw
621 612 8:1 /x /with\040space\134and\011tab rw,relatime - ext4 /dev/sda1 rw
622 612 8:1 /x /over rw - ext4 /dev/sda1 rw
623 622 0:70 / /over rw - ramfs none rw
";

    fn of(folder: &str) -> Option<Filesystem> {
        match durability(CONTAINER, Path::new(folder)) {
            Durability::Lasting => None,
            Durability::Ephemeral { filesystem, path } => {
                assert_eq!(path, Path::new(folder));
                Some(filesystem)
            }
        }
    }

    #[test]
    fn the_nearest_mount_decides() {
        assert_eq!(of("/certs/.docquay"), None);
        assert_eq!(of("/certs"), None);
        assert_eq!(of("/certs-not"), Some(Filesystem::Overlay));
        assert_eq!(of("/srv/certs"), Some(Filesystem::Overlay));
        assert_eq!(of("/dev/shm/certs"), Some(Filesystem::Tmpfs));
        assert_eq!(of("/over/certs"), Some(Filesystem::Ramfs));
        assert_eq!(of("/with space\\and\ttab/certs"), None);
    }

    #[test]
    fn what_cannot_be_read_is_taken_to_last() {
        for text in [&b""[..], b"36 35", b"36 35 98:0 / / rw", b"36 35 98:0 / / rw - ", b"\n\n"] {
            assert_eq!(durability(text, Path::new("/certs")), Durability::Lasting);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text: Vec<u8>) {
            let _ = durability(&text, Path::new("/certs"));
        }

        #[test]
        fn any_mount_point_is_found(name in "[^/\0]{1,12}") {
            let mut line = b"1 0 0:1 / /".to_vec();
            for byte in name.bytes() {
                match byte {
                    b' ' | b'\t' | b'\n' | b'\\' => line.extend(format!("\\{byte:03o}").bytes()),
                    other => line.push(other),
                }
            }
            line.extend(b" rw shared:1 - tmpfs tmpfs rw");
            let folder = Path::new("/").join(&name).join("certs");
            proptest::prop_assume!(name != "." && name != "..");
            let ephemeral = matches!(durability(&line, &folder), Durability::Ephemeral { .. });
            proptest::prop_assert!(ephemeral);
        }
    }
}

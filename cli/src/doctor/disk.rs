//! Where the journal lies: the file system, and the room that is left.

use std::path::Path;

use super::{ELSEWHERE, Finding, Subject};
use crate::journal::KEEP_BYTES;
use crate::platform::{self, FileSystem};
use crate::text;

/// Below this, commits may fail at any moment.
const NO_ROOM: u64 = 64 << 20;

pub fn check(subject: &Subject, tell: &mut dyn FnMut(Finding)) {
    // The journal may be a link to another disk, and then that place counts; its directory may not be there yet.
    let there = std::iter::once(subject.journal.as_path()).chain(subject.dir().ancestors()).find(|p| p.exists());
    let there = there.unwrap_or(Path::new("."));
    match platform::file_system(there) {
        Ok(found) => {
            let journal = std::fs::metadata(&subject.journal).map_or(0, |m| m.len());
            let link = subject.journal.is_symlink().then(|| subject.journal.canonicalize().ok()).flatten();
            tell(file_system(link.as_deref().unwrap_or(subject.dir()), found.name.as_deref()));
            tell(room(&found, journal));
        }
        Err(error) => {
            let words = format!("{} cannot be looked at: {}", there.display(), text::io(&error));
            tell(Finding::bad("disk", words, ELSEWHERE));
        }
    }
}

/// What a file system does with what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Disk,
    Memory,
    /// Of a container, above its image.
    Layer,
    /// Another machine holds the files, or another system on this one.
    Elsewhere,
    /// A program in user space answers for it.
    Program,
}

fn kind(name: &str) -> Kind {
    match name {
        "tmpfs" | "ramfs" | "devtmpfs" | "rootfs" => Kind::Memory,
        "overlay" | "aufs" | "unionfs" => Kind::Layer,
        "nfs" | "nfs4" | "cifs" | "smb2" | "smb3" | "smbfs" | "9p" | "afs" | "afpfs" | "ceph" | "coda" | "davfs"
        | "webdav" | "glusterfs" | "gpfs" | "lustre" | "beegfs" | "ocfs2" | "gfs2" | "ncpfs" | "virtiofs"
        | "vboxsf" | "vmhgfs" | "prl_fs" | "fuse.sshfs" | "fuse.glusterfs" | "fuse.rclone" | "fuse.s3fs" => {
            Kind::Elsewhere
        }
        "fuse" | "fuseblk" | "macfuse" | "osxfuse" => Kind::Program,
        other if other.starts_with("fuse.") => Kind::Program,
        _ => Kind::Disk,
    }
}

fn file_system(dir: &Path, name: Option<&str>) -> Finding {
    let place = dir.display();
    let Some(name) = name else {
        let words = format!("{place} is on a file system of an unknown kind");
        let next = format!("see that it is a disk of this machine: df {}", text::shell_word(&place.to_string()));
        return Finding::doubt("disk", words, next).fact("file_system", None::<&str>);
    };
    let finding = match kind(name) {
        Kind::Disk => Finding::good("disk", format!("{place} is on {name}")),
        Kind::Memory => Finding::bad(
            "disk",
            format!("{place} is on {name}, which is memory: a restart or a power cut takes every event"),
            ELSEWHERE,
        ),
        Kind::Layer => Finding::doubt(
            "disk",
            format!("{place} is on {name}, a layer of a container: events go when the container is removed"),
            "mount a volume there, or name a file on one: hook … --journal PATH",
        ),
        Kind::Elsewhere => Finding::bad(
            "disk",
            format!(
                "{place} is on {name}, which another system holds: locks and shared memory do not work across, \
                 and events can be lost"
            ),
            ELSEWHERE,
        ),
        Kind::Program => Finding::bad(
            "disk",
            format!("{place} is on {name}: another program decides when what is written is on a disk"),
            ELSEWHERE,
        ),
    };
    finding.fact("file_system", name)
}

fn room(found: &FileSystem, journal: u64) -> Finding {
    let free = text::size(found.free);
    let finding = if found.free < NO_ROOM {
        Finding::bad(
            "room",
            format!("{free} are free; without room new events are refused"),
            "free some, or use another disk: hook … --journal PATH",
        )
    } else if found.free.saturating_add(journal) < KEEP_BYTES {
        Finding::doubt(
            "room",
            format!(
                "{free} are free; up to {} of events are kept, and without room new ones are refused",
                text::size(KEEP_BYTES)
            ),
            "free some, or use another disk: hook … --journal PATH",
        )
    } else {
        Finding::good("room", format!("{free} are free"))
    };
    finding.fact("free_bytes", found.free)
}

#[cfg(test)]
pub mod tests {
    use super::super::State;
    use super::*;

    pub fn all() -> Vec<Finding> {
        let dir = Path::new("/home/u/.local/share/hook");
        let names = [Some("ext4"), None, Some("tmpfs"), Some("overlay"), Some("nfs4"), Some("fuse.gocryptfs")];
        let places = names.map(|name| file_system(dir, name));
        let rooms = [82_900_000_000, 700_000_000, 12_300_000].map(|free| room(&FileSystem { name: None, free }, 0));
        places.into_iter().chain(rooms).collect()
    }

    #[test]
    fn only_a_disk_of_this_machine_keeps_a_promise() {
        let state = |name: &str| file_system(Path::new("/x"), Some(name)).state;
        for name in ["ext4", "xfs", "btrfs", "zfs", "f2fs", "apfs", "hfs", "bcachefs", "ecryptfs", "unheard_of"] {
            assert_eq!(state(name), State::Good, "{name}");
        }
        for name in [
            "nfs",
            "nfs4",
            "cifs",
            "smbfs",
            "9p",
            "virtiofs",
            "tmpfs",
            "ramfs",
            "fuse",
            "fuseblk",
            "fuse.sshfs",
            "fuse.x",
        ] {
            assert_eq!(state(name), State::Bad, "{name}");
        }
        assert_eq!(state("overlay"), State::Doubt);
    }

    #[test]
    fn there_is_room_for_all_that_is_kept() {
        let state = |free, journal| room(&FileSystem { name: None, free }, journal).state;
        assert_eq!(state(NO_ROOM - 1, KEEP_BYTES), State::Bad);
        assert_eq!(state(NO_ROOM, 0), State::Doubt);
        assert_eq!(state(KEEP_BYTES, 0), State::Good);
        // What the journal takes already need not be free.
        assert_eq!(state(NO_ROOM, KEEP_BYTES), State::Good);
    }
}

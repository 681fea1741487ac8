//! Everything that differs between systems or reads the surroundings: directories, private files, file systems, limits,
//! clocks, signals.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `$XDG_DATA_HOME/hook`.
pub fn data_dir() -> PathBuf {
    xdg("XDG_DATA_HOME", ".local/share")
}

/// `$XDG_CONFIG_HOME/hook`.
pub fn config_dir() -> PathBuf {
    xdg("XDG_CONFIG_HOME", ".config")
}

fn xdg(variable: &str, below_home: &str) -> PathBuf {
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| ".".into())).join(below_home);
    set.unwrap_or_else(home).join("hook")
}

/// Creates a directory, and those above it, that only its owner can enter.
pub fn private_dir(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file for writing that only its owner can read, created when missing.
pub fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Replaces a private file in one step, so that a crash leaves the old one or the new one.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    private_dir(dir)?;
    put_in_place(path, content, 0o600)?;
    File::open(dir)?.sync_all()
}

/// Whether somebody at a terminal types to this process. One in the background would be stopped if it read.
pub fn reads_terminal() -> bool {
    let stdin = io::stdin();
    // A terminal that is not the one of this session stops nobody.
    let is_ours = rustix::termios::tcgetpgrp(&stdin).map_or(true, |group| group == rustix::process::getpgrp());
    stdin.is_terminal() && is_ours
}

/// Forgets what was typed and not read yet.
pub fn forget_typed() {
    let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
}

/// Writes a file of its own beside a path, never one that is there already, and moves it into the place.
fn put_in_place(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.new", rand::random::<u64>()));
    let new = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let placed = file
        .write_all(content)
        .and_then(|()| file.set_permissions(std::fs::Permissions::from_mode(mode)))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&new, path));
    if placed.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    placed
}

/// A private file in a directory of its own that nobody else can enter, for as long as it lives.
pub struct PrivateTemp {
    path: PathBuf,
    kept: bool,
}

impl PrivateTemp {
    /// Below `$XDG_RUNTIME_DIR`, which is in memory, else the directory for temporary files.
    pub fn new(name: &str, content: &[u8]) -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|p| p.is_absolute() && p.is_dir());
        let dir = runtime.unwrap_or_else(std::env::temp_dir).join(format!("hook-{:016x}", rand::random::<u64>()));
        // Made by nobody else before.
        DirBuilder::new().mode(0o700).create(&dir)?;
        let path = dir.join(name);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(content)?;
        Ok(Self { path, kept: false })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It stays, here.
    pub fn keep(mut self) -> PathBuf {
        self.kept = true;
        self.path.clone()
    }
}

impl Drop for PrivateTemp {
    fn drop(&mut self) {
        if !self.kept
            && let Some(dir) = self.path.parent()
        {
            // With whatever an editor left beside it.
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

/// Replaces a file in one step and leaves it as open to others as it was; a new one is private.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mode = std::fs::metadata(path).map_or(0o600, |data| data.permissions().mode() & 0o777);
    put_in_place(path, content, mode)
}

/// Whether git leaves a file alone; `None` when it is in no repository, or there is no git.
pub fn is_git_ignored(path: &Path) -> Option<bool> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty())?;
    let mut git = std::process::Command::new("git");
    // A repository may name a program to be run; this one asks for nothing that needs it.
    git.arg("-C").arg(dir).args(["-c", "core.fsmonitor=false", "check-ignore", "-q", "--"]).arg(path);
    git.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    match git.status().ok()?.code()? {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    }
}

/// Whether nobody but the owner (and the administrator) can read it.
pub fn is_private(path: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

/// The file system that a path is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// `ext4`, `apfs`, `tmpfs`, `nfs4`, `fuse.sshfs`, as the system calls it; `None` where it does not say.
    pub name: Option<String>,
    /// What is left for people who are not the administrator.
    pub free: u64,
}

pub fn file_system(path: &Path) -> io::Result<FileSystem> {
    let path = path.canonicalize()?;
    let room = rustix::fs::statvfs(&path)?;
    Ok(FileSystem { name: file_system_name(&path), free: room.f_bavail.saturating_mul(room.f_frsize) })
}

#[cfg(target_os = "linux")]
fn file_system_name(path: &Path) -> Option<String> {
    mounted(&std::fs::read("/proc/self/mountinfo").ok()?, path)
}

#[cfg(target_os = "macos")]
fn file_system_name(path: &Path) -> Option<String> {
    let name = rustix::fs::statfs(path).ok()?.f_fstypename;
    Some(name.iter().take_while(|c| **c != 0).map(|c| char::from(*c as u8)).collect())
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn file_system_name(_: &Path) -> Option<String> {
    None
}

/// The type of the innermost mount that holds a path; of several at one place the last one is seen (proc(5), mountinfo).
#[cfg(any(target_os = "linux", test))]
fn mounted(mounts: &[u8], path: &Path) -> Option<String> {
    use std::os::unix::ffi::OsStringExt;
    let mount = |line: &[u8]| {
        let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let point = PathBuf::from(std::ffi::OsString::from_vec(without_octal(fields.get(4)?)));
        let kind = fields.iter().position(|f| *f == b"-").and_then(|dash| fields.get(dash + 1))?;
        path.starts_with(&point).then(|| (point.components().count(), String::from_utf8_lossy(kind).into_owned()))
    };
    let all = mounts.split(|b| *b == b'\n').filter_map(mount);
    all.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

/// `\040` is how a mount point with a space is written.
#[cfg(any(target_os = "linux", test))]
fn without_octal(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| *first == b'\\').and_then(|d| std::str::from_utf8(d).ok());
        if let Some(byte) = code.and_then(|d| u8::from_str_radix(d, 8).ok()) {
            out.push(byte);
            rest = &after[3..];
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

/// How many files, sockets included, this process may have open; `None` without a limit.
pub fn open_files_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Where the command was typed.
pub fn here() -> PathBuf {
    std::env::current_dir().and_then(|d| d.canonicalize()).unwrap_or_else(|_| PathBuf::from("/"))
}

/// A path as a person would write it here: `./.env`.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(here()).map_or_else(|_| path.display().to_string(), |below| format!("./{}", below.display()))
}

/// The project that commands speak of: the nearest directory upwards with a `hook.toml` or a repository, else this one.
pub fn project_dir() -> PathBuf {
    let here = here();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let marked = here
        .ancestors()
        .take_while(|dir| Some(*dir) != home.as_deref())
        .find(|dir| dir.join("hook.toml").is_file() || dir.join(".git").exists());
    marked.unwrap_or(&here).to_path_buf()
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// A clock that goes on while the machine sleeps and that nobody can set.
pub fn clock_through_sleep() -> Duration {
    #[cfg(target_os = "linux")]
    let id = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let id = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(id);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// What a superseded run is told of the one that took over.
pub fn label() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let user = std::env::var("USER").unwrap_or_default();
    let at = if user.is_empty() { String::new() } else { format!("{user}@") };
    let place: String = format!("{at}{}", host.as_deref().map_or("this machine", str::trim)).chars().take(50).collect();
    format!("{place} (pid {})", std::process::id())
}

/// Completes at the first SIGINT or SIGTERM.
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_and_last_mount_counts() {
        let mounts = b"\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:25 / /tmp rw - tmpfs tmpfs rw,size=1g
31 21 0:26 / /home/u/my\\040files rw shared:5 master:2 - nfs4 server:/x rw
32 21 0:27 / /srv rw - xfs /dev/vdb rw
33 32 0:28 / /srv rw - fuse.sshfs u@host:/ rw
broken
";
        let on = |path: &str| mounted(mounts, Path::new(path));
        assert_eq!(on("/var/lib").as_deref(), Some("ext4"));
        assert_eq!(on("/tmp/a/b").as_deref(), Some("tmpfs"));
        assert_eq!(on("/tmpfoo").as_deref(), Some("ext4"));
        assert_eq!(on("/home/u/my files/hook").as_deref(), Some("nfs4"));
        assert_eq!(on("/srv").as_deref(), Some("fuse.sshfs"));
        assert_eq!(mounted(b"", Path::new("/")), None);
    }

    #[test]
    fn a_file_is_replaced_in_one_step_and_through_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("secrets.toml"), dir.path().join("other"));
        std::fs::write(&other, "theirs").unwrap();
        // Where it used to write first.
        let planted = dir.path().join(format!("secrets.{}.new", std::process::id()));
        std::os::unix::fs::symlink(&other, &planted).unwrap();
        write_private(&path, b"ours").unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), std::fs::read(&other).unwrap()), (b"ours".into(), b"theirs".into()));
        assert!(is_private(&path).unwrap() && planted.is_symlink());
        // Nothing is left behind of what fails.
        std::fs::create_dir(dir.path().join("a_directory")).unwrap();
        write_private(&dir.path().join("a_directory"), b"ours").unwrap_err();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[test]
    fn this_machine_tells_of_its_file_system_and_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let found = file_system(dir.path()).unwrap();
        assert!(found.name.is_some_and(|n| !n.is_empty()) && found.free > 0);
        assert!(file_system(&dir.path().join("absent")).is_err());
        assert!(open_files_limit().is_none_or(|n| n > 0));
        private_dir(&dir.path().join("own")).unwrap();
        assert!(is_private(&dir.path().join("own")).unwrap());
    }
}

//! Files that are whole or not there.
//!
//! A file is written under a hidden name in the same folder, `.NAME.PROCESS-NUMBER.zkinfer-tmp`, and renamed when all of it is on
//! the disk. What is left when that does not happen:
//!
//! | the write ends by | left behind |
//! | --- | --- |
//! | an error, such as a full disk | nothing |
//! | a signal whose handler calls [`abandon_writes`] | nothing |
//! | a signal without a handler, a crash, a power failure | the hidden file, until the next write in that folder or the next call of [`remove_abandoned`] |
//!
//! A writer holds a lock on its hidden file, which ends with its process whatever ends that; so a file without a lock is one that
//! nobody writes any more. File systems without locks keep abandoned files.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ends the names of unfinished files.
const SUFFIX: &str = ".zkinfer-tmp";

/// The unfinished files of this process.
struct Unfinished {
    paths: Vec<PathBuf>,
    /// Numbers the names.
    next: u64,
    /// Whether writes are over.
    closed: bool,
}

static UNFINISHED: Mutex<Unfinished> = Mutex::new(Unfinished { paths: Vec::new(), next: 0, closed: false });

fn unfinished() -> MutexGuard<'static, Unfinished> {
    // Each change is one step, so a panic elsewhere leaves nothing half done.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the unfinished files of this process. From now on none is begun and none finished: for a signal's handler, before
/// the process ends.
pub fn abandon_writes() {
    let mut unfinished = unfinished();
    unfinished.closed = true;
    for path in unfinished.paths.drain(..) {
        // The process is ending; what can't be removed now is removed by the next write.
        let _ = fs::remove_file(path);
    }
}

/// Removes the files that processes left unfinished in a folder when they were ended. Those that are being written stay.
pub fn remove_abandoned(folder: &Path) {
    // A folder that can't be read, or a file that can't be removed, is no reason not to do the work.
    let Ok(entries) = fs::read_dir(folder) else { return };
    entries.filter_map(Result::ok).filter(|entry| is_temporary(&entry.file_name())).for_each(|entry| {
        let _ = remove_unlocked(&entry.path());
    });
}

fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(SUFFIX))
}

fn remove_unlocked(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    // The lock is kept until the file is gone, so that its writer, if it has just begun, sees that.
    match file.try_lock() {
        Ok(()) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Those to whom the process's umask leaves it.
    Umask,
    /// The owner alone, from the first byte on, where the system has such modes.
    Owner,
}

impl Readers {
    /// What opens a new file for them.
    fn options(self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if self == Self::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        options
    }
}

/// Writes a file so that `path` holds either what it held before or all that `write` writes, never a part.
pub(crate) fn write(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = Temporary::beside(path, readers)?;
    temporary.fill(write)?;
    temporary.rename(path)
}

/// A file that is removed when dropped, unless it was renamed.
struct Temporary {
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

impl Temporary {
    /// Makes a file in the folder of `path`, so that renaming stays within one file system.
    fn beside(path: &Path, readers: Readers) -> io::Result<Self> {
        let name =
            path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "this is no file name"))?;
        remove_abandoned(folder_of(path));
        let mut unfinished = unfinished();
        loop {
            refuse_if_closed(&unfinished)?;
            unfinished.next += 1;
            let candidate = path.with_file_name(temporary_name(name, unfinished.next));
            if let Some(file) = create_locked(&candidate, readers)? {
                unfinished.paths.push(candidate.clone());
                return Ok(Self { path: candidate, file });
            }
        }
    }

    fn fill(&self, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(1 << 16, &self.file);
        write(&mut writer)?;
        writer.flush()?;
        self.file.sync_all()
    }

    fn rename(self, path: &Path) -> io::Result<()> {
        let mut unfinished = unfinished();
        refuse_if_closed(&unfinished)?;
        fs::rename(&self.path, path)?;
        unfinished.paths.retain(|unfinished| *unfinished != self.path);
        drop(unfinished);
        sync_folder(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        if let Some(index) = unfinished.paths.iter().position(|path| *path == self.path) {
            unfinished.paths.swap_remove(index);
            // The write has failed already; that failure is the one to report.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn refuse_if_closed(unfinished: &Unfinished) -> io::Result<()> {
    match unfinished.closed {
        true => Err(io::Error::other("the process is being ended, so nothing is written any more")),
        false => Ok(()),
    }
}

fn temporary_name(name: &OsStr, number: u64) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{number}{SUFFIX}", std::process::id()));
    temporary
}

/// Makes and locks a file; `None` where there is one already, or another process has removed it before it was locked.
fn create_locked(path: &Path, readers: Readers) -> io::Result<Option<File>> {
    let file = match readers.options().open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        // Where there are no locks, nobody can hold one, and nobody removes the file.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(path.exists().then_some(file)),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the new name durable; only Unix lets a folder be opened for that.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    File::open(folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("readable");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    #[test]
    fn abandoned_files_are_removed_and_others_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in [".model.pk.1-1.zkinfer-tmp", "model.pk", ".hidden", "x.zkinfer-tmp"] {
            fs::write(path(name), b"content").expect("writable");
        }
        write(&path("model.vk"), Readers::Umask, |file| {
            // Meanwhile another process cleans up.
            remove_abandoned(folder.path());
            file.write_all(b"key")
        })
        .expect("writable");
        assert_eq!(names(folder.path()), [".hidden", "model.pk", "model.vk", "x.zkinfer-tmp"]);
        assert_eq!(fs::read(path("model.vk")).expect("readable"), b"key");
        remove_abandoned(&path("nowhere"));
    }

    #[test]
    fn writes_at_the_same_time_do_not_meet() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let threads: Vec<_> = (0..4u8)
            .map(|byte| {
                let path = path.clone();
                let once = move |_| write(&path, Readers::Umask, |file| file.write_all(&[byte; 99]));
                std::thread::spawn(move || (0..20).try_for_each(once))
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic").expect("writable");
        }
        let content = fs::read(&path).expect("readable");
        assert!(content.len() == 99 && content.iter().all(|byte| *byte == content[0]));
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        let error = write(Path::new("/"), Readers::Umask, |_| Ok(())).expect_err("it has no name");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(folder_of(Path::new("file")), Path::new("."));
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_their_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("salt");
        fs::write(&path, b"an older file that all may read").expect("writable");
        write(&path, Readers::Owner, |file| {
            let hidden = names(folder.path()).into_iter().find(|name| is_temporary(OsStr::new(name)));
            let metadata = fs::metadata(folder.path().join(hidden.expect("it is being written"))).expect("there");
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
            file.write_all(b"secret")
        })
        .expect("writable");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).expect("readable"), b"secret");
    }
}

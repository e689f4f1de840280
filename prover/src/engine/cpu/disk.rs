//! Columns of elements in a temporary file, where memory does not suffice for them.
//!
//! The file has no name: nothing is left of it when the process ends, whatever ends that, and only its owner could have opened it.
//! What is written is a witness all the same, and disks remember. So it is encrypted, by the keystream of ChaCha20 (Bernstein,
//! *ChaCha, a variant of Salsa20*, 2008) under a key that is drawn from the operating system and lies in memory alone. Every
//! column that is written takes a stream of its own, also where it takes the place of another one, so no part of a keystream
//! is used twice. Nothing authenticates: who can write to the file is the process, or someone who could change its memory as
//! well.
//!
//! The file is divided into places for a column each. They are read and written by blocks, from any thread.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::serde::SerdeObject;
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, RngCore, SeedableRng};
use rayon::prelude::*;
use thiserror::Error;

use super::BLOCK;
use crate::field;
use crate::secret::Key;

/// Bytes of an element.
const ELEMENT: usize = 32;
/// Words of a keystream that an element takes.
const ELEMENT_WORDS: u128 = 8;

/// Why a column can't be kept in a temporary file. No message holds a value.
#[derive(Debug, Error)]
pub enum DiskError {
    /// The file can't be made.
    #[error("no temporary file can be made in {}: {source}", folder.display())]
    Create {
        /// Where.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The operating system gives no randomness for the key.
    #[error("the operating system gives no randomness: {0}")]
    Entropy(rand_core::Error),
    /// The file can't be written: most often the disk is full.
    #[error("the temporary file in {} can't be written: {source}", folder.display())]
    Write {
        /// Where.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file can't be read.
    #[error("the temporary file in {} can't be read: {source}", folder.display())]
    Read {
        /// Where.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is read are no elements.
    #[error("the temporary file in {} does not hold what was written to it", folder.display())]
    Damaged {
        /// Where.
        folder: PathBuf,
    },
}

/// A temporary file for columns. `Debug` tells the folder only.
pub struct Disk {
    file: File,
    folder: PathBuf,
    /// Of the keystreams.
    key: Key,
    places: Mutex<Places>,
}

/// Which places are taken.
#[derive(Default)]
struct Places {
    free: Vec<u64>,
    /// Places that the file has.
    count: u64,
    /// Streams that are used up.
    streams: u64,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Disk {
    /// A file in a folder, without a name and for its owner alone, with room for `bytes` where the file system reserves any.
    ///
    /// # Errors
    /// The folder takes no file, or has no room for so many bytes; there is no randomness.
    pub fn new(folder: &Path, bytes: u64) -> Result<Self, DiskError> {
        let file = tempfile::tempfile_in(folder).and_then(owners_alone);
        let file = file.map_err(|source| DiskError::Create { folder: folder.to_owned(), source })?;
        let disk = Self::of_file(file, folder)?;
        disk.reserve(bytes)?;
        Ok(disk)
    }

    fn of_file(file: File, folder: &Path) -> Result<Self, DiskError> {
        let mut key = Key([0; 32]);
        OsRng.try_fill_bytes(&mut key.0).map_err(DiskError::Entropy)?;
        Ok(Self { file, folder: folder.to_owned(), key, places: Mutex::default() })
    }

    /// Takes the room now, so that a disk that is too small is told before the work is done.
    #[cfg(target_os = "linux")]
    fn reserve(&self, bytes: u64) -> Result<(), DiskError> {
        use rustix::fs::{fallocate, FallocateFlags};
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, bytes.max(1)) {
            // File systems that reserve nothing tell when they are full.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            Err(error) => Err(self.write_error(error.into())),
        }
    }

    /// Takes the room now, so that a disk that is too small is told before the work is done.
    #[cfg(not(target_os = "linux"))]
    fn reserve(&self, _: u64) -> Result<(), DiskError> {
        Ok(())
    }

    /// A column that is yet to be written, of `rows` elements in a place for `room`, which is the same for all columns of a file.
    pub(super) fn column(self: &Arc<Self>, rows: usize, room: usize) -> Stored {
        let mut places = self.places.lock().expect("no panic while held");
        let place = places.free.pop().unwrap_or_else(|| {
            places.count += 1;
            places.count - 1
        });
        places.streams += 1;
        Stored { disk: self.clone(), place, offset: place * (ELEMENT * room) as u64, stream: places.streams, rows }
    }

    /// Columns that have been there at a time.
    pub(super) fn most_columns(&self) -> u64 {
        self.places.lock().expect("no panic while held").count
    }

    fn write_error(&self, source: io::Error) -> DiskError {
        DiskError::Write { folder: self.folder.clone(), source }
    }

    /// The keystream of some rows of a column.
    fn keystream(&self, stream: u64, first: usize, bytes: &mut [u8]) {
        let mut keystream = ChaCha20Rng::from_seed(self.key.0);
        keystream.set_stream(stream);
        keystream.set_word_pos(ELEMENT_WORDS * first as u128);
        keystream.fill_bytes(bytes);
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
    }

    #[cfg(unix)]
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, offset)
    }

    #[cfg(not(unix))]
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(not(unix))]
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Takes what the umask leaves to others from a file that is still empty.
fn owners_alone(file: File) -> io::Result<File> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// A column in a file: its rows from the first on. Its place is free when it is dropped.
pub(super) struct Stored {
    disk: Arc<Disk>,
    place: u64,
    /// Where it begins in the file.
    offset: u64,
    stream: u64,
    rows: usize,
}

impl Drop for Stored {
    fn drop(&mut self) {
        // A panic elsewhere ends the proof; then no place is needed any more.
        if let Ok(mut places) = self.disk.places.lock() {
            places.free.push(self.place);
        }
    }
}

impl Stored {
    /// Rows that it gives values for.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    fn offset(&self, row: usize) -> u64 {
        self.offset + (ELEMENT * row) as u64
    }

    /// Writes some rows, each of them once.
    pub(super) fn write(&self, first: usize, elements: &[Fr]) -> Result<(), DiskError> {
        let mut bytes = vec![0; ELEMENT * elements.len()];
        self.disk.keystream(self.stream, first, &mut bytes);
        let words = field::words(elements).as_flattened();
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.iter_mut().zip(word.to_le_bytes()).for_each(|(byte, plain)| *byte ^= plain);
        }
        self.disk.write_at(&bytes, self.offset(first)).map_err(|source| self.disk.write_error(source))
    }

    /// Writes all rows, on all threads.
    pub(super) fn write_all(&self, elements: &[Fr]) -> Result<(), DiskError> {
        let blocks = elements.par_chunks(BLOCK).enumerate();
        blocks.map(|(block, elements)| self.write(block * BLOCK, elements)).collect()
    }

    /// Reads rows that were written.
    pub(super) fn read(&self, first: usize, elements: &mut [Fr]) -> Result<(), DiskError> {
        let mut bytes = vec![0; ELEMENT * elements.len()];
        let read = self.disk.read_at(&mut bytes, self.offset(first));
        read.map_err(|source| DiskError::Read { folder: self.disk.folder.clone(), source })?;
        let mut keystream = vec![0; bytes.len()];
        self.disk.keystream(self.stream, first, &mut keystream);
        bytes.iter_mut().zip(&keystream).for_each(|(byte, key)| *byte ^= key);
        for (element, bytes) in elements.iter_mut().zip(bytes.chunks_exact(ELEMENT)) {
            let read = Fr::from_raw_bytes(bytes);
            *element = read.ok_or_else(|| DiskError::Damaged { folder: self.disk.folder.clone() })?;
        }
        Ok(())
    }

    /// The rows of a range that the column has.
    pub(super) fn cells(&self, rows: &Range<usize>) -> Result<Vec<Fr>, DiskError> {
        let (first, end) = (rows.start.min(self.rows), rows.end.min(self.rows));
        let mut cells = vec![Fr::ZERO; end - first];
        self.read(first, &mut cells)?;
        Ok(cells)
    }

    /// Reads all rows, on all threads, into the first ones of `elements`.
    pub(super) fn read_all(&self, elements: &mut [Fr]) -> Result<(), DiskError> {
        let blocks = elements[..self.rows].par_chunks_mut(BLOCK).enumerate();
        blocks.map(|(block, elements)| self.read(block * BLOCK, elements)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    const ROOM: usize = 1 << 12;

    fn disk() -> Arc<Disk> {
        Arc::new(Disk::new(&std::env::temp_dir(), 0).expect("a folder for temporary files"))
    }

    fn elements(seed: u64, count: usize) -> Vec<Fr> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        (0..count).map(|_| Fr::random(&mut rng)).collect()
    }

    fn content(disk: &Disk) -> Vec<u8> {
        let (mut file, mut bytes) = (&disk.file, Vec::new());
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("the file is open");
        bytes
    }

    #[test]
    fn columns_are_read_as_they_were_written() {
        let disk = disk();
        let columns = [elements(1, ROOM), elements(2, ROOM - 7), vec![-Fr::ONE; 5], vec![]];
        let stored = columns.each_ref().map(|column| disk.column(column.len(), ROOM));
        stored.iter().zip(&columns).for_each(|(stored, column)| stored.write_all(column).expect("room"));
        for (stored, column) in stored.iter().zip(&columns) {
            let mut all = vec![Fr::ZERO; ROOM];
            stored.read_all(&mut all).expect("it was written");
            assert_eq!(all[..column.len()], column[..]);
            for (first, end) in [(0, 1), (3, 5), (1000, 1100), (ROOM - 9, ROOM), (ROOM, ROOM)] {
                let (start, stop) = (first.min(column.len()), end.min(column.len()));
                assert_eq!(stored.cells(&(first..end)).expect("it was written"), column[start..stop]);
            }
        }
        // A place is taken again, under another keystream.
        drop(stored);
        let again = disk.column(ROOM, ROOM);
        again.write_all(&columns[0]).expect("room");
        assert_eq!((disk.most_columns(), again.stream), (4, 5));
    }

    #[test]
    fn nothing_is_written_in_the_clear_or_twice_under_one_keystream() {
        let disk = disk();
        let write = |values: &[Fr]| {
            let stored = disk.column(ROOM, ROOM);
            stored.write_all(values).expect("room");
            content(&disk)
        };
        let [one, two] = [0, 1].map(|_| write(&vec![Fr::ZERO; ROOM]));
        assert_eq!(one.len(), ELEMENT * ROOM, "the second takes the place of the first");
        let same = one.chunks(8).zip(two.chunks(8)).filter(|(one, two)| one == two).count();
        assert_eq!(same, 0, "equal columns look different");
        let mut words: Vec<_> = one.chunks(8).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), one.len() / 8, "equal cells look different");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_file_has_no_name_and_is_its_owners() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::new(folder.path(), 1 << 16).expect("room");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
        let metadata = disk.file.metadata().expect("it is open");
        assert_eq!((metadata.nlink(), metadata.mode() & 0o777), (0, 0o600));
        assert_eq!(format!("{disk:?}"), format!("Disk {{ folder: {:?}, .. }}", folder.path()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_and_a_missing_folder_are_told() {
        let missing = Disk::new(Path::new("/dev/null/folder"), 0).map(|_| ()).expect_err("no folder");
        assert!(matches!(missing, DiskError::Create { .. }), "{missing}");
        let full = File::options().read(true).write(true).open("/dev/full").expect("Linux has it");
        let disk = Arc::new(Disk::of_file(full, Path::new("/full")).expect("randomness"));
        let error = disk.column(9, 9).write_all(&[Fr::ONE; 9]).expect_err("it is full");
        assert!(matches!(&error, DiskError::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull));
        assert!(error.to_string().starts_with("the temporary file in /full can't be written: "), "{error}");
    }

    #[test]
    fn a_file_that_was_changed_is_told_where_it_holds_no_elements() {
        let disk = disk();
        let stored = disk.column(ROOM, ROOM);
        stored.write_all(&elements(3, ROOM)).expect("room");
        disk.file.set_len(100).expect("it is open");
        assert!(matches!(stored.cells(&(0..ROOM)), Err(DiskError::Read { .. })));
        disk.file.set_len((ELEMENT * ROOM) as u64).expect("it is open");
        assert!(matches!(stored.cells(&(0..ROOM)), Err(DiskError::Damaged { .. })));
    }
}

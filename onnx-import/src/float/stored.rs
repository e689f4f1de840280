//! Elements as a model's files have them: of their own type, in memory or in a range of a file that is read again when they
//! are needed.
//!
//! A range is read once when the model is, and its SHA-256 is kept. Whoever reads it later gets those bytes: other ones,
//! or none, are a fault that the file remembers. The reader goes on with zeros, and whoever began asks for the fault before
//! anything that was made of them is handed out ([`Reals::fault`](super::reals::Reals::fault)).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use prost::bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::dtype::{bfloat_to_f64, half_to_f64, DType};

/// Why elements that were there when the model was read are there no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tensor `{tensor}`: {bytes} bytes of {location} from {offset} on: {reason}")]
pub struct StorageError {
    /// The tensor.
    pub tensor: String,
    /// The file, as the model names it.
    pub location: String,
    /// Where the tensor begins in it.
    pub offset: u64,
    /// Bytes of the tensor.
    pub bytes: usize,
    /// What is wrong.
    pub reason: String,
}

/// A file beside the model.
#[derive(Debug)]
pub(crate) struct DataFile {
    location: String,
    file: Mutex<File>,
    /// The first range that could not be read again.
    fault: OnceLock<StorageError>,
}

impl DataFile {
    /// An open file, under the name that the model has for it.
    pub(crate) fn new(location: String, file: File) -> Self {
        Self { location, file: Mutex::new(file), fault: OnceLock::new() }
    }

    /// Its size in bytes.
    pub(crate) fn len(&self) -> std::io::Result<u64> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.metadata().map(|metadata| metadata.len())
    }

    /// The bytes of a range.
    pub(crate) fn read(&self, offset: u64, length: usize) -> std::io::Result<Bytes> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }

    /// The first range that could not be read again, if there is one.
    pub(crate) fn fault(&self) -> Option<&StorageError> {
        self.fault.get()
    }
}

/// A range of a file.
#[derive(Clone, Debug)]
pub(crate) struct FileRange {
    /// The file.
    pub(crate) file: Arc<DataFile>,
    /// The tensor that lies there.
    pub(crate) tensor: String,
    /// Its first byte.
    pub(crate) offset: u64,
}

/// Where the bytes lie.
#[derive(Debug)]
enum Place {
    Memory(Bytes),
    File { range: FileRange, length: usize, digest: [u8; 32] },
}

/// Elements of one type.
#[derive(Debug)]
pub(crate) struct Stored {
    dtype: DType,
    elements: usize,
    place: Place,
    head: Vec<f64>,
    finite: bool,
}

impl Stored {
    /// How many of the first elements are at hand at any time.
    pub(crate) const HEAD: usize = 8;

    /// Whether any bytes are elements of the type: they need no check.
    pub(crate) fn holds(dtype: DType) -> bool {
        !matches!(dtype, DType::Bool | DType::Int64 | DType::Uint64 | DType::Text)
    }

    /// The elements in `bytes`, which are as many as the type asks for; with a range they lie there, and the bytes are dropped.
    pub(crate) fn new(dtype: DType, elements: usize, bytes: Bytes, range: Option<FileRange>) -> Self {
        let loaded = Loaded::Raw(dtype, bytes.clone());
        let head = (0..elements.min(Self::HEAD)).map(|index| loaded.get(index)).collect();
        let finite =
            !dtype.is_float() || Blocks::new(elements, |start, block| loaded.fill(start, block)).all(f64::is_finite);
        let place = match range {
            None => Place::Memory(bytes),
            Some(range) => Place::File { range, length: bytes.len(), digest: Sha256::digest(&bytes).into() },
        };
        Self { dtype, elements, place, head, finite }
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.elements
    }

    /// The first elements.
    pub(crate) fn head(&self) -> &[f64] {
        &self.head
    }

    /// Whether no element is NaN or an infinity.
    pub(crate) fn is_finite(&self) -> bool {
        self.finite
    }

    /// The elements, in memory; zeros in place of those that can't be had.
    pub(crate) fn load(&self) -> Loaded {
        let bytes = match &self.place {
            Place::Memory(bytes) => bytes.clone(),
            Place::File { range, length, digest } => range.load(*length, digest),
        };
        Loaded::Raw(self.dtype, bytes)
    }

    /// What keeps the file from being read, if anything did.
    pub(crate) fn fault(&self) -> Option<&StorageError> {
        match &self.place {
            Place::Memory(_) => None,
            Place::File { range, .. } => range.file.fault(),
        }
    }
}

impl FileRange {
    fn load(&self, length: usize, digest: &[u8; 32]) -> Bytes {
        let refuse = |reason: String| {
            let (tensor, location) = (self.tensor.clone(), self.file.location.clone());
            let fault = StorageError { tensor, location, offset: self.offset, bytes: length, reason };
            self.file.fault.get_or_init(|| fault);
            vec![0; length].into()
        };
        match self.file.read(self.offset, length) {
            Err(error) => refuse(error.to_string()),
            Ok(bytes) if Sha256::digest(&bytes)[..] != digest[..] => {
                refuse("the file changed after the model was read".into())
            }
            Ok(bytes) => bytes,
        }
    }
}

/// Elements that are computed block by block, one after the other.
pub(crate) struct Blocks<F> {
    fill: F,
    block: Vec<f64>,
    /// The number of the block's first element, and the next one in it.
    start: usize,
    next: usize,
    len: usize,
}

impl<F: FnMut(usize, &mut [f64])> Blocks<F> {
    /// Elements in a block.
    const LENGTH: usize = 1 << 10;

    /// So many elements; `fill` has the number of the first one of a block.
    pub(crate) fn new(len: usize, fill: F) -> Self {
        Self { fill, block: Vec::new(), start: 0, next: 0, len }
    }
}

impl<F: FnMut(usize, &mut [f64])> Iterator for Blocks<F> {
    type Item = f64;

    #[inline]
    fn next(&mut self) -> Option<f64> {
        if self.next == self.block.len() {
            self.start += self.block.len();
            self.block.resize(Self::LENGTH.min(self.len - self.start), 0.0);
            (self.fill)(self.start, &mut self.block);
            self.next = 0;
        }
        let value = *self.block.get(self.next)?;
        self.next += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.len - self.start - self.next;
        (left, Some(left))
    }
}

impl<F: FnMut(usize, &mut [f64])> ExactSizeIterator for Blocks<F> {}

/// Elements in memory, in few bytes each.
#[derive(Clone, Debug)]
pub(crate) enum Loaded {
    /// Reals of 64 bits.
    Double(Arc<[f64]>),
    /// Reals of 32 bits.
    Single(Arc<[f32]>),
    /// As the model's file has them.
    Raw(DType, Bytes),
}

/// An element of a type of whole bytes.
macro_rules! element {
    ($type:ty, $bytes:expr, $index:expr) => {{
        const SIZE: usize = size_of::<$type>();
        let bytes = $bytes[$index * SIZE..][..SIZE].try_into().expect("the range has this size");
        <$type>::from_le_bytes(bytes)
    }};
}

impl Loaded {
    /// An element.
    ///
    /// # Panics
    /// There is no such element.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> f64 {
        let (dtype, bytes) = match self {
            Self::Double(reals) => return reals[index],
            Self::Single(reals) => return reals[index].into(),
            Self::Raw(dtype, bytes) => (*dtype, bytes),
        };
        match dtype {
            DType::Float32 => element!(f32, bytes, index).into(),
            DType::Float64 => element!(f64, bytes, index),
            DType::Float16 => half_to_f64(element!(u16, bytes, index)),
            DType::Bfloat16 => bfloat_to_f64(element!(u16, bytes, index)),
            DType::Int4 | DType::Uint4 => nibble(bytes[index / 2] >> (index % 2 * 4), dtype),
            DType::Int8 => element!(i8, bytes, index).into(),
            DType::Int16 => element!(i16, bytes, index).into(),
            DType::Int32 => element!(i32, bytes, index).into(),
            DType::Int64 | DType::Text => element!(i64, bytes, index) as f64,
            DType::Bool | DType::Uint8 => element!(u8, bytes, index).into(),
            DType::Uint16 => element!(u16, bytes, index).into(),
            DType::Uint32 => element!(u32, bytes, index).into(),
            DType::Uint64 => element!(u64, bytes, index) as f64,
        }
    }

    /// Elements from `start` on, as many as the slice has.
    ///
    /// # Panics
    /// There are not as many.
    pub(crate) fn fill(&self, start: usize, slice: &mut [f64]) {
        macro_rules! convert {
            ($type:ty, $bytes:expr, $convert:expr) => {{
                const SIZE: usize = size_of::<$type>();
                let bytes = &$bytes[start * SIZE..(start + slice.len()) * SIZE];
                for (real, element) in slice.iter_mut().zip(bytes.chunks_exact(SIZE)) {
                    *real = $convert(<$type>::from_le_bytes(element.try_into().expect("chunks have this size")));
                }
            }};
        }
        match self {
            Self::Double(reals) => slice.copy_from_slice(&reals[start..start + slice.len()]),
            Self::Single(reals) => {
                let reals = reals[start..start + slice.len()].iter();
                slice.iter_mut().zip(reals).for_each(|(real, &single)| *real = single.into());
            }
            Self::Raw(DType::Float32, bytes) => convert!(f32, bytes, f64::from),
            Self::Raw(DType::Float16, bytes) => convert!(u16, bytes, half_to_f64),
            Self::Raw(DType::Int8, bytes) => convert!(i8, bytes, f64::from),
            Self::Raw(..) => slice.iter_mut().zip(start..).for_each(|(real, index)| *real = self.get(index)),
        }
    }
}

/// A 4-bit integer in the lower half of a byte.
fn nibble(byte: u8, dtype: DType) -> f64 {
    match (dtype, byte & 15) {
        (DType::Int4, nibble @ 8..) => f64::from(nibble) - 16.0,
        (_, nibble) => f64::from(nibble),
    }
}

//! Files that are too large to be held: written and read piece by piece, in the same form as those that are.
//!
//! A payload is a value, or a value with other files behind it, each after its length: the encoding of a struct whose last
//! fields are [`Bytes`](super::Bytes). Whoever reads goes over the file twice, to check it and to decode it; what the writer would make
//! of the value is hashed and not stored. So neither takes memory beyond the value's own.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use postcard::ser_flavors::Size;
use serde::de::DeserializeOwned;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{ContainerError, Header, Kind, CHECKSUM_BYTES, HEADER_BYTES};
use crate::Digest;

/// Bytes that are hashed, read or written at a time.
const PIECE: usize = 1 << 16;

/// A file in the making: a value, and files behind it.
pub struct Encoding<'a, T> {
    header: Header,
    value: &'a T,
    files: Vec<&'a dyn EncodedFile>,
}

/// A file that can be part of another one.
pub trait EncodedFile {
    /// Bytes of the whole file.
    fn bytes(&self) -> u64;

    /// Writes the file, and tells its SHA-256.
    ///
    /// # Errors
    /// The writer fails.
    fn write_to(&self, writer: &mut dyn Write) -> io::Result<Digest>;
}

impl<'a, T: Serialize> Encoding<'a, T> {
    /// The file that holds `value` alone.
    ///
    /// # Errors
    /// The encoding is larger than its kind allows.
    pub fn new(kind: Kind, value: &'a T) -> Result<Self, ContainerError> {
        Self::with_files(kind, value, Vec::new())
    }

    /// The file that holds `value` and these files behind it.
    ///
    /// # Errors
    /// The encoding is larger than its kind allows.
    pub fn with_files(kind: Kind, value: &'a T, files: Vec<&'a dyn EncodedFile>) -> Result<Self, ContainerError> {
        let size = |counted: postcard::Result<usize>| match counted {
            Ok(size) => Ok(size as u64),
            Err(_) => Err(ContainerError::Payload(kind)),
        };
        let own = size(postcard::serialize_with_flavor(value, Size::default()))?;
        let of_file = |file: &&dyn EncodedFile| {
            Ok(size(postcard::serialize_with_flavor(&file.bytes(), Size::default()))? + file.bytes())
        };
        let others = files.iter().map(of_file).sum::<Result<u64, ContainerError>>()?;
        Ok(Self { header: Header::new(kind, own + others)?, value, files })
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> Digest {
        self.write_to(&mut io::sink()).expect("nothing is written")
    }
}

impl<T: Serialize> EncodedFile for Encoding<'_, T> {
    fn bytes(&self) -> u64 {
        self.header.file_bytes()
    }

    fn write_to(&self, writer: &mut dyn Write) -> io::Result<Digest> {
        let mut hashing = Hashing { writer, hasher: Sha256::new(), buffer: Vec::with_capacity(PIECE) };
        hashing.write_all(&self.header.to_bytes())?;
        hashing.encode(self.value)?;
        for file in &self.files {
            hashing.encode(&file.bytes())?;
            file.write_to(&mut hashing)?;
        }
        hashing.flush()?;
        let checksum = hashing.hasher.clone().finalize();
        hashing.write_all(&checksum)?;
        hashing.flush()?;
        Ok(Digest(hashing.hasher.finalize().into()))
    }
}

/// Bytes of a file that is at hand.
impl EncodedFile for &[u8] {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn write_to(&self, writer: &mut dyn Write) -> io::Result<Digest> {
        writer.write_all(self)?;
        Ok(Digest::of(self))
    }
}

/// Hashes what it writes.
struct Hashing<'w> {
    writer: &'w mut dyn Write,
    hasher: Sha256,
    /// What is neither hashed nor written yet.
    buffer: Vec<u8>,
}

impl Hashing<'_> {
    fn encode<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let mut fault = None;
        let encoded = postcard::serialize_with_flavor(value, Encoder { writer: self, fault: &mut fault });
        match (fault, encoded) {
            (Some(fault), _) => Err(fault),
            (None, encoded) => encoded.map_err(io::Error::other),
        }
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > PIECE {
            self.flush()?;
        }
        if bytes.len() > PIECE {
            self.hasher.update(bytes);
            self.writer.write_all(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.writer.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// The encoder's output.
struct Encoder<'h, 'w> {
    writer: &'h mut Hashing<'w>,
    fault: &'h mut Option<io::Error>,
}

impl postcard::ser_flavors::Flavor for Encoder<'_, '_> {
    type Output = ();

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.try_extend(&[data])
    }

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.writer.write_all(data).map_err(|error| {
            *self.fault = Some(error);
            postcard::Error::SerializeBufferFull
        })
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// A value that was read, and where the files behind it lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<T, const FILES: usize> {
    /// The value.
    pub value: T,
    /// The bytes of each file behind it.
    pub files: [Range<u64>; FILES],
    /// SHA-256 of the whole file.
    pub digest: Digest,
}

/// A file that is read piece by piece, or a part of one.
#[derive(Debug)]
pub struct Source<R> {
    reader: R,
    path: PathBuf,
}

impl Source<std::fs::File> {
    /// Opens a file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(path: &Path) -> Result<Self, ContainerError> {
        let io = |source| ContainerError::Io { path: path.to_owned(), source };
        Ok(Self { reader: std::fs::File::open(path).map_err(io)?, path: path.to_owned() })
    }
}

impl<'a> Source<io::Cursor<&'a [u8]>> {
    /// A file at hand.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { reader: io::Cursor::new(bytes), path: PathBuf::new() }
    }
}

impl<R: Read + Seek> Source<R> {
    /// All of it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn whole(&mut self) -> Result<Range<u64>, ContainerError> {
        self.reader.seek(SeekFrom::End(0)).map(|end| 0..end).map_err(|source| self.io(source))
    }

    /// The bytes of a part.
    ///
    /// # Errors
    /// The system refuses, or the file ends before.
    pub fn bytes(&mut self, part: &Range<u64>) -> Result<Vec<u8>, ContainerError> {
        let mut bytes = Vec::new();
        self.part(part)?.read_to_end(&mut bytes).map_err(|source| self.io(source))?;
        Ok(bytes)
    }

    /// Checks the file that lies in a part of this one, and reads the value in it.
    ///
    /// # Errors
    /// It is not a whole, undamaged one of `kind`, or not the one that [`Encoding`] makes of its value.
    pub fn decode<T>(&mut self, kind: Kind, part: &Range<u64>) -> Result<Decoded<T, 0>, ContainerError>
    where
        T: Serialize + DeserializeOwned,
    {
        let checked = self.check(kind, part)?;
        let (value, rest) = self.value::<T>(kind, checked.payload.clone())?;
        let again = Encoding { header: checked.header, value: &value, files: Vec::new() };
        match rest.is_empty() && again.digest() == checked.digest {
            true => Ok(Decoded { value, files: [], digest: checked.digest }),
            false => Err(ContainerError::NotCanonical(kind)),
        }
    }

    /// Checks the file that lies in a part of this one, reads the value in it, and tells where the files behind that lie. These are not
    /// looked at.
    ///
    /// # Errors
    /// It is not a whole, undamaged one of `kind`, or not the one that [`Encoding`] makes of its value and these files.
    pub fn decode_with_files<T, const FILES: usize>(
        &mut self,
        kind: Kind,
        part: &Range<u64>,
    ) -> Result<Decoded<T, FILES>, ContainerError>
    where
        T: Serialize + DeserializeOwned,
    {
        let checked = self.check(kind, part)?;
        let (value, mut rest) = self.value::<T>(kind, checked.payload.clone())?;
        let mut files = std::array::from_fn(|_| 0..0);
        self.same(kind, &value, checked.payload.start..rest.start)?;
        for file in &mut files {
            let (length, after) = self.value::<u64>(kind, rest.clone())?;
            self.same(kind, &length, rest.start..after.start)?;
            let end = after.start.checked_add(length).filter(|end| *end <= rest.end);
            *file = after.start..end.ok_or(ContainerError::Payload(kind))?;
            rest = file.end..rest.end;
        }
        match rest.is_empty() {
            true => Ok(Decoded { value, files, digest: checked.digest }),
            false => Err(ContainerError::NotCanonical(kind)),
        }
    }

    /// Checks everything but the payload's meaning.
    fn check(&mut self, kind: Kind, part: &Range<u64>) -> Result<Checked, ContainerError> {
        let found = part.end - part.start;
        let mut start = Vec::new();
        let header_part = part.start..part.end.min(part.start + HEADER_BYTES as u64);
        self.part(&header_part)?.read_to_end(&mut start).map_err(|source| self.io(source))?;
        let header = Header::parse(&start)?.expect(kind)?;
        header.expect_file_bytes(found)?;
        let payload = part.start + HEADER_BYTES as u64..part.end - CHECKSUM_BYTES as u64;
        let mut hasher = Sha256::new();
        let mut piece = vec![0; PIECE];
        let mut content = self.part(&(part.start..payload.end))?;
        loop {
            match content.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => hasher.update(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.io(source)),
            }
        }
        let checksum = self.bytes(&(payload.end..part.end))?;
        if hasher.clone().finalize()[..] != checksum[..] {
            return Err(ContainerError::Checksum);
        }
        hasher.update(&checksum);
        Ok(Checked { header, payload, digest: Digest(hasher.finalize().into()) })
    }

    /// The value at the start of a part, and what of the part is left.
    fn value<T: DeserializeOwned>(&mut self, kind: Kind, part: Range<u64>) -> Result<(T, Range<u64>), ContainerError> {
        let mut left = part.end - part.start;
        let mut fault = None;
        let reader = BufReader::with_capacity(PIECE, self.part(&part)?);
        let decoder = Decoder { reader, left: &mut left, fault: &mut fault, taken: Vec::new() };
        let value = T::deserialize(&mut postcard::Deserializer::from_flavor(decoder));
        match (fault, value) {
            (Some(source), _) => Err(self.io(source)),
            (None, Ok(value)) => Ok((value, part.end - left..part.end)),
            (None, Err(_)) => Err(ContainerError::Payload(kind)),
        }
    }

    /// Refuses another encoding than that of `value`.
    fn same<T: Serialize>(&mut self, kind: Kind, value: &T, part: Range<u64>) -> Result<(), ContainerError> {
        match postcard::to_stdvec(value) {
            Ok(encoding) if encoding == self.bytes(&part)? => Ok(()),
            _ => Err(ContainerError::NotCanonical(kind)),
        }
    }

    fn part(&mut self, part: &Range<u64>) -> Result<io::Take<&mut R>, ContainerError> {
        let sought = self.reader.seek(SeekFrom::Start(part.start));
        sought.map_err(|source| self.io(source))?;
        Ok((&mut self.reader).take(part.end - part.start))
    }

    fn io(&self, source: io::Error) -> ContainerError {
        ContainerError::Io { path: self.path.clone(), source }
    }
}

/// A file that is whole and undamaged.
struct Checked {
    header: Header,
    payload: Range<u64>,
    /// SHA-256 of all of it.
    digest: Digest,
}

/// The decoder's input: so many bytes of a reader. Nothing can be borrowed from it.
struct Decoder<'r, R> {
    reader: BufReader<io::Take<&'r mut R>>,
    left: &'r mut u64,
    fault: &'r mut Option<io::Error>,
    taken: Vec<u8>,
}

impl<R: Read> Decoder<'_, R> {
    /// Reads `count` bytes to the buffer, which grows with the bytes that are there.
    fn take(&mut self, count: usize) -> postcard::Result<()> {
        self.taken.clear();
        let read = (&mut self.reader).take(count as u64).read_to_end(&mut self.taken);
        *self.left -= self.taken.len() as u64;
        match read {
            Ok(read) if read == count => Ok(()),
            Ok(_) => Err(postcard::Error::DeserializeUnexpectedEnd),
            Err(error) => {
                *self.fault = Some(error);
                Err(postcard::Error::DeserializeUnexpectedEnd)
            }
        }
    }
}

impl<'r, R: Read + 'r> postcard::de_flavors::Flavor<'r> for Decoder<'r, R> {
    type Remainder = ();
    type Source = ();

    fn pop(&mut self) -> postcard::Result<u8> {
        use std::io::BufRead;
        if let Some(&byte) = self.reader.buffer().first() {
            self.reader.consume(1);
            *self.left -= 1;
            return Ok(byte);
        }
        self.take(1)?;
        Ok(self.taken[0])
    }

    fn try_take_n(&mut self, _: usize) -> postcard::Result<&'r [u8]> {
        Err(postcard::Error::WontImplement)
    }

    fn try_take_n_temp<'a>(&'a mut self, count: usize) -> postcard::Result<&'a [u8]>
    where
        'r: 'a,
    {
        self.take(count)?;
        Ok(&self.taken)
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{decode, encode, frame, unframe, Bytes};
    use serde::Deserialize;

    type Content = (String, Vec<i32>, Option<u64>);

    /// The value and two files behind it as a struct of bytes.
    #[derive(Serialize, Deserialize)]
    struct Held {
        content: Content,
        first: Bytes,
        second: Bytes,
    }

    fn content(length: i32) -> Content {
        ("name".into(), (0..length).map(|i| i * 7919 % 70_001 - 35_000).collect(), Some(1 << 40))
    }

    fn written(file: &dyn EncodedFile) -> Vec<u8> {
        let mut bytes = Vec::new();
        let digest = file.write_to(&mut bytes).expect("a vector takes all bytes");
        assert_eq!((digest, bytes.len() as u64), (Digest::of(&bytes), file.bytes()));
        bytes
    }

    fn read(file: &[u8]) -> Result<Decoded<Content, 0>, ContainerError> {
        Source::of(file).decode(Kind::Program, &(0..file.len() as u64))
    }

    #[test]
    fn a_streamed_file_is_the_held_one() {
        for length in [0, 1, 1000, 100_000] {
            let value = content(length);
            let file = encode(Kind::Program, &value).expect("it is small");
            let encoding = Encoding::new(Kind::Program, &value).expect("it is small");
            assert_eq!(written(&encoding), file);
            assert_eq!(encoding.digest(), Digest::of(&file));
            let decoded = read(&file).expect("it was just written");
            assert_eq!((decoded.value, decoded.digest), (value, Digest::of(&file)));
        }
    }

    #[test]
    fn files_lie_behind_a_value_as_bytes_do() {
        let (own, inner) = (content(10), content(70_000));
        let inner_file = encode(Kind::Program, &inner).expect("it is small");
        let held = Held { content: own.clone(), first: Bytes(inner_file.clone()), second: Bytes(vec![7; 3]) };
        let file = encode(Kind::ProvingKey, &held).expect("it is small");
        let first = Encoding::new(Kind::Program, &inner).expect("it is small");
        let second = &[7u8; 3][..];
        let encoding = Encoding::with_files(Kind::ProvingKey, &own, vec![&first, &second]).expect("it is small");
        assert_eq!(written(&encoding), file);

        let mut source = Source::of(&file);
        let whole = source.whole().expect("it is at hand");
        let Decoded { value, files: [first, second], .. } =
            source.decode_with_files::<Content, 2>(Kind::ProvingKey, &whole).expect("it was just written");
        assert_eq!(value, own);
        assert_eq!(source.bytes(&second).expect("it is at hand"), [7; 3]);
        let decoded = source.decode::<Content>(Kind::Program, &first).expect("it was just written");
        assert_eq!((decoded.value, decoded.digest), (inner, Digest::of(&inner_file)));

        // Another number of files, a length beyond the end, and one that is not in its shortest form.
        let fewer = source.decode_with_files::<Content, 1>(Kind::ProvingKey, &whole);
        assert!(matches!(fewer, Err(ContainerError::NotCanonical(_))), "{fewer:?}");
        let more = source.decode_with_files::<Content, 3>(Kind::ProvingKey, &whole);
        assert!(matches!(more, Err(ContainerError::Payload(_))), "{more:?}");
        let payload = unframe(Kind::ProvingKey, &file).expect("it is whole");
        let at = payload.len() - 4;
        let longer = [&payload[..at], &[4], &payload[at + 1..]].concat();
        let padded = [&payload[..at], &[0x83, 0], &payload[at + 1..]].concat();
        for changed in [longer, padded] {
            let changed = frame(Kind::ProvingKey, &changed).expect("it is small");
            let mut source = Source::of(&changed);
            let whole = source.whole().expect("it is at hand");
            let refused = source.decode_with_files::<Content, 2>(Kind::ProvingKey, &whole);
            assert!(
                matches!(refused, Err(ContainerError::Payload(_) | ContainerError::NotCanonical(_))),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn what_the_held_form_refuses_is_refused_alike() {
        let file = encode(Kind::Program, &content(50)).expect("it is small");
        let same = |file: &[u8]| {
            let (streamed, held) = (read(file), decode::<Content>(Kind::Program, file));
            match (streamed, held) {
                (Err(streamed), Err(held)) => assert_eq!(streamed.to_string(), held.to_string()),
                (streamed, held) => panic!("{streamed:?} and {held:?}"),
            }
        };
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            same(&changed);
            same(&file[..at]);
        }
        same(&[&file[..], &[0]].concat());
        let payload = unframe(Kind::Program, &file).expect("it is whole");
        // A list that announces more than there is, bytes behind the value, and a number that is longer than it has to be.
        let announced = [&payload[..5], &[0xff, 0xff, 0xff, 0xff, 0x0f], &payload[6..]].concat();
        let padded = [&payload[..5], &[payload[5] | 0x80, 0], &payload[6..]].concat();
        for changed in [announced, [payload, &[0]].concat(), padded, payload[..payload.len() - 1].to_vec()] {
            same(&frame(Kind::Program, &changed).expect("it is small"));
        }
        let missing = Path::new("there is no such file");
        assert!(matches!(Source::open(missing), Err(ContainerError::Io { path, .. }) if path == missing));
    }
}

//! Tensor data in other files, only below the folder of the model.

use crate::error::ImportError;
use crate::float::stored::{DataFile, FileRange};
use crate::proto::TensorProto;
use prost::bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Where data outside the model file may be read from.
#[derive(Debug, Default)]
pub(crate) struct ExternalData {
    folder: Option<PathBuf>,
    /// The files that were opened, by the names that the model has for them.
    files: RefCell<BTreeMap<String, Arc<DataFile>>>,
    /// The model's own file, and its bytes as long as it is read.
    model: Option<(Arc<DataFile>, Bytes)>,
}

impl ExternalData {
    /// Data may lie in files below `folder`; with `None` it is refused.
    pub(crate) fn below(folder: Option<&Path>) -> Self {
        Self { folder: folder.map(Path::to_path_buf), ..Self::default() }
    }

    /// The model's own file is open, and has these bytes.
    pub(crate) fn with_model(self, name: &str, file: File, bytes: Bytes) -> Self {
        Self { model: Some((Arc::new(DataFile::new(name.to_owned(), file)), bytes)), ..self }
    }

    /// The folder that other files lie below.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Gives the bytes of the model's own file back; nothing of it is read for the first time any more.
    pub(crate) fn forget_model(&mut self) {
        if let Some((_, bytes)) = &mut self.model {
            *bytes = Bytes::new();
        }
    }

    /// Where bytes of the model's own file lie in it, which they are a part of in memory.
    pub(crate) fn in_model(&self, tensor: &str, part: &Bytes) -> Option<FileRange> {
        let (file, bytes) = self.model.as_ref()?;
        let offset = (part.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
        let inside = offset.checked_add(part.len()).is_some_and(|end| end <= bytes.len());
        inside.then(|| FileRange { file: file.clone(), tensor: tensor.to_owned(), offset: offset as u64 })
    }

    /// Refuses what was read where a file has changed since.
    pub(crate) fn check(&self) -> Result<(), ImportError> {
        let files = self.files.borrow();
        let files = files.values().chain(self.model.iter().map(|(file, _)| file));
        match files.into_iter().find_map(|file| file.fault().cloned()) {
            Some(fault) => Err(ImportError::Storage(fault)),
            None => Ok(()),
        }
    }

    /// Reads the `expected` bytes of a tensor, and tells where they lie.
    pub(crate) fn read(&self, tensor: &TensorProto, expected: usize) -> Result<(Bytes, FileRange), ImportError> {
        self.read_or_reason(tensor, expected)
            .map_err(|reason| ImportError::ExternalData { name: tensor.name.clone(), reason })
    }

    fn read_or_reason(&self, tensor: &TensorProto, expected: usize) -> Result<(Bytes, FileRange), String> {
        let folder = self.folder.as_deref().ok_or("the model is not read from a file, so there is no folder for it")?;
        let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("{key} `{text}` is no number")),
        };
        let location = entry("location").ok_or("no location")?;
        if let Some(length) = number("length")?.filter(|length| *length != expected as u64) {
            return Err(format!("{length} bytes are declared, the shape needs {expected}"));
        }
        let offset = number("offset")?.unwrap_or(0);
        let file = self.file(folder, location)?;
        let describe = |error: std::io::Error| format!("{location}: {error}");
        let size = file.len().map_err(describe)?;
        if offset.checked_add(expected as u64).is_none_or(|end| end > size) {
            return Err(format!("{location} has {size} bytes, {expected} are needed from {offset} on"));
        }
        let bytes = file.read(offset, expected).map_err(describe)?;
        Ok((bytes, FileRange { file, tensor: tensor.name.clone(), offset }))
    }

    /// The file at `location`, opened once for all tensors in it.
    fn file(&self, folder: &Path, location: &str) -> Result<Arc<DataFile>, String> {
        if let Some(file) = self.files.borrow().get(location) {
            return Ok(file.clone());
        }
        let file = File::open(resolve(folder, location)?).map_err(|error| format!("{location}: {error}"))?;
        let file = Arc::new(DataFile::new(location.to_owned(), file));
        self.files.borrow_mut().insert(location.to_owned(), file.clone());
        Ok(file)
    }
}

/// The file at `location`, which must lie below `folder` even when links are followed.
pub(super) fn resolve(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let relative = Path::new(location);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || !plain {
        return Err(format!("location `{location}` is not below the folder of the model"));
    }
    let root = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = root.join(relative).canonicalize().map_err(|error| format!("{location}: {error}"))?;
    if !path.starts_with(&root) || !path.is_file() {
        return Err(format!("location `{location}` is not a file below the folder of the model"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::StringStringEntryProto;

    fn tensor(entries: &[(&str, &str)]) -> TensorProto {
        let entry = |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
        TensorProto { external_data: entries.iter().map(entry).collect(), ..TensorProto::default() }
    }

    #[test]
    fn only_files_below_the_folder_are_read() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("model");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("weights"), [1, 2, 3, 4]).unwrap();
        std::fs::write(outer.path().join("secret"), [9; 4]).unwrap();
        let data = ExternalData::below(Some(&folder));
        assert_eq!(data.read(&tensor(&[("location", "weights"), ("offset", "1")]), 2).unwrap().0[..], [2, 3]);
        let absolute = outer.path().join("secret").display().to_string();
        for refused in ["../secret", absolute.as_str(), "missing", "", "."] {
            assert!(data.read(&tensor(&[("location", refused)]), 2).is_err(), "{refused}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outer.path().join("secret"), folder.join("link")).unwrap();
            assert!(data.read(&tensor(&[("location", "link")]), 2).is_err());
        }
        for (key, value) in [("offset", "3"), ("offset", "18446744073709551615"), ("length", "3"), ("length", "x")] {
            assert!(data.read(&tensor(&[("location", "weights"), (key, value)]), 2).is_err(), "{key} {value}");
        }
        assert!(ExternalData::default().read(&tensor(&[("location", "weights")]), 2).is_err());
    }
}

//! Tensor data in other files, only below the folder of the model.

use crate::error::ImportError;
use crate::proto::TensorProto;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Where data outside the model file may be read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExternalData {
    folder: Option<PathBuf>,
}

impl ExternalData {
    /// Data may lie in files below `folder`; with `None` it is refused.
    pub(crate) fn below(folder: Option<&Path>) -> Self {
        Self { folder: folder.map(Path::to_path_buf) }
    }

    /// Reads the `expected` bytes of a tensor.
    pub(crate) fn read(&self, tensor: &TensorProto, expected: usize) -> Result<Vec<u8>, ImportError> {
        self.read_or_reason(tensor, expected)
            .map_err(|reason| ImportError::ExternalData { name: tensor.name.clone(), reason })
    }

    fn read_or_reason(&self, tensor: &TensorProto, expected: usize) -> Result<Vec<u8>, String> {
        let folder = self.folder.as_deref().ok_or("the model is not read from a file, so there is no folder for it")?;
        let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("{key} `{text}` is no number")),
        };
        let location = entry("location").ok_or("no location")?;
        let path = resolve(folder, location)?;
        if let Some(length) = number("length")?.filter(|length| *length != expected as u64) {
            return Err(format!("{length} bytes are declared, the shape needs {expected}"));
        }
        let offset = number("offset")?.unwrap_or(0);
        let describe = |error: std::io::Error| format!("{location}: {error}");
        let mut file = File::open(&path).map_err(describe)?;
        let size = file.metadata().map_err(describe)?.len();
        if offset.checked_add(expected as u64).is_none_or(|end| end > size) {
            return Err(format!("{location} has {size} bytes, {expected} are needed from {offset} on"));
        }
        file.seek(SeekFrom::Start(offset)).map_err(describe)?;
        let mut bytes = vec![0; expected];
        file.read_exact(&mut bytes).map_err(describe)?;
        Ok(bytes)
    }
}

/// The file at `location`, which must lie below `folder` even when links are followed.
fn resolve(folder: &Path, location: &str) -> Result<PathBuf, String> {
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
        assert_eq!(data.read(&tensor(&[("location", "weights"), ("offset", "1")]), 2).unwrap(), [2, 3]);
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

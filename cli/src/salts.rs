//! The salts of hashed ports: drawn, read, and left in a file for their owner alone.
//!
//! ```json
//! {"salts": [{"direction": "input", "port": "image", "salt": "00112233445566778899aabbccddeeff"}]}
//! ```
//!
//! A file has exactly one salt for each hashed port of a program. With it and the values anybody can check the digest in a
//! proof; with it alone, guesses at the values can be confirmed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::anyhow;
use circuits::digest::Salt;
use circuits::interface::{Direction, Interface};
use serde::{Deserialize, Serialize};
use verifier::container;

use crate::artifacts::write_failure;
use crate::exit::{Failure, OrFail, Outcome};

/// Most bytes of a file of salts.
const MAX_FILE: u64 = 1 << 20;

/// Where salts come from. `Debug` tells no salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SaltSource {
    /// The salt of the only hashed port.
    Digits(Salt),
    /// A file of salts.
    File(PathBuf),
}

impl FromStr for SaltSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::File(text.into()), Self::Digits))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SaltFile {
    salts: Vec<PortSalt>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortSalt {
    direction: Direction,
    port: String,
    salt: String,
}

/// The salts of an interface's hashed ports, in their order.
///
/// # Errors
/// The file can't be read, or does not have one salt for each hashed port.
pub(crate) fn read(source: &SaltSource, interface: &Interface) -> Outcome<Vec<Salt>> {
    let hashed = interface.hashed().count();
    match source {
        SaltSource::Digits(salt) if hashed == 1 => Ok(vec![*salt]),
        SaltSource::Digits(_) => {
            let fault = anyhow!("--salt gives one salt, and {hashed} ports are hashed");
            Err(Failure::misuse(fault).remedy("give a file with a salt for each of them"))
        }
        SaltSource::File(path) => {
            parse(&read_text(path)?, interface).map_err(|fault| fault.context(path.display().to_string()))
        }
    }
}

/// Salts from the operating system.
///
/// # Errors
/// It gives none.
pub(crate) fn draw(interface: &Interface) -> Outcome<Vec<Salt>> {
    let drawn = interface.hashed().map(|_| prover::draw_salt());
    drawn.collect::<Result<_, _>>().or_refused("no salt can be drawn")
}

/// Leaves salts in a file that only its owner may read.
///
/// # Errors
/// The system refuses.
pub(crate) fn write(path: &Path, interface: &Interface, salts: &[Salt]) -> Outcome {
    let salts = interface.hashed().zip(salts).map(|(port, salt)| PortSalt {
        direction: port.direction,
        port: port.name.clone(),
        salt: salt.to_hex(),
    });
    let mut text = serde_json::to_string_pretty(&SaltFile { salts: salts.collect() }).map_err(Failure::refused)?;
    text.push('\n');
    container::write_private(path, text.as_bytes()).map_err(write_failure)
}

fn read_text(path: &Path) -> Outcome<String> {
    let mut text = String::new();
    let file = File::open(path).or_misuse(path.display().to_string())?;
    file.take(MAX_FILE).read_to_string(&mut text).or_misuse(path.display().to_string())?;
    Ok(text)
}

/// No message tells what stands in the file: it may be a salt.
fn parse(text: &str, interface: &Interface) -> Outcome<Vec<Salt>> {
    let fault = |text: String| Failure::misuse(anyhow!(text));
    let SaltFile { salts } = serde_json::from_str(text).map_err(|_| fault("this is no file of salts".to_owned()))?;
    if salts.len() != interface.hashed().count() {
        return Err(fault(format!(
            "{} salts are there, and {} ports are hashed",
            salts.len(),
            interface.hashed().count()
        )));
    }
    let salt = |port: &circuits::interface::InterfacePort| {
        let named = |salt: &&PortSalt| salt.port == port.name && salt.direction == port.direction;
        let found = salts.iter().find(named).ok_or_else(|| fault(format!("there is no salt for {:?}", port.name)))?;
        found.salt.parse().map_err(|error| fault(format!("the salt for {:?}: {error}", port.name)))
    };
    interface.hashed().map(salt).collect()
}

#[cfg(test)]
mod tests {
    use circuits::graph::{PortKind, Visibility};
    use circuits::interface::InterfacePort;

    use super::*;

    fn interface(hashed: &[(&str, Direction)]) -> Interface {
        let port = |&(name, direction): &(&str, Direction)| InterfacePort {
            name: name.into(),
            direction,
            shape: vec![1],
            scale: 1.0,
            kind: PortKind::Real,
            visibility: Visibility::Hashed,
            lo: 0,
            hi: 1,
        };
        Interface { ports: hashed.iter().map(port).collect() }
    }

    #[test]
    fn files_are_read_back_in_the_order_of_the_ports() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("salt");
        let ports = [("x", Direction::Input), ("x", Direction::Output), ("y", Direction::Output)];
        let salts = [1, 2, 3].map(|byte| Salt::from_bytes([byte; Salt::BYTES])).to_vec();
        write(&path, &interface(&ports), &salts).expect("writable");
        let source = SaltSource::File(path);
        assert_eq!(read(&source, &interface(&ports)).expect("it was just written"), salts);
        let [x, other, y] = ports;
        let turned = read(&source, &interface(&[y, other, x])).expect("the same ports");
        assert_eq!(turned, [salts[2], salts[1], salts[0]]);
        for others in [&ports[..2], &[x, other, ("z", Direction::Output)]] {
            assert!(read(&source, &interface(others)).is_err());
        }
    }

    #[test]
    fn digits_are_for_one_port_and_errors_tell_no_salt() {
        let digits = "00112233445566778899aabbccddeeff";
        let source: SaltSource = digits.parse().expect("either");
        let one = interface(&[("x", Direction::Input)]);
        assert_eq!(read(&source, &one).expect("one port"), [digits.parse().expect("a salt")]);
        assert!(read(&source, &interface(&[])).is_err());
        assert!(!format!("{source:?}").contains("0011"));
        assert_eq!("out/proof.zkp.salt".parse(), Ok(SaltSource::File("out/proof.zkp.salt".into())));
        let short = r#"{"salts": [{"direction": "input", "port": "x", "salt": "5ec7e7"}]}"#;
        for text in [short, "5ec7e7", r#"{"salts": [{"5ec7e7": 1}]}"#] {
            let failure = parse(text, &one).expect_err("no salt");
            assert!(!failure.to_string().contains("5ec7e7"), "{failure}");
        }
    }
}

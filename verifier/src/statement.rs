//! What an accepted proof says, for people and for programs.

use std::fmt;

use circuits::digest::PortDigest;
use circuits::graph::{PortKind, Visibility};
use circuits::interface::{Direction, InterfacePort};
use circuits::machine::{Placement, WeightLanes};
use serde::Serialize;

use crate::encoding::POINT_BYTES;
use crate::{Digest, Proof, PublicData, Randomness, Registration, VerifyingKey};

/// Most values of a tensor that the text of a statement lists.
const LISTED_VALUES: usize = 16;

/// A reason not to rely on a proof, other than its being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Insecurity {
    /// The key is made on the development SRS: anybody can forge.
    DevelopmentSrs,
    /// The prover used a seed: the proof may give its private values away.
    SeededRandomness,
}

impl Insecurity {
    /// The marks of a proof under `key` whose randomness is from `randomness`.
    pub fn of(key: &VerifyingKey, randomness: Randomness) -> Vec<Self> {
        let marks = [
            (key.description().srs.is_insecure(), Insecurity::DevelopmentSrs),
            (randomness == Randomness::Seeded, Insecurity::SeededRandomness),
        ];
        marks.into_iter().filter(|(set, _)| *set).map(|(_, mark)| mark).collect()
    }
}

impl fmt::Display for Insecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Insecurity::DevelopmentSrs => {
                "INSECURE: the key is made on the development SRS, under which anybody can forge proofs"
            }
            Insecurity::SeededRandomness => {
                "INSECURE: the proof was made with seeded randomness and may give its private values away"
            }
        })
    }
}

/// A port in a statement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PortStatement {
    /// The port as the key has it.
    #[serde(flatten)]
    pub port: InterfacePort,
    /// The integers that were proven, row-major; none for a port that only the prover knows.
    pub values: Option<Vec<i64>>,
    /// The reals that the integers stand for (for an index, the integers).
    pub reals: Option<Vec<f64>>,
    /// The salted digest of the integers, for a hashed port.
    pub digest: Option<PortDigest>,
    /// SHA-256 of the commitments to the columns of a committed port. They are drawn anew for each proof: what compares them with
    /// others is a link.
    pub commitment: Option<Digest>,
}

impl PortStatement {
    fn private(port: &InterfacePort) -> Self {
        Self { port: port.clone(), values: None, reals: None, digest: None, commitment: None }
    }

    fn hashed(port: &InterfacePort, digest: PortDigest) -> Self {
        Self { digest: Some(digest), ..Self::private(port) }
    }

    fn committed(port: &InterfacePort, commitment: Digest) -> Self {
        Self { commitment: Some(commitment), ..Self::private(port) }
    }

    fn public(port: &InterfacePort, values: &[i64]) -> Self {
        let real = |&value: &i64| match port.kind {
            _ if port.kind.missing(port.lo) == Some(value) => f64::NAN,
            PortKind::Real | PortKind::Nullable => port.scale * value as f64,
            PortKind::Index => value as f64,
        };
        let reals = Some(values.iter().map(real).collect());
        Self { values: Some(values.to_vec()), reals, ..Self::private(port) }
    }
}

/// What is known of a program's weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsStatement {
    /// They are in the key.
    Public,
    /// The prover has some, and nothing says which.
    Private,
    /// They are those of a registration.
    Registered {
        /// What the registrant calls the model.
        name: String,
        /// SHA-256 of the registration's file.
        registration: Digest,
    },
}

/// What an accepted proof says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statement {
    /// Name of the model, as the key tells it.
    pub model: String,
    /// SHA-256 of the model's file, or zeros where there was none.
    pub source: Digest,
    /// Digest of the program.
    pub program: Digest,
    /// Digest of the verifying key.
    pub key: Digest,
    /// Names the SRS.
    pub srs: Digest,
    /// What is known of the weights.
    pub weights: WeightsStatement,
    /// All ports, inputs first.
    pub ports: Vec<PortStatement>,
    /// Who knows what.
    pub summary: String,
    /// Reasons not to rely on the proof.
    pub insecurities: Vec<Insecurity>,
}

impl Statement {
    /// The statement of a proof under `key` about `public`, which have been checked to fit the key.
    pub(crate) fn new(key: &VerifyingKey, public: &PublicData, proof: &Proof) -> Self {
        let description = key.description();
        let (mut values, mut digests) = (public.values.iter(), public.digests.iter());
        let ports: Vec<_> = description
            .interface
            .ports
            .iter()
            .enumerate()
            .map(|(index, port)| match port.visibility {
                Visibility::Private => PortStatement::private(port),
                Visibility::Public => {
                    PortStatement::public(port, values.next().expect("every public port has its values"))
                }
                Visibility::Hashed => {
                    PortStatement::hashed(port, *digests.next().expect("every hashed port has its digest"))
                }
                Visibility::Committed => PortStatement::committed(port, commitment_digest(key, proof, index)),
            })
            .collect();
        let weights = match description.params.private_weight_columns() {
            0 => WeightsStatement::Public,
            _ => WeightsStatement::Private,
        };
        Self {
            model: description.model.clone(),
            source: description.source,
            program: description.program,
            key: key.digest(),
            srs: description.srs.digest(),
            summary: summary(&ports, &weights, description.params.weight_lanes),
            weights,
            ports,
            insecurities: Insecurity::of(key, proof.randomness),
        }
    }
}

impl Statement {
    /// The same of a proof under `key` whose weights have been found to be those of a registration.
    pub(crate) fn with_registered(mut self, key: &VerifyingKey, registration: &Registration) -> Self {
        let (name, registration) = (registration.terms().name.clone(), registration.digest());
        self.weights = WeightsStatement::Registered { name, registration };
        self.summary = summary(&self.ports, &self.weights, key.description().params.weight_lanes);
        self
    }
}

/// SHA-256 of the commitments of a committed port, which stand together in the proof.
fn commitment_digest(key: &VerifyingKey, proof: &Proof, port: usize) -> Digest {
    let params = key.description().params;
    let (.., columns) =
        key.interface().committed(params.k).find(|(index, ..)| *index == port).expect("the port is committed");
    let first = Placement::new(&params).port_column(columns.start as u32);
    Digest::of(&proof.words.0[POINT_BYTES * first..][..POINT_BYTES * columns.len()])
}

/// One sentence on who knows what.
fn summary(ports: &[PortStatement], weights: &WeightsStatement, lanes: WeightLanes) -> String {
    let named = |direction: Direction, visibility: Visibility, after: &str| {
        let matching = ports.iter().filter(|p| p.port.direction == direction && p.port.visibility == visibility);
        match matching.map(|p| format!("{:?}", p.port.name)).collect::<Vec<_>>().join(", ") {
            names if names.is_empty() => None,
            names => Some(format!("{names}{after}")),
        }
    };
    let joined = |parts: [Option<String>; 3]| match parts.into_iter().flatten().collect::<Vec<_>>().join(" and ") {
        text if text.is_empty() => None,
        text => Some(text),
    };
    let secrets = |direction, range: &str| {
        let private = named(direction, Visibility::Private, &format!(" (kept private{range})"));
        let hashed = named(direction, Visibility::Hashed, &format!(" (whose salted digest is given{range})"));
        let committed = named(direction, Visibility::Committed, &format!(" (committed to in the proof{range})"));
        joined([private, hashed, committed])
    };
    let (knows, program) = match secrets(Direction::Input, ", in range") {
        Some(inputs) => (format!("The prover knows {inputs}, such that "), "the"),
        None => (String::new(), "The"),
    };
    let given = named(Direction::Input, Visibility::Public, "").map(|names| format!(" on the public {names}"));
    let public =
        named(Direction::Output, Visibility::Public, "").map(|names| format!(" gives exactly the public {names}"));
    let secret = secrets(Direction::Output, "").map(|names| match public {
        Some(_) => format!(", and {names}"),
        None => format!(" gives {names}"),
    });
    let [given, public, secret] = [given, public, secret].map(Option::unwrap_or_default);
    let weights = match weights {
        WeightsStatement::Public => "whose weights are public in the key".to_owned(),
        WeightsStatement::Private => "with some weights that are kept private".to_owned(),
        WeightsStatement::Registered { name, .. } => format!("with the weights of the model registered as {name:?}"),
    };
    let others = if lanes == WeightLanes::Both { " and others that are public in the key" } else { "" };
    format!("{knows}{program} program, {weights}{others},{given}{public}{secret}.")
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary)?;
        writeln!(f, "  model    {:?}", self.model)?;
        if self.source != Digest([0; 32]) {
            writeln!(f, "  source   {}", self.source)?;
        }
        writeln!(f, "  program  {}", self.program)?;
        writeln!(f, "  key      {}", self.key)?;
        writeln!(f, "  SRS      {}", self.srs)?;
        match &self.weights {
            WeightsStatement::Public => {}
            WeightsStatement::Private => writeln!(f, "  weights  private; which ones the prover used is not shown")?,
            WeightsStatement::Registered { name, registration } => {
                writeln!(f, "  weights  registered as {name:?} in {registration}")?;
            }
        }
        self.ports.iter().try_for_each(|port| writeln!(f, "  {port}"))?;
        self.insecurities.iter().try_for_each(|mark| writeln!(f, "  {mark}"))
    }
}

impl fmt::Display for PortStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.port.direction {
            Direction::Input => "input ",
            Direction::Output => "output",
        };
        write!(f, "{direction}   {:?} {:?}", self.port.name, self.port.shape)?;
        if let Some(digest) = &self.digest {
            return write!(f, ": {} values whose salted digest is {digest}", self.port.elements());
        }
        if let Some(commitment) = &self.commitment {
            return write!(f, ": {} values committed to as {commitment}", self.port.elements());
        }
        let Some(reals) = &self.reals else {
            return write!(f, ": private, integers in [{}, {}]", self.port.lo, self.port.hi);
        };
        let listed = reals.iter().take(LISTED_VALUES).map(|&real| short(real));
        write!(f, ": {}", listed.collect::<Vec<_>>().join(" "))?;
        match reals.len().checked_sub(LISTED_VALUES) {
            Some(more @ 1..) => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

/// Six digits, less the zeros that a decimal fraction ends with.
fn short(real: f64) -> String {
    if real != 0.0 && !(1e-4..1e9).contains(&real.abs()) {
        return format!("{real:.6e}");
    }
    let text = format!("{real:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

//! Private weights: which convolutions have them, and what is said of them in public.
//!
//! Programs that differ in private weights alone are one *family*: they have the same layout, hence the same keys. Whatever the
//! layout depends on is declared: how many limbs of 16 bits make a weight and a bias, how many bits an accumulator may take,
//! and which convolutions have their weights in common. All else that a program consists of is public: its shapes, scales, shifts,
//! tables, factors and constants, and the weights of the convolutions that declare nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use thiserror::Error;

use super::{Node, Op, Program, ProgramError, TableId, TensorId};

/// Bits of a limb, which is a signed integer.
pub const LIMB_BITS: u32 = 16;

/// What is said in public of the private weights of a convolution. Widths are of signed integers: `bits` is `[−2^(bits−1), 2^(bits−1))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightDeclaration {
    /// Bits of a weight.
    pub weight_bits: u32,
    /// Bits of a bias.
    pub bias_bits: u32,
    /// Bits of an accumulator, whatever the inputs: what its requantization is laid out for.
    pub accumulator_bits: u32,
    /// An earlier convolution with the same weights and biases, whose cells they are then.
    pub shared_with: Option<TensorId>,
}

impl WeightDeclaration {
    /// Most bits of a weight.
    pub const MAX_WEIGHT_BITS: u32 = 32;
    /// Most bits of a bias.
    pub const MAX_BIAS_BITS: u32 = 50;
    /// Most bits of an accumulator.
    pub const MAX_ACCUMULATOR_BITS: u32 = 100;

    /// Limbs of a weight.
    pub fn weight_limbs(&self) -> u32 {
        limbs(self.weight_bits)
    }

    /// Limbs of a bias.
    pub fn bias_limbs(&self) -> u32 {
        limbs(self.bias_bits)
    }

    fn is_within_limits(&self) -> bool {
        (1..=Self::MAX_WEIGHT_BITS).contains(&self.weight_bits)
            && (1..=Self::MAX_BIAS_BITS).contains(&self.bias_bits)
            && (1..=Self::MAX_ACCUMULATOR_BITS).contains(&self.accumulator_bits)
    }
}

/// Limbs of an integer of some bits. Several of them do not reach the ends of the range of all their bits.
fn limbs(bits: u32) -> u32 {
    match bits <= LIMB_BITS {
        true => 1,
        false => (bits + 1).div_ceil(LIMB_BITS),
    }
}

/// Limb `index` of an integer, the lowest first: `value = Σ limb_i·2^(16·i)` with limbs in `[−2^15, 2^15)`.
pub fn limb(value: i64, index: u32) -> i64 {
    let mut rest = i128::from(value);
    for _ in 0..index {
        rest = (rest - i128::from(rest as i16)) >> LIMB_BITS;
    }
    (rest as i16).into()
}

/// The largest magnitude that limbs of 16 bits can make.
pub(crate) fn largest_of_limbs(limbs: u32) -> i128 {
    (0..limbs).map(|limb| 1i128 << (LIMB_BITS - 1 + LIMB_BITS * limb)).sum()
}

/// Whether an integer fits a signed one of some bits.
pub(crate) fn fits(value: i128, bits: u32) -> bool {
    let end = 1i128 << (bits - 1);
    (-end..end).contains(&value)
}

/// Why a program is no member of another one's family.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FamilyError {
    /// No weights are private.
    #[error("the program has no private weights")]
    Public,
    /// Something that is public differs.
    #[error("the programs differ in {what}, which is public")]
    Differs {
        /// What differs.
        what: String,
    },
    /// The weights do not fit what the family declares.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

impl Program {
    /// Whether some weights are private.
    pub fn has_private_weights(&self) -> bool {
        !self.private_weights.is_empty()
    }

    /// What is declared of the private weights of a tensor's convolution, and whose they are; `None` where they are public.
    pub fn private_weights_of(&self, tensor: TensorId) -> Option<(&WeightDeclaration, TensorId)> {
        let declared = self.private_weights.get(&tensor)?;
        Some((declared, declared.shared_with.unwrap_or(tensor)))
    }

    /// The program without its private weights: with zeros in their place, and without the digests of the files that it was made
    /// from ([`FILE_OPTIONS`] among them), which would confirm a guess of a model or of its data. It is what all members of the family
    /// have in common, and what may be published.
    pub fn family(&self) -> Program {
        let mut family = self.clone();
        if family.has_private_weights() {
            family.source_digest = [0; 32];
            family.options.retain(|name, _| !FILE_OPTIONS.contains(&name.as_str()));
        }
        for tensor in self.private_weights.keys() {
            if let Some(Node { op: Op::Conv { weights, bias, .. }, .. }) = family.nodes.get_mut(tensor.0 as usize) {
                *weights = std::iter::repeat_n(0, weights.len()).collect();
                *bias = vec![0; bias.len()].into();
            }
        }
        family
    }

    /// This program with the private weights of another one, which may be compiled from another model of the same form and with
    /// the same scales. Its own declarations and name remain.
    ///
    /// # Errors
    /// The other program is not of this family, or its weights do not fit what this one declares.
    pub fn with_weights_of(&self, other: &Program) -> Result<Program, FamilyError> {
        if !self.has_private_weights() {
            return Err(FamilyError::Public);
        }
        let mut member = self.clone();
        member.source_digest = other.source_digest;
        let differs = |what: String| Err(FamilyError::Differs { what });
        if self.nodes.len() != other.nodes.len() {
            return differs("the number of nodes".into());
        }
        for tensor in self.private_weights.keys() {
            let index = tensor.0 as usize;
            match (&mut member.nodes[index].op, &other.nodes[index].op) {
                (Op::Conv { weights, bias, .. }, Op::Conv { weights: other_weights, bias: other_bias, .. })
                    if weights.len() == other_weights.len() && bias.len() == other_bias.len() =>
                {
                    (*weights, *bias) = (other_weights.clone(), other_bias.clone());
                }
                _ => return differs(format!("node {:?}", self.nodes[index].name)),
            }
        }
        let different =
            member.nodes.iter().zip(&other.nodes).find_map(|(mine, other)| Some((mine, differing(mine, other)?)));
        if let Some((node, what)) = different {
            return differs(format!("{what} of node {:?}", node.name));
        }
        let looked_up = |node: &&Node| match node.op.table() {
            Some(TableId(table)) => self.tables.get(table as usize) != other.tables.get(table as usize),
            None => false,
        };
        if let Some(node) = self.nodes.iter().find(looked_up) {
            return differs(format!("the table of node {:?}", node.name));
        }
        for (what, same) in [
            ("their tables", self.tables == other.tables),
            ("their inputs", self.inputs == other.inputs),
            ("their outputs", self.outputs == other.outputs),
        ] {
            if !same {
                return differs(what.into());
            }
        }
        member.validate()?;
        Ok(member)
    }

    /// Checks that the declarations are ones that there can be, and that the weights fit them.
    pub(super) fn validate_private_weights(&self) -> Result<(), ProgramError> {
        if self.options.contains_key(OPTION) {
            return Err(ProgramError::OutOfBounds { node: OPTION.into(), what: "the name of an option" });
        }
        for (&tensor, declared) in &self.private_weights {
            let Some(node) = self.nodes.get(tensor.0 as usize) else {
                return Err(ProgramError::Undefined { node: OPTION.into(), tensor: tensor.0 });
            };
            let refuse = |what| Err(ProgramError::Weights { node: node.name.clone(), what });
            let Op::Conv { geometry, weights, bias, .. } = &node.op else {
                return refuse("the node has no weights, and can't have private ones");
            };
            if !declared.is_within_limits() {
                return refuse("what is declared of its private weights is out of bounds");
            }
            if !weights.iter().all(|weight| fits(weight.into(), declared.weight_bits)) {
                return refuse("a weight takes more bits than are declared");
            }
            if !bias.iter().all(|&bias| fits(bias.into(), declared.bias_bits)) {
                return refuse("a bias takes more bits than are declared");
            }
            let Some(owner) = declared.shared_with else { continue };
            let owned = match self.private_weights.get(&owner) {
                Some(of_owner) if owner < tensor => {
                    of_owner.shared_with.is_none()
                        && (of_owner.weight_bits, of_owner.bias_bits) == (declared.weight_bits, declared.bias_bits)
                }
                _ => false,
            };
            let same = |op: &Op| match op {
                Op::Conv { geometry: g, weights: w, bias: b, .. } => {
                    (g.groups, w, b) == (geometry.groups, weights, bias)
                }
                _ => false,
            };
            if !owned || !same(&self.node(owner).op) {
                return refuse("its weights are not those that it is declared to share");
            }
        }
        Ok(())
    }
}

/// Which part of a node differs that is public, if any does.
fn differing(mine: &Node, other: &Node) -> Option<&'static str> {
    if mine.op == other.op && mine.shape == other.shape && mine.scale.to_bits() == other.scale.to_bits() {
        return None;
    }
    if mine.shape != other.shape || std::mem::discriminant(&mine.op) != std::mem::discriminant(&other.op) {
        return Some("the form");
    }
    if mine.scale.to_bits() != other.scale.to_bits() {
        return Some("the scale");
    }
    Some(match (&mine.op, &other.op) {
        (Op::Conv { weights, bias, .. }, Op::Conv { weights: others, bias: other_bias, .. })
            if (weights, bias) != (others, other_bias) =>
        {
            "the weights"
        }
        (
            Op::Affine { operands, requantize, .. },
            Op::Affine { operands: others, requantize: other_requantize, .. },
        ) if (operands, requantize) == (others, other_requantize) => "a factor or constant",
        (Op::Gather { entries, .. }, Op::Gather { entries: others, .. }) if entries != others => "the entries",
        (mine, other) if mine.table() != other.table() => "the table",
        _ => "the form",
    })
}

/// The options that say by digests which files a program was made from: the samples that its scales were fitted to, and the model
/// whose scales were taken.
pub const FILE_OPTIONS: [&str; 2] = ["calibration", "like"];

/// The option under which files hold the declarations, in memory [`Program::private_weights`].
const OPTION: &str = "private weights";

/// The options that a file holds. The declarations are one of them, so that a program without any is what it was before there were
/// such.
pub(super) fn stored_options(program: &Program) -> Cow<'_, BTreeMap<String, String>> {
    if !program.has_private_weights() {
        return Cow::Borrowed(&program.options);
    }
    let declarations: Vec<_> = program.private_weights.iter().map(text).collect();
    let mut options = program.options.clone();
    options.insert(OPTION.into(), declarations.join(" "));
    Cow::Owned(options)
}

/// Takes the declarations out of the options that a file holds.
pub(super) fn take_declarations(
    options: &mut BTreeMap<String, String>,
) -> Result<BTreeMap<TensorId, WeightDeclaration>, DeclarationError> {
    match options.remove(OPTION) {
        Some(declarations) => declarations.split(' ').map(|text| parse(text).ok_or(DeclarationError)).collect(),
        None => Ok(BTreeMap::new()),
    }
}

/// Text that declares no private weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("what the program declares of private weights can't be read")]
pub(super) struct DeclarationError;

/// `tensor:weight/bias/accumulator`, and `=tensor` where the weights are another one's.
fn text((tensor, declared): (&TensorId, &WeightDeclaration)) -> String {
    let WeightDeclaration { weight_bits, bias_bits, accumulator_bits, shared_with } = declared;
    let shared = shared_with.map_or_else(String::new, |owner| format!("={}", owner.0));
    format!("{}:{weight_bits}/{bias_bits}/{accumulator_bits}{shared}", tensor.0)
}

fn parse(text: &str) -> Option<(TensorId, WeightDeclaration)> {
    fn number<N: FromStr>(text: &str) -> Option<N> {
        text.parse().ok()
    }
    let (tensor, rest) = text.split_once(':')?;
    let (widths, shared_with) = match rest.split_once('=') {
        Some((widths, owner)) => (widths, Some(TensorId(number(owner)?))),
        None => (rest, None),
    };
    let [weight_bits, bias_bits, accumulator_bits] =
        widths.split('/').map(number).collect::<Option<Vec<u32>>>()?.try_into().ok()?;
    Some((TensorId(number(tensor)?), WeightDeclaration { weight_bits, bias_bits, accumulator_bits, shared_with }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limbs_make_the_integer() {
        for bits in [1, 8, 16, 17, 31, 32, 47, 48, 50] {
            let end = 1i64 << (bits - 1);
            for value in [-end, 1 - end, -1, 0, 1, end / 2, end - 1] {
                let limbs: Vec<_> = (0..limbs(bits)).map(|index| limb(value, index)).collect();
                assert!(limbs.iter().all(|limb| (-(1 << 15)..1 << 15).contains(limb)));
                let sum: i128 = (0..).zip(&limbs).map(|(i, &limb)| i128::from(limb) << (LIMB_BITS * i)).sum();
                assert_eq!(sum, value.into(), "{value} of {bits} bits");
                assert!(i128::from(value).abs() <= largest_of_limbs(limbs.len() as u32));
            }
        }
    }

    #[test]
    fn declarations_are_read_as_they_are_written() {
        let plain = WeightDeclaration { weight_bits: 16, bias_bits: 31, accumulator_bits: 24, shared_with: None };
        let shared = WeightDeclaration { shared_with: Some(TensorId(3)), ..plain };
        for declared in [plain, shared] {
            assert_eq!(parse(&text((&TensorId(7), &declared))), Some((TensorId(7), declared)));
        }
        for other in ["", "7", "7:", "7:1/2", "7:1/2/3/4", "7:1/2/-3", "x:1/2/3", "7:1/2/3=", "7:1/2/3=x"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}

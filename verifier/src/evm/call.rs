//! Arguments of calls, as the contract ABI encodes them.

use super::abi::word;
use super::keccak;

/// An argument of a call, or a member of a tuple.
pub(super) enum Argument {
    /// A value of one word.
    Word([u8; 32]),
    /// What stands behind all heads; its offset stands in its place.
    Dynamic(Vec<u8>),
}

/// Arguments, or the members of a tuple, one after the other.
pub(super) fn tuple(members: &[Argument]) -> Vec<u8> {
    let (mut heads, mut tails) = (Vec::new(), Vec::<u8>::new());
    for member in members {
        match member {
            Argument::Word(word) => heads.extend(word),
            Argument::Dynamic(tail) => {
                heads.extend(word(32 * members.len() + tails.len()));
                tails.extend(tail);
            }
        }
    }
    heads.extend(tails);
    heads
}

/// The call of the function with this signature.
pub(super) fn call(signature: &str, arguments: &[Argument]) -> Vec<u8> {
    [&keccak(signature.as_bytes())[..4], &tuple(arguments)].concat()
}

/// `bytes`: their number, and they themselves, filled up with zeros.
pub(super) fn bytes(of: &[u8]) -> Vec<u8> {
    let mut encoded = word(of.len()).to_vec();
    encoded.extend(of);
    encoded.resize(32 + of.len().next_multiple_of(32), 0);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_have_heads_and_tails() {
        let encoded =
            tuple(&[Argument::Dynamic(bytes(&[7; 33])), Argument::Word([0xff; 32]), Argument::Dynamic(bytes(&[]))]);
        let expected = [
            word(96),
            [0xff; 32],
            word(96 + 96),
            word(33),
            [7; 32],
            std::array::from_fn(|index| if index == 0 { 7 } else { 0 }),
            word(0),
        ];
        assert_eq!(encoded, expected.concat());
    }
}

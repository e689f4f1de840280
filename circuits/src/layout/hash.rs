//! Hashed ports: a salt in cells of its own, the port's words as public ones are packed, and their digest.
//!
//! | cells | what pins them |
//! | --- | --- |
//! | the salt, `pre = low + 2^8·high` in eight limbs of 16 bits | limbs of 8 bits, M-POINT |
//! | the salt, words, and all of the hash | rows of the scalar unit in which no challenge occurs |

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::builder::{Builder, RANGE_LIMB};
use super::fill::Fill;
use super::poseidon::{self, Input};
use super::rows::{Lane, Place};
use super::scalar::{Operand, Previous, ScalarRef};
use super::LayoutError;
use crate::digest::{self, Salt};
use crate::graph::TensorId;
use crate::interface::InterfacePort;

/// A limb of a salt is a range chain of one row.
const _: () = assert!(Salt::LIMB_BITS == 2 * RANGE_LIMB);

impl Builder<'_> {
    /// The digest of a port's values, with the next salt.
    ///
    /// # Errors
    /// There is no room for its salt.
    pub(super) fn digest(&mut self, port: &InterfacePort, tensor: TensorId) -> Result<ScalarRef, LayoutError> {
        let salt = self.salt()?;
        let words = self.words(port, tensor);
        let input = |word| Input::Cell(Operand::Scalar(word), Fr::ZERO);
        let first = poseidon::compress(&mut self.scalar, Input::Constant(digest::header(words.len())), input(salt));
        let absorb = |hash, word| poseidon::compress(&mut self.scalar, input(hash), input(word));
        Ok(words.into_iter().fold(first, absorb))
    }

    fn salt(&mut self) -> Result<ScalarRef, LayoutError> {
        let places = self.salt_places()?;
        let mut salt = ScalarRef::ZERO;
        let mut previous = Previous::Drop;
        for place in places.iter().rev() {
            salt = self.scalar.add(previous, 1, Operand::Cell(place.pre()), 0);
            previous = Previous::Times(1 << Salt::LIMB_BITS);
        }
        self.fills.push(Fill::Salt { index: self.salts.len(), places: places.clone() });
        self.salts.push(places);
        Ok(salt)
    }

    /// Cells for the limbs of a salt, the lowest first.
    fn salt_places(&mut self) -> Result<Vec<Place>, LayoutError> {
        let chains = self.chains(Salt::LIMBS, 1)?;
        self.range_chains(chains.block(), 0, 1);
        let places: Vec<Place> = (0..Salt::LIMBS).map(|limb| chains.place(limb)).collect();
        places.iter().for_each(|&place| self.rows.set_lane(place, Lane::Pinned));
        Ok(places)
    }
}

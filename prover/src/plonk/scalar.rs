//! Scalars that are known once a proof's challenges are: the coefficients of constraints.

use std::collections::HashMap;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;

/// A scalar in a [`Scalars`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScalarId(pub(crate) u32);

/// How a scalar is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scalar {
    Constant(Fr),
    /// A challenge of the gates.
    Challenge(usize),
    /// `θ`, which compresses the library's lookups.
    Theta,
    /// `β` of the permutation argument and the library's lookups.
    Beta,
    /// `γ` of the permutation argument and the library's lookups.
    Gamma,
    /// A power of `y`, which combines the constraints.
    YPower(usize),
    Add(ScalarId, ScalarId),
    Multiply(ScalarId, ScalarId),
}

/// The challenges of a proof, up to the one that combines the constraints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenges {
    /// Those of the gates, by their index in the constraint system.
    pub gates: Vec<Fr>,
    /// `θ`
    pub theta: Fr,
    /// `β`
    pub beta: Fr,
    /// `γ`
    pub gamma: Fr,
    /// `y`
    pub y: Fr,
}

/// A table of scalars, each made from earlier ones; equal ones are the same.
#[derive(Clone, Debug)]
pub struct Scalars {
    list: Vec<Scalar>,
    known: HashMap<Scalar, ScalarId>,
}

impl Scalars {
    /// `0`, in every table.
    pub const ZERO: ScalarId = ScalarId(0);
    /// `1`, in every table.
    pub const ONE: ScalarId = ScalarId(1);

    /// The table of `0` and `1`.
    pub fn new() -> Self {
        let mut scalars = Self { list: Vec::new(), known: HashMap::new() };
        scalars.constant(Fr::ZERO);
        scalars.constant(Fr::ONE);
        scalars
    }

    /// A constant.
    pub fn constant(&mut self, value: Fr) -> ScalarId {
        self.intern(Scalar::Constant(value))
    }

    /// A challenge of the gates.
    pub fn challenge(&mut self, index: usize) -> ScalarId {
        self.intern(Scalar::Challenge(index))
    }

    /// `θ`
    pub fn theta(&mut self) -> ScalarId {
        self.intern(Scalar::Theta)
    }

    /// `β`
    pub fn beta(&mut self) -> ScalarId {
        self.intern(Scalar::Beta)
    }

    /// `γ`
    pub fn gamma(&mut self) -> ScalarId {
        self.intern(Scalar::Gamma)
    }

    /// `y^exponent`
    pub fn y_power(&mut self, exponent: usize) -> ScalarId {
        self.intern(if exponent == 0 { Scalar::Constant(Fr::ONE) } else { Scalar::YPower(exponent) })
    }

    /// `a + b`
    pub fn add(&mut self, a: ScalarId, b: ScalarId) -> ScalarId {
        match (self.get(a), self.get(b)) {
            (Scalar::Constant(a), Scalar::Constant(b)) => self.constant(a + b),
            (Scalar::Constant(zero), _) if zero == Fr::ZERO => b,
            (_, Scalar::Constant(zero)) if zero == Fr::ZERO => a,
            _ => self.intern(Scalar::Add(a.min(b), a.max(b))),
        }
    }

    /// `a·b`
    pub fn multiply(&mut self, a: ScalarId, b: ScalarId) -> ScalarId {
        match (self.get(a), self.get(b)) {
            (Scalar::Constant(a), Scalar::Constant(b)) => self.constant(a * b),
            (Scalar::Constant(zero), _) | (_, Scalar::Constant(zero)) if zero == Fr::ZERO => Self::ZERO,
            (Scalar::Constant(one), _) if one == Fr::ONE => b,
            (_, Scalar::Constant(one)) if one == Fr::ONE => a,
            _ => self.intern(Scalar::Multiply(a.min(b), a.max(b))),
        }
    }

    /// `−a`
    pub fn negate(&mut self, a: ScalarId) -> ScalarId {
        let minus_one = self.constant(-Fr::ONE);
        self.multiply(minus_one, a)
    }

    /// The values of all scalars.
    pub fn values(&self, challenges: &Challenges) -> ScalarValues {
        let mut values: Vec<Fr> = Vec::with_capacity(self.list.len());
        for scalar in &self.list {
            values.push(match *scalar {
                Scalar::Constant(value) => value,
                Scalar::Challenge(index) => challenges.gates[index],
                Scalar::Theta => challenges.theta,
                Scalar::Beta => challenges.beta,
                Scalar::Gamma => challenges.gamma,
                Scalar::YPower(exponent) => challenges.y.pow_vartime([exponent as u64]),
                Scalar::Add(a, b) => values[a.0 as usize] + values[b.0 as usize],
                Scalar::Multiply(a, b) => values[a.0 as usize] * values[b.0 as usize],
            });
        }
        ScalarValues(values)
    }

    fn get(&self, id: ScalarId) -> Scalar {
        self.list[id.0 as usize]
    }

    fn intern(&mut self, scalar: Scalar) -> ScalarId {
        let next = ScalarId(self.list.len() as u32);
        let id = *self.known.entry(scalar).or_insert(next);
        if id == next {
            self.list.push(scalar);
        }
        id
    }
}

impl Default for Scalars {
    fn default() -> Self {
        Self::new()
    }
}

/// The values of a [`Scalars`] table in one proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalarValues(Vec<Fr>);

impl ScalarValues {
    /// A scalar's value.
    pub fn get(&self, id: ScalarId) -> Fr {
        self.0[id.0 as usize]
    }

    /// All values, in the order of the table.
    pub fn all(&self) -> &[Fr] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_fold_and_are_shared() {
        let mut scalars = Scalars::new();
        let (two, beta) = (scalars.constant(Fr::from(2)), scalars.beta());
        assert_eq!(scalars.multiply(two, Scalars::ZERO), Scalars::ZERO);
        assert_eq!(scalars.multiply(beta, Scalars::ONE), beta);
        assert_eq!(scalars.add(Scalars::ZERO, beta), beta);
        let (first, second) = (scalars.multiply(two, beta), scalars.multiply(beta, two));
        assert_eq!(first, second);
        let y_cubed = scalars.y_power(3);
        let negative = scalars.negate(beta);
        let sum = scalars.add(negative, y_cubed);
        let challenges =
            Challenges { gates: vec![], theta: Fr::from(3), beta: Fr::from(5), gamma: Fr::from(7), y: Fr::from(2) };
        let values = scalars.values(&challenges);
        assert_eq!(values.get(first), Fr::from(10));
        assert_eq!(values.get(sum), Fr::from(3));
        assert_eq!(scalars.y_power(0), Scalars::ONE);
    }
}

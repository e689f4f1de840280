//! Polynomials in `χ` and `ρ` as terms, and what they are summed up in: all coefficients, or those of the powers of `ρ` alone.

use std::collections::HashMap;

use super::residue;

/// A term `coefficient·χ^chi·ρ^rho`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub(super) chi: u64,
    pub(super) rho: u64,
    pub(super) coefficient: u64,
    /// Whether a factor of it is a cell in which anything may stand.
    pub(super) loose: bool,
}

impl Term {
    pub(super) const ONE: Term = Term { chi: 0, rho: 0, coefficient: 1, loose: false };

    pub(super) fn times(self, other: Term) -> Term {
        Term {
            chi: self.chi + other.chi,
            rho: self.rho + other.rho,
            coefficient: residue::multiply(self.coefficient, other.coefficient),
            loose: self.loose || other.loose,
        }
    }

    pub(super) fn scaled(self, factor: i64) -> Term {
        Term { coefficient: residue::multiply(self.coefficient, residue::of(factor.into())), ..self }
    }
}

/// A polynomial in `χ` and `ρ`, as terms whose monomials may repeat.
pub(super) type Polynomial = Vec<Term>;

/// What terms are added to.
pub(super) trait Sum {
    fn add(&mut self, term: Term);

    /// Adds all products of a term of `left` and one of `right`, times a factor.
    fn add_products(&mut self, factor: Term, left: &[Term], right: &[Term]) {
        for a in left.iter().filter(|term| term.coefficient != 0) {
            let a = factor.times(*a);
            right.iter().for_each(|&b| self.add(a.times(b)));
        }
    }
}

/// Few terms, by their monomials, those with loose factors apart.
impl Sum for HashMap<(u64, u64, bool), u64> {
    fn add(&mut self, term: Term) {
        let sum = self.entry((term.chi, term.rho, term.loose)).or_default();
        *sum = residue::add(*sum, term.coefficient);
    }
}

/// The coefficients of all monomials `χ^i·ρ^(first_rho + j)` with `i < chi` and `j < rho`.
pub(super) struct Coefficients {
    pub(super) chi: u64,
    pub(super) first_rho: u64,
    pub(super) rho: u64,
    pub(super) sums: Vec<u64>,
    /// Whether a term lies outside.
    pub(super) outside: bool,
    pub(super) terms: usize,
}

impl Coefficients {
    pub(super) fn slot(&self, chi: u64, rho: u64) -> Option<usize> {
        let rho = rho.checked_sub(self.first_rho)?;
        (chi < self.chi && rho < self.rho).then(|| (chi * self.rho + rho) as usize)
    }
}

impl Sum for Coefficients {
    fn add(&mut self, term: Term) {
        if term.coefficient == 0 {
            return;
        }
        self.terms += 1;
        match self.slot(term.chi, term.rho) {
            Some(slot) => self.sums[slot] = residue::add(self.sums[slot], term.coefficient),
            None => self.outside |= !term.loose,
        }
    }
}

/// For each power of `ρ`, the sum over the powers of `χ` of the coefficients, each times a random residue of its power of `χ`, or
/// times zero.
pub(super) struct Collapsed {
    /// By powers of `χ`.
    pub(super) random: Vec<u64>,
    pub(super) first_rho: u64,
    /// By powers of `ρ`.
    pub(super) sums: Vec<u64>,
    /// Whether a term was met that has no place, or a loose factor.
    pub(super) refused: bool,
    pub(super) terms: usize,
}

impl Collapsed {
    fn random(&self, chi: u64) -> Option<u64> {
        self.random.get(usize::try_from(chi).ok()?).copied()
    }

    fn add_at(&mut self, rho: u64, summand: u64) {
        let slot = rho.checked_sub(self.first_rho).and_then(|slot| usize::try_from(slot).ok());
        match slot.and_then(|slot| self.sums.get_mut(slot)) {
            Some(sum) => *sum = residue::add(*sum, summand),
            None => self.refused = true,
        }
    }
}

impl Sum for Collapsed {
    fn add(&mut self, term: Term) {
        if term.coefficient == 0 {
            return;
        }
        self.terms += 1;
        match self.random(term.chi) {
            Some(random) if !term.loose => self.add_at(term.rho, residue::multiply(random, term.coefficient)),
            _ => self.refused = true,
        }
    }

    /// Terms of `left` with a power of `ρ` in common are collapsed before they are multiplied.
    fn add_products(&mut self, factor: Term, left: &[Term], right: &[Term]) {
        if factor.coefficient == 0 {
            return;
        }
        let there = |terms: &[Term]| terms.iter().filter(|term| term.coefficient != 0).count();
        self.terms += there(left) * there(right);
        self.refused |= factor.loose || left.iter().chain(right).any(|term| term.loose);
        for left in left.chunk_by(|a, b| a.rho == b.rho) {
            for right in right.chunk_by(|a, b| a.chi == b.chi) {
                let before = factor.chi + right[0].chi;
                let mut collapsed = 0;
                for term in left.iter().filter(|term| term.coefficient != 0) {
                    match self.random(before + term.chi) {
                        Some(random) => {
                            collapsed = residue::add(collapsed, residue::multiply(random, term.coefficient));
                        }
                        None => self.refused |= there(right) > 0,
                    }
                }
                let (collapsed, rho) = (residue::multiply(collapsed, factor.coefficient), factor.rho + left[0].rho);
                for term in right.iter().filter(|term| term.coefficient != 0) {
                    self.add_at(rho + term.rho, residue::multiply(collapsed, term.coefficient));
                }
            }
        }
    }
}

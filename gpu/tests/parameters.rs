//! The constants of the kernels' fields are those of the curve library.

use std::fmt::Write;

use halo2_proofs::halo2curves::bn256::{Fq, Fr};
use halo2_proofs::halo2curves::ff::PrimeField;

/// Four words, least significant first.
type Words = [u64; 4];

fn integer<F: PrimeField>(element: F) -> Words {
    let repr = element.to_repr();
    let word = |index: usize| {
        let bytes = repr.as_ref()[8 * index..8 * index + 8].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes)
    };
    [0, 1, 2, 3].map(word)
}

fn modulus<F: PrimeField>() -> Words {
    let mut words = integer(-F::ONE);
    words[0] += 1;
    words
}

/// The words of the residue, `a·2^256` as an integer.
fn residue<F: PrimeField>(element: F) -> Words {
    integer(element * F::from(2).pow_vartime([256]))
}

/// `−p^(−1) mod 2^64`, by Newton's iteration.
fn negative_inverse(modulus: u64) -> u64 {
    let inverse =
        (0..6).fold(1u64, |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(modulus.wrapping_mul(inverse))));
    inverse.wrapping_neg()
}

fn constant(out: &mut String, about: &str, name: &str, [a, b, c, d]: Words) {
    let _ = write!(
        out,
        "    // {about}\n    static constexpr HD uint64_t {name}(int word) {{\n        \
         return word == 0   ? 0x{a:016x}\n               : word == 1 ? 0x{b:016x}\n               \
         : word == 2 ? 0x{c:016x}\n                           : 0x{d:016x};\n    }}\n"
    );
}

fn field<F: PrimeField>(out: &mut String, about: &str, name: &str, more: impl FnOnce(&mut String)) {
    let modulus = modulus::<F>();
    let _ = write!(out, "\n// {about}\nstruct {name} {{\n");
    constant(out, "p", "modulus", modulus);
    let _ = write!(
        out,
        "    // -1/p mod 2^64\n    static constexpr HD uint64_t negative_inverse() {{ return 0x{:016x}; }}\n",
        negative_inverse(modulus[0])
    );
    constant(out, "1", "one", residue(F::ONE));
    constant(out, "2^256", "radix_squared", residue(F::from(2).pow_vartime([256])));
    more(out);
    out.push_str("};\n");
}

fn header() -> String {
    let mut out = String::from(
        "// Constants of the fields, words least significant first, elements as residues. `tests/parameters.rs` derives this file\n\
         // from the curve library, and compares.\n\
         #pragma once\n\n#include <cstdint>\n\n#include \"compilers.hpp\"\n\nnamespace zkinfer {\n",
    );
    field::<Fr>(&mut out, "The field of scalars.", "ScalarParameters", |out| {
        let _ = writeln!(out, "    // There are roots of unity of order 2^28.");
        let _ = writeln!(out, "    static constexpr uint32_t TWO_ADICITY = {};", Fr::S);
        constant(out, "The root of that order which halo2 takes.", "root_of_unity", residue(Fr::ROOT_OF_UNITY));
        constant(out, "Tells columns of a permutation apart.", "delta", residue(Fr::DELTA));
    });
    field::<Fq>(&mut out, "The field of coordinates.", "CoordinateParameters", |_| ());
    out.push_str("\n} // namespace zkinfer\n");
    out
}

#[test]
fn constants_are_those_of_the_curve_library() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/cuda/parameters.hpp");
    let expected = header();
    if std::env::var_os("ZKINFER_WRITE_PARAMETERS").is_some() {
        std::fs::write(path, &expected).expect("the header can be written");
    }
    let found = std::fs::read_to_string(path).expect("the header is there");
    assert!(found == expected, "ZKINFER_WRITE_PARAMETERS=1 writes the header anew");
    assert_eq!(negative_inverse(modulus::<Fr>()[0]).wrapping_mul(modulus::<Fr>()[0]), u64::MAX);
}

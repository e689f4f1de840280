// The group G1 of BN254, `y^2 = x^3 + 3`, which has prime order: no point but that at infinity has a zero coordinate `y`.
//
// Formulas are those of Bernstein and Lange's *Explicit-Formulas Database* for short Weierstrass curves in coordinates "xyzz".
#pragma once

#include "field.hpp"

namespace zkinfer {

// A point by its coordinates, as the curve library holds it; zeros stand for the point at infinity.
struct Affine {
    Fq x, y;

    static HD Affine infinity() { return {Fq::zero(), Fq::zero()}; }
    HD bool is_infinity() const { return y.is_zero(); }
    HD Affine operator-() const { return {x, -y}; }

    friend HD bool operator==(const Affine &a, const Affine &b) { return a.x == b.x && a.y == b.y; }
    friend HD bool operator!=(const Affine &a, const Affine &b) { return !(a == b); }
};

static_assert(sizeof(Affine) == 64, "two elements side by side");

// A point as `(x/zz, y/zzz)` with `zz^3 = zzz^2`; at infinity `zz` is zero.
struct Point {
    Fq x, y, zz, zzz;

    static HD Point infinity() { return {Fq::zero(), Fq::zero(), Fq::zero(), Fq::zero()}; }
    static HD Point from(const Affine &point) {
        return point.is_infinity() ? infinity() : Point{point.x, point.y, Fq::one(), Fq::one()};
    }

    HD bool is_infinity() const { return zz.is_zero(); }

    // Nine products (dbl-2008-s-1).
    HD Point doubled() const {
        if (is_infinity()) return *this;
        const Fq u = y.doubled();
        const Fq v = u.square();
        const Fq w = u * v;
        const Fq s = x * v;
        const Fq square = x.square();
        const Fq slope = square.doubled() + square;
        const Fq sum = slope.square() - s.doubled();
        return {sum, slope * (s - sum) - w * y, v * zz, w * zzz};
    }

    // Ten products (madd-2008-s), and the cases that these do not cover.
    HD Point &operator+=(const Affine &other) {
        if (other.is_infinity()) return *this;
        if (is_infinity()) return *this = from(other);
        return *this = joined(x, y, other.x * zz - x, other.y * zzz - y, zz, zzz);
    }

    // Fourteen products (add-2008-s), and the cases that these do not cover.
    HD Point &operator+=(const Point &other) {
        if (other.is_infinity()) return *this;
        if (is_infinity()) return *this = other;
        const Fq own_x = x * other.zz, own_y = y * other.zzz;
        return *this = joined(own_x, own_y, other.x * zz - own_x, other.y * zzz - own_y, zz * other.zz, zzz * other.zzz);
    }

    // With one inversion.
    HD Affine affine() const { return affine(zzz.inverse()); }

    // With the inverse of `zzz`, or zero at infinity.
    HD Affine affine(const Fq &inverse) const {
        // (zz/zzz)^2 = 1/zz
        return {x * (zz * inverse).square(), y * inverse};
    }

  private:
    // The sum of two points over the denominators `zz` and `zzz`: `x` and `y` are the first one's numerators, `run` and `rise` what the
    // second one's exceed them by.
    HD Point joined(const Fq &x, const Fq &y, const Fq &run, const Fq &rise, const Fq &zz, const Fq &zzz) const {
        if (run.is_zero()) return rise.is_zero() ? doubled() : infinity();
        const Fq square = run.square();
        const Fq cube = run * square;
        const Fq q = x * square;
        const Fq sum = rise.square() - cube - q.doubled();
        return {sum, rise * (q - sum) - y * cube, zz * square, zzz * cube};
    }
};

} // namespace zkinfer

// Package curve computes on the curve secp256k1, y² = x³ + 7, as fast as plain
// Go can: sums of multiples of points, of which some are known beforehand.
//
// Everything is variable-time, and nothing here may touch a secret: it is for
// the verification of public signatures by public keys.
//
// The layers, from below:
//
//   - Element is a number modulo the field's prime in four limbs of 64 bits.
//   - Affine is a point as its two coordinates, Point one in the coordinates in
//     which it is cheap to add an Affine to: eight multiplications and two squarings.
//   - Scalar is a number modulo the group's order. Split writes it as a + b·λ
//     with a and b of half its length, where λ·(x, y) = (β·x, y) costs a single
//     multiplication (the endomorphism of secp256k1, SEC 2).
//   - Comb holds multiples of one point, so that a further multiple is a
//     sum without doublings. Odd holds eight multiples, for points that are not
//     worth a Comb: their sums share one chain of 128 doublings.
//   - Sum adds up multiples of points that have either.
//
// The formulas are those of the Explicit-Formulas Database for short Weierstrass
// curves with a = 0 in XYZZ coordinates. The point at infinity, equal and opposite
// points are handled wherever they can occur.
package curve

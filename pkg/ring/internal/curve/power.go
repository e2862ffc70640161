package curve

// squarings sets z to x raised to 2ⁿ.
func (z *Element) squarings(x *Element, n int) {
	*z = *x
	for range n {
		z.Square(z)
	}
}

// ones are powers of a number whose exponents are all ones in binary.
type ones struct{ two, n22, n223 Element }

// newOnes returns powers of x with exponents of 2, 22 and 223 ones. Two numbers of
// ones are joined by shifting the one and adding the other.
func newOnes(x *Element) (o ones) {
	join := func(high *Element, n int, low *Element) (z Element) {
		z.squarings(high, n)
		z.Mul(&z, low)
		return z
	}
	o.two = join(x, 1, x)
	three := join(&o.two, 1, x)
	six := join(&three, 3, &three)
	nine := join(&six, 3, &three)
	eleven := join(&nine, 2, &o.two)
	o.n22 = join(&eleven, 11, &eleven)
	n44 := join(&o.n22, 22, &o.n22)
	n88 := join(&n44, 44, &n44)
	n176 := join(&n88, 88, &n88)
	n220 := join(&n176, 44, &n44)
	o.n223 = join(&n220, 3, &three)
	return o
}

// Sqrt sets z to a square root of x and returns true, or returns false if x has
// none. The prime is 3 modulo 4, so a root is x to the power (prime + 1)/4,
// in binary 223 ones, 0, 22 ones, 00001100.
func (z *Element) Sqrt(x *Element) bool {
	o := newOnes(x)
	var root, check Element
	root.squarings(&o.n223, 23)
	root.Mul(&root, &o.n22)
	root.squarings(&root, 6)
	root.Mul(&root, &o.two)
	root.squarings(&root, 2)
	check.Square(&root)
	if !check.Equal(x) {
		return false
	}
	*z = root
	return true
}

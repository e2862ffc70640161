package curve

// Normalize sets out to points, with a single inversion for all of them. Infinity
// becomes the Affine of zeros, which is no point and which Encode writes as a 2
// and zeros. out is as long as points.
func Normalize(out []Affine, points []Point) {
	product := Element{1}
	for i := range points {
		out[i].X = product // of the ZZZ before i
		if !points[i].IsInfinity() {
			product.Mul(&product, &points[i].ZZZ)
		}
	}
	var inverse Element
	inverse.Invert(&product)
	for i := len(points) - 1; i >= 0; i-- {
		p := &points[i]
		if p.IsInfinity() {
			out[i] = Affine{}
			continue
		}
		var inverseZZZ, inverseZZ Element
		inverseZZZ.Mul(&inverse, &out[i].X)
		inverse.Mul(&inverse, &p.ZZZ)
		inverseZZ.Mul(&inverseZZZ, &p.ZZ)
		inverseZZ.Square(&inverseZZ)
		out[i].X.Mul(&p.X, &inverseZZ)
		out[i].Y.Mul(&p.Y, &inverseZZZ)
	}
}

package curve

// The odd multiples 1·P to 15·P are what digits of five bits need that are zero or odd.
const (
	oddWidth = 5
	oddCount = 1 << (oddWidth - 2)
)

// Odd holds the odd multiples of a point from 1 to 15, and their x times beta.
type Odd struct {
	multiples [oddCount]Affine
	lambdaX   [oddCount]Element
}

// Point returns the point itself.
func (o *Odd) Point() *Affine { return &o.multiples[0] }

// OddSize is the size of an Odd in bytes.
const OddSize = oddCount * 3 * elemSize

// beta returns the cube root of unity modulo the prime for which λ·(x, y) is (beta·x, y).
func beta() Element {
	return Element{0xc1396c28719501ee, 0x9cf0497512f58995, 0x6e64479eac3434e9, 0x7ae96a2b657c0710}
}

// OddBuilder computes the odd multiples of several points at once, with one
// inversion. It keeps its memory from one use to the next.
type OddBuilder struct {
	odds   []*Odd
	points []Point
	affine []Affine
}

// Add has the odd multiples of p written to o by the next Build. o must stay
// where it is until then.
func (b *OddBuilder) Add(o *Odd, p *Affine) {
	o.multiples[0] = *p
	b.odds = append(b.odds, o)
	var twice, sum Point
	twice.Set(p)
	twice.Double()
	sum = twice
	sum.Add(p, false)
	b.points = append(b.points, sum)
	for range oddCount - 2 {
		sum.AddPoint(&twice)
		b.points = append(b.points, sum)
	}
}

// Build writes what was added.
func (b *OddBuilder) Build() {
	if len(b.odds) == 0 {
		return
	}
	for len(b.affine) < len(b.points) {
		b.affine = append(b.affine, Affine{})
	}
	Normalize(b.affine[:len(b.points)], b.points)
	beta := beta()
	for i, o := range b.odds {
		copy(o.multiples[1:], b.affine[i*(oddCount-1):])
		for j := range o.multiples {
			o.lambdaX[j].Mul(&o.multiples[j].X, &beta)
		}
	}
	b.Reset()
}

// Reset forgets what was added and not built.
func (b *OddBuilder) Reset() {
	clear(b.odds)
	b.odds, b.points = b.odds[:0], b.points[:0]
}

// naf are the digits of a Half from the lowest bit up: zero, or odd and from -15 to 15, of
// any five in a row at most one not zero.
type naf [halfBits + 1]int8

// recode sets d to the digits of h, and returns how many there are up to the highest
// that is not zero.
func (d *naf) recode(h *Half) int {
	*d = naf{}
	length := 0
	carry := uint64(0)
	for i := 0; i < len(d); {
		if h.bitsAt(i, 1) == carry {
			i++
			continue
		}
		digit := int8(h.bitsAt(i, oddWidth) + carry)
		carry = uint64(digit) >> (oddWidth - 1)
		digit -= int8(carry << oddWidth)
		if h.Minus {
			digit = -digit
		}
		d[i] = digit
		i++
		length = i
		i += oddWidth - 1
	}
	return length
}

// add adds the multiple with the given digit to sum, or λ times it.
func (o *Odd) add(sum *Point, digit int8, lambda bool) {
	minus := digit < 0
	if minus {
		digit = -digit
	}
	p := &o.multiples[digit/2]
	if lambda {
		sum.addXY(&o.lambdaX[digit/2], &p.Y, minus)
		return
	}
	sum.Add(p, minus)
}

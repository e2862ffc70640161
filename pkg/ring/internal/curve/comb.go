package curve

// halfBits is how many bits a Half has.
const halfBits = 128

// The widths that a Comb can have.
const (
	MinCombWidth = 4
	MaxCombWidth = 12
)

// Comb holds d·2^(w·i)·P of a point P for every window i of w bits of a Half and every
// digit d from 1 to 2^(w-1); larger digits are negative and carry into the next
// window. The highest window is small and holds all of its digits.
type Comb struct {
	width   int
	windows int
	entries []Affine // window i from i·2^(w-1) on
}

// combShape returns how many windows a comb has, and how many digits the
// highest of them.
func combShape(width int) (windows, top int) {
	windows = (halfBits + width - 1) / width
	if topBits := halfBits - width*(windows-1); topBits >= 8 {
		return windows, (maxHalf + 1) << (topBits - 8)
	} else {
		return windows, maxHalf>>(8-topBits) + 1
	}
}

// CombSize returns the size in bytes of a comb of the given width.
func CombSize(width int) int {
	windows, top := combShape(width)
	const affineSize = 2 * elemSize
	return affineSize * ((windows-1)<<(width-1) + top)
}

// NewComb returns the multiples of p for windows of width bits, from MinCombWidth to
// MaxCombWidth. The work and the memory double with each bit.
func NewComb(p *Affine, width int) *Comb {
	windows, top := combShape(width)
	c := &Comb{width: width, windows: windows, entries: make([]Affine, CombSize(width)/(2*elemSize))}
	multiples := make([]Point, max(top, 1<<(width-1)))
	base := *p
	for i := range windows {
		digits := 1 << (width - 1)
		if i == windows-1 {
			digits = top
		}
		at := i << (width - 1)
		multiples[0].Set(&base)
		for d := 1; d < digits; d++ {
			multiples[d] = multiples[d-1]
			multiples[d].Add(&base, false)
		}
		Normalize(c.entries[at:at+digits], multiples[:digits])
		if i < windows-1 {
			base = c.entries[at+digits-1].double() // 2·2^(w-1) times this window's base
		}
	}
	return c
}

// double returns 2·p.
func (p *Affine) double() Affine {
	var sum [1]Point
	var out [1]Affine
	sum[0].Set(p)
	sum[0].Double()
	Normalize(out[:], sum[:])
	return out[0]
}

// maxWindows is how many windows a comb has at most.
const maxWindows = halfBits / MinCombWidth

// digits are the digits of a Half in the windows of a Comb.
type digits [maxWindows]int32

// recode returns the digits of h for the comb, with h's sign.
func (c *Comb) recode(h *Half) (d digits) {
	carry, half := int32(0), int32(1)<<(c.width-1)
	for i := range c.windows {
		digit := int32(h.bitsAt(i*c.width, c.width)) + carry
		carry = 0
		if digit > half && i < c.windows-1 {
			digit -= 2 * half
			carry = 1
		}
		if h.Minus {
			digit = -digit
		}
		d[i] = digit
	}
	return d
}

// add adds the multiple with the given digits to sum.
func (c *Comb) add(sum *Point, d *digits) {
	for i := range c.windows {
		switch digit := d[i]; {
		case digit > 0:
			sum.Add(&c.entries[i<<(c.width-1)+int(digit)-1], false)
		case digit < 0:
			sum.Add(&c.entries[i<<(c.width-1)-int(digit)-1], true)
		}
	}
}

// touch reads from all entries that add will use. Read one right after the other, they
// come from memory at the same time.
func (c *Comb) touch(d *digits) (seen uint64) {
	for i := range c.windows {
		digit := int(d[i])
		if digit < 0 {
			digit = -digit
		}
		if digit > 0 {
			seen ^= c.entries[i<<(c.width-1)+digit-1].X[0]
		}
	}
	return seen
}

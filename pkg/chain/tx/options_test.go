package tx

import (
	"errors"
	"testing"
	"time"
)

func TestOptions_ZeroValueWorks(t *testing.T) {
	set, err := Options{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if !set.price.IsZero() || set.GasAdjustment != 1.5 || set.MaxMessages != 100 || set.Logger == nil {
		t.Errorf("%+v", set)
	}
}

func TestOptions_PricesAreReadAsOperatorsWriteThem(t *testing.T) {
	set, err := Options{GasPrices: "0.001upokt"}.complete()
	if err != nil || !set.price.Equal(dec("0.001")) || !set.maxPrice.Equal(dec("0.01")) {
		t.Errorf("%s, at most %s, %v", set.price, set.maxPrice, err)
	}
	if set, err = (Options{GasPrices: "0upokt"}).complete(); err != nil || !set.price.IsZero() {
		t.Errorf("zero: %s, %v", set.price, err)
	}
}

func TestOptions_ContradictionsAreRefused(t *testing.T) {
	for name, opts := range map[string]Options{
		"other denomination":   {GasPrices: "1stake"},
		"no price":             {GasPrices: "cheap"},
		"negative price":       {GasPrices: "-1upokt"},
		"limit below price":    {GasPrices: "2upokt", MaxGasPrices: "1upokt"},
		"adjustment below one": {GasAdjustment: 0.9},
		"life too long":        {Life: 10 * time.Minute},
		"negative life":        {Life: -1},
		"no messages":          {MaxMessages: -1},
		"no bytes":             {MaxBytes: -1},
		"negative linger":      {Linger: -1},
		"nothing pending":      {MaxPending: -1},
		"no concurrency":       {Concurrency: -1},
		"no time":              {CallTimeout: -1},
	} {
		if _, err := opts.complete(); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

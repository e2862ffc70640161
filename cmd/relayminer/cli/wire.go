package cli

import (
	"fmt"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/miner"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/relayer/meter"
	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/prover"
)

// parts are the parts of the contract.
type parts struct {
	proxy    relayer.RelayerProxy
	miner    relayer.Miner
	sessions relayer.RelayerSessionsManager
	manager  relayer.RelayerSessionsManager // the sessions manager without its decorator
	meter    *meter.Meter
	refusals *session.Refusals
	front    relayer.RelayerProxy // the proxy without its decorator
	auth     *auth.Authenticator
	provers  *prover.Pool
}

// wire builds the parts. base supplies the configuration, the logger, the
// receipts, the store, the verifier of ring signatures and everything that speaks to the
// chain; replacing any of those replaces it for all parts. The parts are returned
// decorated. onFailure is told of a part that has failed for good; options are further
// ones of the sessions manager.
func wire(
	base depinject.Config, cfg *config.Config, keys *chain.Keys, decorate Decorators, onFailure func(error),
	options ...relayer.RelayerSessionsManagerOption,
) (*parts, error) {
	authenticator, err := auth.NewAuthenticator(base, authOptions(cfg, keys)...)
	if err != nil {
		return nil, err
	}
	p := &parts{auth: authenticator, refusals: session.NewRefusals(keys.Addresses(), serviceIDs(cfg))}
	if p.meter, err = meter.NewRelayMeter(base, meter.WithSuppliers(suppliers(cfg, keys)...)); err != nil {
		return nil, err
	}
	deps := depinject.Configs(base, depinject.Supply(authenticator, p.meter))
	p.proxy, err = proxy.NewRelayerProxy(deps, proxy.WithRefusalObserver(p.refusals.Add), proxy.WithOnFailure(onFailure))
	if err != nil {
		return nil, err
	}
	if p.miner, err = miner.NewMiner(deps); err != nil {
		return nil, err
	}
	if p.provers, err = openProvers(base, cfg); err != nil {
		return nil, err
	}
	options = append(options, session.WithOnFailure(onFailure), session.WithProvers(p.provers))
	if p.sessions, err = session.NewRelayerSessionsManager(deps, options...); err != nil {
		return nil, err
	}
	p.manager, p.front = p.sessions, p.proxy
	return p, p.decorate(deps, decorate)
}

// decorate puts the decorators around the parts.
func (p *parts) decorate(deps depinject.Config, with Decorators) (err error) {
	if p.proxy, err = with.Proxy.around(deps, p.proxy); err != nil {
		return err
	}
	if p.miner, err = with.Miner.around(deps, p.miner); err != nil {
		return err
	}
	p.sessions, err = with.Sessions.around(deps, p.sessions)
	return err
}

// config supplies the parts to relayer.NewRelayMiner.
func (p *parts) config() depinject.Config {
	return depinject.Supply(p.proxy, p.miner, p.sessions)
}

// authOptions limits each service to the suppliers whose keys are configured for
// it, and says which rings are accepted.
func authOptions(cfg *config.Config, keys *chain.Keys) []auth.Option {
	options := make([]auth.Option, 0, len(cfg.Services)+1)
	if cfg.AcceptPlaceholderRings {
		options = append(options, auth.WithPlaceholderRings())
	}
	for _, service := range cfg.Services {
		options = append(options, auth.WithServiceSuppliers(service.ID, addressesOf(service, keys)...))
	}
	return options
}

// suppliers returns the operator addresses of all keys.
func suppliers(cfg *config.Config, keys *chain.Keys) []string {
	var addresses []string
	for _, service := range cfg.Services {
		addresses = append(addresses, addressesOf(service, keys)...)
	}
	return addresses
}

// serviceIDs returns the ids of the services that are configured.
func serviceIDs(cfg *config.Config) []string {
	ids := make([]string, 0, len(cfg.Services))
	for _, service := range cfg.Services {
		ids = append(ids, service.ID)
	}
	return ids
}

// addressesOf returns the operator addresses of the service's keys.
func addressesOf(service *config.Service, keys *chain.Keys) []string {
	addresses := make([]string, 0, len(service.SigningKeyNames))
	for _, name := range service.SigningKeyNames {
		if address, ok := keys.Address(name); ok {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// describe names a supplier by its key for the operator.
func describe(name, address string) string { return fmt.Sprintf("%s (key %q)", address, name) }

package cli

import (
	"fmt"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/miner"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/pkg/session"
)

// parts are the parts of the contract.
type parts struct {
	proxy    relayer.RelayerProxy
	miner    relayer.Miner
	sessions relayer.RelayerSessionsManager
	keeper   relayer.RelayerSessionsManager // the sessions manager without its decorator
	front    relayer.RelayerProxy           // the proxy without its decorator
	auth     *auth.Authenticator
}

// wire builds the parts. base supplies the configuration, the logger, the
// receipts, the store and everything that speaks to the chain; replacing any of
// those replaces it for all parts. The parts are returned decorated.
func wire(base depinject.Config, cfg *config.Config, keys *chain.Keys, decorate Decorators) (*parts, error) {
	authenticator, err := auth.NewAuthenticator(
		depinject.Configs(base, depinject.Supply(ring.Reference{})),
		authOptions(cfg, keys)...,
	)
	if err != nil {
		return nil, err
	}
	deps := depinject.Configs(base, depinject.Supply(authenticator))
	p := &parts{auth: authenticator}
	if p.proxy, err = proxy.NewRelayerProxy(deps); err != nil {
		return nil, err
	}
	if p.miner, err = miner.NewMiner(deps); err != nil {
		return nil, err
	}
	if p.sessions, err = session.NewRelayerSessionsManager(deps); err != nil {
		return nil, err
	}
	p.keeper, p.front = p.sessions, p.proxy
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

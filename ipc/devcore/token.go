package devcore

import (
	"crypto/rand"
	"sync"
)

// tokens knows the components by their tokens.
type tokens struct {
	mu      sync.Mutex
	byName  map[string]string
	byToken map[string]string
}

func (t *tokens) component(token string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name, ok := t.byToken[token]
	return name, ok
}

func (t *tokens) known(component string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.byName[component]
	return ok
}

func (t *tokens) set(component, token string) {
	if t.byName == nil {
		t.byName, t.byToken = map[string]string{}, map[string]string{}
	}
	// The old token may have been given to another component meanwhile.
	if old := t.byName[component]; t.byToken[old] == component {
		delete(t.byToken, old)
	}
	t.byName[component], t.byToken[token] = token, component
}

// IssueToken returns the token with which a component connects, its environment
// variable SVCUID. It stays the same as long as the core lives, unless
// [Core.SetToken] replaces it.
func (c *Core) IssueToken(component string) string {
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	if token, ok := c.tokens.byName[component]; ok {
		return token
	}
	token := newToken()
	c.tokens.set(component, token)
	return token
}

// SetToken gives a component a token of the caller's choice, such as the one
// that it had when the core ran before. Its earlier token is no longer valid.
func (c *Core) SetToken(component, token string) {
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	c.tokens.set(component, token)
}

// newToken makes a token of the form that the classic nucleus uses: 16 of 32
// characters, without I and O.
func newToken() string {
	const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ01234567"
	token := make([]byte, 16)
	rand.Read(token)
	for i, b := range token {
		token[i] = alphabet[b%32]
	}
	return string(token)
}

package devcore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

const (
	defaultPage = 25
	maxPage     = 100
)

// listRequest tells a missing thing name from an empty one.
type listRequest struct {
	ThingName *string `json:"thingName"`
	NextToken string  `json:"nextToken"`
	PageSize  *int    `json:"pageSize"`
}

// listNamedShadows answers with one page of names. It publishes nothing, not
// even refusals (ipc/ListNamedShadowsForThingIPCHandler.java).
func (s *shadows) listNamedShadows(call *server.Call, req *listRequest) (resp model.ListNamedShadowsForThingResponse, err error) {
	invalid := func(text string) (model.ListNamedShadowsForThingResponse, error) {
		return resp, &server.Error{Code: model.InvalidArguments, Message: text}
	}
	if text := checkThing(req.ThingName); text != "" {
		return invalid(text)
	}
	thing := *req.ThingName
	if !s.limit.allow(thing) {
		return resp, errThrottled
	}
	if err := s.core.authorize(call.Component, serviceShadows, call.Operation, thing); err != nil {
		return resp, err
	}
	size := defaultPage
	if req.PageSize != nil {
		size = *req.PageSize
	}
	if size < 1 || size > maxPage {
		return invalid(fmt.Sprintf("pageSize argument must be between 1 and %d", maxPage))
	}
	offset := 0
	if req.NextToken != "" {
		if offset, err = s.tokens.open(req.NextToken, call.Component, thing); err != nil {
			return invalid(err.Error())
		}
	}
	if err := s.ready(); err != nil {
		return resp, err
	}
	names := s.names(thing)
	offset = min(max(offset, 0), len(names))
	resp.Results = append([]string{}, names[offset:min(offset+size, len(names))]...)
	resp.Timestamp = model.Timestamp{Time: time.Now()}
	if len(resp.Results) == size {
		resp.NextToken = s.tokens.make(offset+size, call.Component, thing)
	}
	return resp, nil
}

// names are those of the named shadows that a thing has, in order.
func (s *shadows) names(thing string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for k, r := range s.rows {
		if k.thing == thing && k.shadow != "" && r.document != nil {
			names = append(names, k.shadow)
		}
	}
	slices.Sort(names)
	return names
}

// pageTokens makes and opens page tokens. A token is the offset of the next page,
// encrypted with a key that belongs to the component and the thing, and so of no use
// to any other. The key of the last list is kept, because it is dear: the pages of a
// list come one after the other.
type pageTokens struct {
	mu               sync.Mutex
	component, thing string
	block            cipher.Block
}

const tokenIterations = 65536

func (p *pageTokens) cipher(component, thing string) (cipher.Block, []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	iv := make([]byte, aes.BlockSize)
	if p.block != nil && p.component == component && p.thing == thing {
		return p.block, iv
	}
	secret, err := pbkdf2.Key(sha256.New, component+thing, []byte(thing), tokenIterations, 32)
	if err != nil {
		panic(err) // only for lengths that are out of range
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err)
	}
	p.component, p.thing, p.block = component, thing, block
	return block, iv
}

func (p *pageTokens) make(offset int, component, thing string) string {
	text := []byte(strconv.Itoa(offset))
	padding := aes.BlockSize - len(text)%aes.BlockSize
	for range padding {
		text = append(text, byte(padding))
	}
	block, iv := p.cipher(component, thing)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	return base64.StdEncoding.EncodeToString(text)
}

var errToken = errors.New("Invalid nextToken argument") //lint:ignore ST1005 text of the wire

func (p *pageTokens) open(token, component, thing string) (int, error) {
	text, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return 0, err
	}
	if len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return 0, errToken
	}
	block, iv := p.cipher(component, thing)
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	padding := int(text[len(text)-1])
	if padding < 1 || padding > aes.BlockSize {
		return 0, errToken
	}
	for _, b := range text[len(text)-padding:] {
		if int(b) != padding {
			return 0, errToken
		}
	}
	text = text[:len(text)-padding]
	offset, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("For input string: %q", text) //lint:ignore ST1005 text of the wire
	}
	return int(offset), nil
}

// Package rest is the AWS IoT data plane over HTTP, in the form that the official
// clients speak (boto3 "iot-data", aws-sdk-go-v2 service/iotdataplane): shadows,
// messages, retained messages.
package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/broker"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/fleet"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/shadows"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// maxBody is more than any request needs: a payload of 128 KiB.
const maxBody = 256 << 10

// API is the HTTP interface of the cloud.
type API struct {
	Shadows  *shadows.Service
	Broker   *broker.Broker
	Groups   *fleet.Groups
	Endpoint string // HOST:PORT of the data plane, of which the control plane is asked
	// Verify checks the signature of a request with this body.
	Verify func(r *http.Request, body []byte) error
}

// Handler serves the interface, and WebSockets for MQTT under /mqtt.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(*http.Request, []byte) (any, error){
		"GET /things/{thing}/shadow":                              a.getShadow,
		"POST /things/{thing}/shadow":                             a.updateShadow,
		"DELETE /things/{thing}/shadow":                           a.deleteShadow,
		"GET /api/things/shadow/ListNamedShadowsForThing/{thing}": a.listShadows,
		"POST /topics/{topic...}":                                 a.publish,
		"GET /endpoint":                                           a.describeEndpoint,
		"GET /retainedMessage/{topic...}":                         a.getRetained,
		"GET /retainedMessage":                                    a.listRetained,
	} {
		mux.Handle(pattern, a.signed(handle))
	}
	for pattern, handle := range a.fleetHandlers() {
		mux.Handle(pattern, a.signed(handle))
	}
	mux.HandleFunc("GET /mqtt", func(w http.ResponseWriter, r *http.Request) {
		if err := a.Verify(r, nil); err != nil {
			writeError(w, &shadowdoc.Refusal{Code: http.StatusForbidden, Message: err.Error()})
			return
		}
		a.Broker.ServeHTTP(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &shadowdoc.Refusal{Code: http.StatusNotFound, Message: "no such operation: " + r.Method + " " + r.URL.Path})
	})
	return mux
}

// signed reads a request, checks its signature, and writes the answer: bytes as
// they are, anything else as JSON.
func (a *API) signed(handle func(*http.Request, []byte) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			writeError(w, &shadowdoc.Refusal{Code: http.StatusRequestEntityTooLarge, Message: "The payload exceeds the maximum size allowed"})
			return
		} else if err != nil {
			w.Header().Set("Connection", "close")
			writeError(w, &shadowdoc.Refusal{Code: http.StatusRequestTimeout, Message: "The body of the request did not come: " + err.Error()})
			return
		}
		if err := a.Verify(r, body); err != nil {
			writeError(w, &shadowdoc.Refusal{Code: http.StatusForbidden, Message: err.Error()})
			return
		}
		answer, err := handle(r, body)
		if err != nil {
			writeError(w, err)
			return
		}
		text, ok := answer.([]byte)
		if !ok {
			if text, err = json.Marshal(answer); err != nil {
				writeError(w, err)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(text) // the client is gone
	})
}

// describeEndpoint tells where the data plane is, as service/iot asks for it.
func (a *API) describeEndpoint(r *http.Request, _ []byte) (any, error) {
	if kind := r.URL.Query().Get("endpointType"); kind != "iot:Data-ATS" {
		return nil, invalid("endpointType: want iot:Data-ATS, got %q", kind)
	}
	return map[string]string{"endpointAddress": a.Endpoint}, nil
}

// exceptions are the names of the errors of the data plane.
var exceptions = map[int]string{
	400: "InvalidRequestException",
	401: "UnauthorizedException",
	403: "ForbiddenException",
	404: "ResourceNotFoundException",
	409: "ConflictException",
	413: "RequestEntityTooLargeException",
	415: "UnsupportedDocumentEncodingException",
	429: "ThrottlingException",
	500: "InternalFailureException",
}

func writeError(w http.ResponseWriter, err error) {
	refusal, ok := errors.AsType[*shadowdoc.Refusal](err)
	if !ok {
		refusal = &shadowdoc.Refusal{Code: http.StatusInternalServerError, Message: err.Error()}
	}
	text, err := json.Marshal(map[string]any{"message": refusal.Message})
	if err != nil {
		panic(err) // a text is always JSON
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", exceptions[refusal.Code])
	w.WriteHeader(refusal.Code)
	w.Write(text) // the client is gone
}

func invalid(format string, args ...any) error {
	return &shadowdoc.Refusal{Code: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func shadowID(r *http.Request) (shadow.ID, error) {
	id := shadow.ID{Thing: r.PathValue("thing"), Name: r.URL.Query().Get("name")}
	if r.URL.Query().Has("name") && id.Name == "" {
		return id, invalid("Invalid shadow name")
	}
	return id, nil
}

func (a *API) getShadow(r *http.Request, _ []byte) (any, error) {
	return a.onShadow(r, nil, a.Shadows.Get)
}

func (a *API) updateShadow(r *http.Request, body []byte) (any, error) {
	return a.onShadow(r, body, a.Shadows.Update)
}

func (a *API) deleteShadow(r *http.Request, _ []byte) (any, error) {
	return a.onShadow(r, nil, a.Shadows.Delete)
}

func (a *API) onShadow(r *http.Request, body []byte, do func(shadow.ID, []byte) ([]byte, error)) (any, error) {
	id, err := shadowID(r)
	if err != nil {
		return nil, err
	}
	reply, err := do(id, body)
	if err != nil {
		return nil, err
	}
	return reply, nil
}

func (a *API) listShadows(r *http.Request, _ []byte) (any, error) {
	size, err := number(r, "pageSize", 1, shadows.MaxPage, shadows.DefaultPage)
	if err != nil {
		return nil, err
	}
	page, err := a.Shadows.List(r.PathValue("thing"), r.URL.Query().Get("nextToken"), size)
	if err != nil {
		return nil, err
	}
	return struct {
		Results   []string `json:"results"`
		NextToken string   `json:"nextToken,omitempty"`
		Timestamp int64    `json:"timestamp"` // in s
	}{append([]string{}, page.Names...), page.NextToken, page.Time.Unix()}, nil
}

// number reads a number of the query; without one it is usual.
func number(r *http.Request, name string, low, high, usual int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, invalid("%s: want %d to %d, got %q", name, low, high, text)
	}
	return n, nil
}

func milliseconds(t time.Time) int64 { return t.UnixMilli() }

package eventstream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// Sizes in bytes.
const (
	// MaxMessage is the largest message that the C runtime below the official
	// clients takes (awslabs/aws-c-event-stream include/aws/event-stream/event_stream.h).
	MaxMessage = 24 << 20
	// MaxLiteMessage is the largest message that nucleus lite and the component
	// SDK for C take (aws-greengrass/aws-greengrass-lite GGL_IPC_MAX_MSG_LEN).
	MaxLiteMessage = 10000

	overhead       = 16        // prelude, its checksum, the message's checksum
	preludeSize    = 12        // lengths and their checksum
	maxHeaders     = 128 << 10 // of all headers together; ours need under 300
	maxHeaderCount = 1024      // as the C runtime has it
	maxHeaderValue = math.MaxInt16
	keptBuffer     = 64 << 10 // a buffer that grew beyond it is not kept
)

// The headers of the protocol.
const (
	headerType      = ":message-type"
	headerFlags     = ":message-flags"
	headerStream    = ":stream-id"
	headerVersion   = ":version"
	headerContent   = ":content-type"
	headerModel     = "service-model-type"
	headerOperation = "operation"
)

// The types of header values, as numbers on the wire.
const (
	typeTrue = iota
	typeFalse
	typeInt8
	typeInt16
	typeInt32
	typeInt64
	typeBytes
	typeString
	typeTimestamp
	typeUUID
	headerTypes // how many there are
)

var headerTypeNames = [headerTypes]string{
	"true", "false", "int8", "int16", "int32", "int64", "bytes", "string", "timestamp", "UUID",
}

// Encode returns the bytes of m. It fails with a *[FrameError] when a header
// value is over 32767 bytes or the whole message over [MaxMessage]. The headers
// come in the order that the official Java and Python clients use.
func Encode(m *Message) ([]byte, error) {
	texts := [...]struct{ name, value string }{
		{headerVersion, m.Version}, {headerContent, m.ContentType}, {headerModel, m.ModelType}, {headerOperation, m.Operation},
	}
	size := overhead + 128 + len(m.Payload)
	for _, h := range texts {
		if len(h.value) > maxHeaderValue {
			return nil, &FrameError{Reason: fmt.Sprintf("header %s of %d bytes is above the limit of %d", h.name, len(h.value), maxHeaderValue)}
		}
		size += 4 + len(h.name) + len(h.value)
	}
	if len(m.Payload) > MaxMessage {
		return nil, &FrameError{Reason: fmt.Sprintf("payload of %d bytes is above the limit of %d", len(m.Payload), MaxMessage)}
	}
	b := make([]byte, preludeSize, size)
	for _, h := range texts[:3] {
		b = appendText(b, h.name, h.value)
	}
	b = appendNumber(b, headerType, int32(m.Type))
	b = appendNumber(b, headerFlags, int32(m.Flags))
	b = appendNumber(b, headerStream, m.StreamID)
	b = appendText(b, headerOperation, m.Operation)
	headers := len(b) - preludeSize
	b = append(b, m.Payload...)
	total := len(b) + 4
	if total > MaxMessage {
		return nil, &FrameError{Reason: fmt.Sprintf("length %d is above the limit of %d", total, MaxMessage)}
	}
	binary.BigEndian.PutUint32(b, uint32(total))
	binary.BigEndian.PutUint32(b[4:], uint32(headers))
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)), nil
}

// appendText leaves an empty header out.
func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(b, byte(len(name))), name...)
	b = binary.BigEndian.AppendUint16(append(b, typeString), uint16(len(value)))
	return append(b, value...)
}

func appendNumber(b []byte, name string, value int32) []byte {
	b = append(append(b, byte(len(name))), name...)
	return binary.BigEndian.AppendUint32(append(b, typeInt32), uint32(value))
}

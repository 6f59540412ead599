package model

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Timestamp is a time on the wire: a JSON number of seconds since the epoch, with
// fraction and possibly an exponent, to the millisecond. The zero Timestamp is no
// time, and left out of the shapes.
type Timestamp struct{ time.Time }

// maxSeconds is the largest time on the wire, of either sign: beyond the year 250000.
const maxSeconds = 1 << 43

// MarshalJSON always writes a fraction: nucleus lite refuses an integer literal
// (aws-greengrass/aws-greengrass-lite modules/ggipcd/src/services/config/update_configuration.c).
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if seconds := t.Unix(); seconds > maxSeconds || seconds < -maxSeconds {
		return nil, fmt.Errorf("timestamp %v is out of range", t.Time)
	}
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads any JSON number of seconds, to the millisecond. It leaves t
// alone for null.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	var seconds *float64
	if err := json.Unmarshal(data, &seconds); err != nil || seconds == nil {
		return err
	}
	if math.Abs(*seconds) > maxSeconds {
		return fmt.Errorf("timestamp %s is out of range", data)
	}
	t.Time = time.UnixMilli(int64(math.Round(*seconds * 1000)))
	return nil
}

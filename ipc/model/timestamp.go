package model

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Timestamp is a time on the wire: a JSON number of seconds since the epoch,
// with fraction and possibly an exponent.
type Timestamp time.Time

// MarshalJSON always writes a fraction: nucleus lite refuses an integer literal
// (aws-greengrass/aws-greengrass-lite modules/ggipcd/src/services/config/update_configuration.c).
func (t Timestamp) MarshalJSON() ([]byte, error) {
	seconds := float64(time.Time(t).UnixMilli()) / 1000
	return strconv.AppendFloat(nil, seconds, 'f', 3, 64), nil
}

// maxSeconds is the largest time taken, of either sign: beyond the year 250000.
const maxSeconds = 1 << 43

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
	*t = Timestamp(time.UnixMilli(int64(math.Round(*seconds * 1000))))
	return nil
}

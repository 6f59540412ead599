package engine

import (
	"encoding/json"
	"errors"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

func TestSnapshot(t *testing.T) {
	r := settled(t)
	r.accepted("main", 4, `{"lights":"on","horn":1}`, `{}`)
	s := r.Snapshot(r.now)
	lamp, main := s.Lines["lamp"], s.Shadows["main"]
	if lamp.Value != "on" || lamp.Demand != "on" || lamp.Direction != "output" || lamp.Since == nil || !lamp.Since.Equal(r.now) {
		t.Errorf("lamp is %+v", lamp)
	}
	if want := (lines.Cause{Kind: lines.ByDesired, Name: "main", Version: 4}); lamp.Cause == nil || *lamp.Cause != want {
		t.Errorf("the cause is %v, want %v", lamp.Cause, want)
	}
	if main.Sync != replica.Reporting || main.Version != 4 || main.Thing != "gw" {
		t.Errorf("before the report: %+v", main)
	}
	lights := main.Properties["lights"]
	if lights.Value != "on" || lights.Reported != "off" || lights.Desired != "on" || lights.Ack == nil || lights.Ack.Code != 200 || !lights.Pending {
		t.Errorf("lights are %+v", lights)
	}
	if horn := main.Properties["horn"]; horn.Kind != "" || horn.Ack == nil || horn.Ack.Code != 404 {
		t.Errorf("a key that is no property: %+v", horn)
	}
	u, _ := r.update("main")
	r.accept(u, 5)
	r.pass(time.Second)
	s = r.Snapshot(r.now)
	if main := s.Shadows["main"]; main.Sync != replica.InStep || main.Version != 5 || main.Properties["lights"].Pending || main.Properties["lights"].Reported != nil {
		t.Errorf("after the report: %+v", main)
	}
	r.step(shadowLost{"main", errors.New("gone")})
	r.step(r.failed("lamp", errors.New("chip is gone")))
	s = r.Snapshot(r.now)
	if main, lamp := s.Shadows["main"], s.Lines["lamp"]; main.Sync != replica.OutOfReach || main.Warning == "" || lamp.Fault != "chip is gone" || lamp.Value != "" {
		t.Errorf("without link and chip: %+v, %+v", main, lamp)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
}

package shadowsync

import (
	"context"
	"errors"
	"time"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

func (s *Sync) execute(ctx context.Context, k Key, r request) error {
	record, err := s.cfg.Records.Get(k)
	if err != nil {
		return err
	}
	switch r.kind {
	case toCloud:
		return s.updateCloud(ctx, k, record, r)
	case toLocal:
		return s.updateLocal(k, record, r.payload)
	case deleteInCloud:
		if record.CloudDeleted {
			return nil
		}
		return s.deleteCloud(ctx, k, record.CloudVersion)
	case deleteLocally:
		return s.obeyDeletion(k, record, r.payload)
	}
	return s.executeFull(ctx, k, record, r)
}

// executeFull synchronizes all, or only the part of a merged request that still
// matters (sync/model/MergedFullShadowSyncRequest.java).
func (s *Sync) executeFull(ctx context.Context, k Key, record Record, r request) error {
	switch s.cfg.Direction {
	case DeviceToCloud:
		return s.overwriteCloud(ctx, k, record)
	case CloudToDevice:
		return s.overwriteLocal(ctx, k, record)
	}
	var needed []request
	for _, part := range r.parts {
		if part.kind == full {
			return s.fullSync(ctx, k, record)
		}
		if s.necessary(k, record, part) {
			needed = append(needed, part)
		}
	}
	if len(r.parts) == 0 {
		return s.fullSync(ctx, k, record)
	}
	if len(needed) == 0 {
		return nil
	}
	merged := needed[0]
	for _, next := range needed[1:] {
		merged = merged.merge(next)
	}
	if merged.kind == full {
		return s.fullSync(ctx, k, record)
	}
	return s.execute(ctx, k, merged)
}

// necessary says whether a request would change the other side.
func (s *Sync) necessary(k Key, record Record, r request) bool {
	var target *shadowdoc.Document
	switch r.kind {
	case toCloud:
		target = record.base()
	case toLocal:
		target = s.local.Document(k)
	}
	if target == nil {
		return true
	}
	u, err := shadowdoc.ParseUpdate(r.payload)
	return err != nil || u.Changes(target)
}

func now() int64 { return time.Now().Unix() }

// updateCloud sends a change of the device (sync/model/CloudUpdateSyncRequest.java).
func (s *Sync) updateCloud(ctx context.Context, k Key, record Record, r request) error {
	if !s.necessary(k, record, r) {
		record.LocalVersion = r.local.Version
		return s.cfg.Records.Put(k, record)
	}
	update, err := shadowdoc.WithVersion(r.payload, record.CloudVersion)
	if err != nil {
		return err
	}
	version, err := s.sendUpdate(ctx, k, update)
	if err != nil {
		return err
	}
	return s.note(k, r.local, r.local.Version, version)
}

func (s *Sync) sendUpdate(ctx context.Context, k Key, update []byte) (version int64, err error) {
	reply, err := s.cloud.UpdateThingShadow(ctx, k.Thing, k.Shadow, update)
	if err != nil {
		return 0, err
	}
	accepted, err := shadowdoc.ParseDocument(reply)
	if err != nil {
		return 0, err
	}
	return accepted.Version, nil
}

// note records that both sides agree on a document.
func (s *Sync) note(k Key, agreed *shadowdoc.Document, local, cloud int64) error {
	return s.cfg.Records.Put(k, Record{Base: agreed.JSON(), LocalVersion: local, CloudVersion: cloud, Time: now()})
}

// updateLocal makes a change of the cloud (sync/model/LocalUpdateSyncRequest.java).
// Only the next version will do: before it there is nothing new, after it something
// was missed.
func (s *Sync) updateLocal(k Key, record Record, accepted []byte) error {
	change, err := shadowdoc.ParseDocument(accepted)
	if err != nil {
		return err
	}
	if !s.necessary(k, record, request{kind: toLocal, payload: accepted}) {
		if record.CloudVersion < change.Version {
			record.CloudVersion, record.CloudDeleted, record.Time = change.Version, false, now()
			return s.cfg.Records.Put(k, record)
		}
		return nil
	}
	switch {
	case change.Version > record.CloudVersion+1:
		return ErrConflict
	case change.Version <= record.CloudVersion:
		return nil
	}
	update, err := shadowdoc.WithVersion(accepted, 0)
	if err != nil {
		return err
	}
	if update, err = withoutToken(update); err != nil {
		return err
	}
	agreed, err := s.local.Update(k, update)
	if err != nil {
		return err
	}
	return s.note(k, agreed, agreed.Version, change.Version)
}

// withoutToken is an update without client token, which is somebody else's.
func withoutToken(update []byte) ([]byte, error) {
	v, err := shadowdoc.Parse(update)
	if o, ok := v.(*shadowdoc.Object); ok {
		o.Delete("clientToken")
		return shadowdoc.Append(nil, o), nil
	}
	return update, err
}

func (s *Sync) deleteCloud(ctx context.Context, k Key, version int64) error {
	if err := s.cloud.DeleteThingShadow(ctx, k.Thing, k.Shadow); err != nil {
		return err
	}
	return s.noteDeletion(k, version+1, true)
}

// noteDeletion records that both sides have deleted the shadow.
func (s *Sync) noteDeletion(k Key, cloud int64, cloudDeleted bool) error {
	return s.cfg.Records.Put(k, Record{LocalVersion: s.local.Version(k), CloudVersion: cloud, CloudDeleted: cloudDeleted, Time: now()})
}

// obeyDeletion deletes what the cloud has deleted, unless there was more before it
// than we know (sync/model/LocalDeleteSyncRequest.java).
func (s *Sync) obeyDeletion(k Key, record Record, accepted []byte) error {
	deleted, err := shadowdoc.ParseDocument(accepted)
	if err != nil {
		return err
	}
	if deleted.Version < record.CloudVersion {
		return ErrConflict
	}
	if err := s.local.Delete(k); errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return s.noteDeletion(k, deleted.Version+1, true)
}

func (s *Sync) cloudDocument(ctx context.Context, k Key) (*shadowdoc.Document, error) {
	text, err := s.cloud.GetThingShadow(ctx, k.Thing, k.Shadow)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return shadowdoc.ParseDocument(text)
}

// overwriteCloud makes the cloud's shadow that of the device
// (sync/model/OverwriteCloudShadowRequest.java).
func (s *Sync) overwriteCloud(ctx context.Context, k Key, record Record) error {
	local := s.local.Document(k)
	if local == nil {
		return s.deleteCloud(ctx, k, record.CloudVersion)
	}
	if local.Version == record.LocalVersion {
		return nil
	}
	version, err := s.sendUpdate(ctx, k, shadowdoc.UpdateOf(local.State(), 0))
	if err != nil {
		return err
	}
	return s.note(k, local, local.Version, version)
}

// overwriteLocal makes the device's shadow that of the cloud
// (sync/model/OverwriteLocalShadowRequest.java).
func (s *Sync) overwriteLocal(ctx context.Context, k Key, record Record) error {
	cloud, err := s.cloudDocument(ctx, k)
	switch {
	case err != nil:
		return err
	case cloud == nil:
		return s.deleteLocal(k, record)
	case cloud.Version == record.CloudVersion:
		return nil
	}
	after, err := s.local.Update(k, shadowdoc.UpdateOf(cloud.State(), 0))
	if err != nil {
		return err
	}
	return s.note(k, cloud, after.Version, cloud.Version)
}

// deleteLocal deletes what the cloud has not. Without a document there is nothing
// to remember: the cloud's first one must count as new.
func (s *Sync) deleteLocal(k Key, record Record) error {
	if err := s.local.Delete(k); errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return s.noteDeletion(k, record.CloudVersion+1, false)
}

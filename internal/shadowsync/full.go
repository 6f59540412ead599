package shadowsync

import (
	"context"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// fullSync compares both sides with what they last agreed on
// (sync/model/FullShadowSyncRequest.java).
func (s *Sync) fullSync(ctx context.Context, k Key, record Record) error {
	cloud, err := s.cloudDocument(ctx, k)
	if err != nil {
		return err
	}
	local := s.local.Document(k)
	switch {
	case local == nil && cloud == nil:
		record.Base = nil
		return s.cfg.Records.Put(k, record)
	case cloud == nil:
		if !record.outlives(local) {
			return s.deleteLocal(k, record)
		}
		version, err := s.sendUpdate(ctx, k, shadowdoc.UpdateOf(local.State(), 0))
		if err != nil {
			return err
		}
		return s.note(k, local, local.Version, version)
	case local == nil:
		if !record.outlives(cloud) {
			return s.deleteCloud(ctx, k, cloud.Version)
		}
		after, err := s.local.Update(k, shadowdoc.UpdateOf(cloud.State(), 0))
		if err != nil {
			return err
		}
		return s.note(k, cloud, after.Version, cloud.Version)
	}
	return s.mergeBoth(ctx, k, record, local, cloud)
}

// outlives says whether a document that is left on one side only stays: if it was
// never synchronized, or has changed since. By the clocks of both sides, in seconds.
func (r Record) outlives(d *shadowdoc.Document) bool { return r.Time == 0 || d.LastChange() > r.Time }

func (s *Sync) mergeBoth(ctx context.Context, k Key, record Record, local, cloud *shadowdoc.Document) error {
	cloudMoved, localMoved := cloud.Version != record.CloudVersion, local.Version != record.LocalVersion
	if !cloudMoved && !localMoved {
		return nil
	}
	state := shadowdoc.MergeThree(local, cloud, record.base())
	localVersion, cloudVersion := local.Version, cloud.Version
	if cloudMoved {
		after, err := s.local.Update(k, shadowdoc.UpdateOf(state, local.Version))
		if err != nil {
			return err
		}
		localVersion = after.Version
	}
	var err error
	if localMoved {
		if cloudVersion, err = s.sendUpdate(ctx, k, shadowdoc.UpdateOf(state, cloud.Version)); err != nil {
			return err
		}
	}
	// The merged state is what was agreed on, with its nulls, as there.
	agreed, err := shadowdoc.NewDocument(localVersion, state, nil)
	if err != nil {
		return err
	}
	return s.note(k, agreed, localVersion, cloudVersion)
}

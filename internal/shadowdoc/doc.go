// Package shadowdoc is the logic of a device shadow document as the shadow
// manager of Greengrass has it: reading an update, checking it, merging it,
// comparing desired with reported, keeping metadata, composing the messages.
//
// It is pure: no locks, no I/O, no clock, and a [Document] never changes once it
// is made. Its rules are those of aws-greengrass/aws-greengrass-shadow-manager
// 17fb54e, surprises included; those that lose data or answer with an internal
// error can be switched off by [Fixed].
package shadowdoc

package doctor

// Kind is something that can be wrong. TROUBLESHOOTING.md has an entry for each.
type Kind string

// What can be wrong with the component as a process.
const (
	ComponentAway      Kind = "component-away"
	Copies             Kind = "copies"
	EnvironmentMissing Kind = "environment-missing"
	UserUnknown        Kind = "user-unknown"
)

// What can be wrong with chips and lines.
const (
	KernelOld     Kind = "kernel-old"
	ChipNone      Kind = "chip-none"
	ChipFailed    Kind = "chip-failed"
	ChipBlocked   Kind = "chip-blocked"
	ChipGroup     Kind = "chip-group"
	ChipStale     Kind = "chip-stale"
	GroupMissing  Kind = "group-missing"
	UdevMissing   Kind = "udev-missing"
	UdevUnmatched Kind = "udev-unmatched"
	UdevVolatile  Kind = "udev-volatile"
	ChipMissing   Kind = "chip-missing"
	LineMissing   Kind = "line-missing"
	LineAmbiguous Kind = "line-ambiguous"
	LineBusy      Kind = "line-busy"
)

// What can be wrong with the configuration and the work directory.
const (
	ConfigurationFault Kind = "configuration-fault"
	WorkMissing        Kind = "work-missing"
	WorkOwner          Kind = "work-owner"
	DiskFull           Kind = "disk-full"
	DiskLow            Kind = "disk-low"
	DiskReadOnly       Kind = "disk-read-only"
	DiskFailed         Kind = "disk-failed"
	StateUnreadable    Kind = "state-unreadable"
	StateBroken        Kind = "state-broken"
	StateNewer         Kind = "state-newer"
	StateDamaged       Kind = "state-damaged"
	StateAside         Kind = "state-aside"
)

// What can be wrong between the component and the nucleus.
const (
	NucleusOld           Kind = "nucleus-old"
	SocketMissing        Kind = "socket-missing"
	SocketKind           Kind = "socket-kind"
	SocketRefused        Kind = "socket-refused"
	SocketDenied         Kind = "socket-denied"
	NucleusMute          Kind = "nucleus-mute"
	TokenRefused         Kind = "token-refused"
	AccessDenied         Kind = "access-denied"
	AccessMalformed      Kind = "access-malformed"
	ShadowManagerMissing Kind = "shadow-manager-missing"
	ShadowFailed         Kind = "shadow-failed"
	ShadowUnsynced       Kind = "shadow-unsynced"
)

// What can be wrong with the clock.
const (
	ClockUnset    Kind = "clock-unset"
	ClockBehind   Kind = "clock-behind"
	ClockAhead    Kind = "clock-ahead"
	ClockUnsynced Kind = "clock-unsynced"
)

// severity has every kind, and how bad it is.
var severity = map[Kind]Status{
	ComponentAway: Warning, Copies: Fault, EnvironmentMissing: Fault, UserUnknown: Fault,

	KernelOld: Fault, ChipNone: Fault, ChipFailed: Fault, ChipBlocked: Fault, ChipGroup: Fault, ChipStale: Fault,
	GroupMissing: Fault, UdevMissing: Fault, UdevUnmatched: Fault, UdevVolatile: Warning,
	ChipMissing: Fault, LineMissing: Fault, LineAmbiguous: Fault, LineBusy: Fault,

	ConfigurationFault: Fault, WorkMissing: Fault, WorkOwner: Fault, DiskFull: Fault, DiskLow: Warning, DiskReadOnly: Fault,
	DiskFailed: Fault, StateUnreadable: Fault, StateBroken: Fault,
	StateNewer: Fault, StateDamaged: Warning, StateAside: Warning,

	NucleusOld: Fault, SocketMissing: Fault, SocketKind: Fault, SocketRefused: Fault, SocketDenied: Fault, NucleusMute: Fault,
	TokenRefused: Fault, AccessDenied: Fault, AccessMalformed: Fault, ShadowManagerMissing: Fault, ShadowFailed: Fault,
	ShadowUnsynced: Warning, // a shadow may be meant for this device alone

	ClockUnset: Fault, ClockBehind: Fault, ClockAhead: Fault, ClockUnsynced: Warning,
}

package holder

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// send sends a packet, with a descriptor if file is not nil.
func send(conn *net.UnixConn, v any, file *os.File) error {
	packet, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(packet) > maxPacket {
		return fmt.Errorf("packet of %d bytes: at most %d", len(packet), maxPacket)
	}
	if file == nil {
		_, err = conn.Write(packet)
		return err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	closed := raw.Control(func(fd uintptr) {
		_, _, err = conn.WriteMsgUnix(packet, unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(closed, err)
}

// receiver receives packets. Its errors are final.
type receiver struct {
	conn   *net.UnixConn
	buffer []byte
	rights []byte
}

func newReceiver(conn *net.UnixConn) *receiver {
	return &receiver{conn: conn, buffer: make([]byte, maxPacket), rights: make([]byte, unix.CmsgSpace(4))}
}

// receive decodes the next packet. The descriptor that came with it, if any, is
// the caller's. At the end of the stream the error is io.EOF.
func (r *receiver) receive(v any) (*os.File, error) {
	n, rn, flags, _, err := r.conn.ReadMsgUnix(r.buffer, r.rights)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	file, err := descriptor(r.rights[:rn])
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = fmt.Errorf("a packet of more than %d bytes or one descriptor", maxPacket)
	}
	if err == nil {
		err = json.Unmarshal(r.buffer[:n], v)
	}
	if err != nil && file != nil {
		file.Close()
		file = nil
	}
	return file, err
}

// descriptor is the file that came with a packet, nil for none.
func descriptor(rights []byte) (*os.File, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var all []int
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil && !errors.Is(err, syscall.EINVAL) {
			return nil, err
		}
		all = append(all, fds...)
	}
	if len(all) != 1 {
		for _, fd := range all {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("want one descriptor, got %d", len(all))
	}
	return os.NewFile(uintptr(all[0]), "held lines"), nil
}

func duplicate(file *os.File) (*os.File, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	if closed := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	}); closed != nil || err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), cmp.Or(closed, err))
	}
	return os.NewFile(uintptr(fd), file.Name()), nil
}

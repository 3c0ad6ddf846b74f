// SPDX-License-Identifier: Apache-2.0
//
// What a sandbox shows, gives and takes away.
//
//   encapsulate::Options options;
//   options.writable = {"/tmp", "/home/me/src"};
//   options.limits.timeout = absl::Minutes(5);
//
// Everything that isn't named keeps its default: the machine as it is, read
// only, with nothing writable, a network of its own that has only loopback,
// the caller's uid, gid, groups, directory and environment, and no limit but
// one (no core files).
//
// Paths may be relative and may be symbolic links; both are resolved when the
// sandbox is made. Options are plain data: copy them, compare two runs, share
// them between threads while nobody writes.
#ifndef ENCAPSULATE_OPTIONS_H_
#define ENCAPSULATE_OPTIONS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/isolation.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// The network that the sandbox sees.
enum class Network {
  // Its own, with 127.0.0.1 and ::1 up. `localhost` and the host name resolve.
  kLoopback,
  // Its own, with every interface down.
  kNone,
  // The host's, abstract Unix sockets included. Not isolated.
  kHost,
};

// Who the command believes to be. Neither gives it any capability.
enum class Identity {
  // The caller's uid and gid. An ordinary caller's other groups still count
  // for access, but are shown as `nogroup`, and chown to them fails: the
  // kernel maps one gid for an unprivileged user (user_namespaces(7)). Root
  // keeps every id that it has.
  kCaller,
  // uid 0 and gid 0 stand for the caller's, for programs that insist on root.
  kRoot,
};

// Whether the command is the caller's foreground job.
enum class Attachment {
  // Signals are not forwarded and the terminal's ownership isn't touched. The
  // command has a session of its own, without a controlling terminal.
  kDetached,
  // While Process::Wait() runs, TERM, INT, HUP, QUIT, USR1, USR2, ALRM, TSTP
  // and WINCH that reach the calling thread are passed on, the terminal (if
  // the caller owns it) belongs to the command, and stopping the command
  // (Ctrl-Z) stops the caller as well. Where the caller is part of a pipeline
  // or a script, the command gets the terminal when it first asks for it.
  // Without a terminal as descriptor 0, 1 or 2 the command has a session of its
  // own. For command-line tools with a single thread.
  kForeground,
};

// A fresh, empty directory tree in memory.
struct Tmpfs {
  // Of a directory, as seen inside.
  std::string path;
  // In bytes; 0 is the kernel's default, half of the machine's memory.
  uint64_t size = 0;
};

// Limits bind the command and all that it starts. Absent is unlimited, and a
// limit of zero is an error. So large a number that the kernel can't count to
// it is no limit. None is on by default but core_size.
struct Limits {
  // Wall time of the command. Then every process gets SIGTERM, and what is
  // left after `grace` is killed. The caller keeps the time as well: in Wait()
  // or Handle(), it kills a sandbox that is half a second late.
  absl::Duration timeout = absl::InfiniteDuration();
  // Between SIGTERM and SIGKILL, after `timeout`.
  absl::Duration grace = absl::Seconds(5);
  // Of each process, rounded up to seconds: SIGXCPU, a second later SIGKILL.
  absl::optional<absl::Duration> cpu_time;
  // Bytes of address space of each process (RLIMIT_AS). Sanitizers reserve
  // terabytes, so this and they don't go together.
  absl::optional<uint64_t> address_space;
  // Bytes of memory of the whole sandbox. Needs a cgroup (v2 or v1) that the
  // caller may write, see HostCheck; an error where there is none.
  absl::optional<uint64_t> memory;
  // Processes and threads at any one time. By cgroup where the caller may
  // write one, else RLIMIT_NPROC, which counts per sandbox from Linux 5.14 on
  // (per user before) and doesn't bind root: an error then.
  absl::optional<uint64_t> processes;
  // Bytes of each file written (RLIMIT_FSIZE: SIGXFSZ).
  absl::optional<uint64_t> file_size;
  // Descriptors of each process (RLIMIT_NOFILE).
  absl::optional<uint64_t> open_files;
  // Bytes of a core file. With 0, which is kept whatever the command asks for,
  // the program that core_pattern may name isn't started outside either.
  uint64_t core_size = 0;
};

// What it means that the child of Enter() can't be kept from changing the file
// that the caller executes: its mode, its times, its attributes. That takes
// /proc, a kernel with CONFIG_CHECKPOINT_RESTORE, and a program that the caller
// may read. A file that the child couldn't change anyway is never exposed.
enum class ExposedExecutable {
  // An error if the caller is root, who may own what others execute, else as
  // kAllow.
  kRefuseRoot,
  kRefuse,
  // The child runs. Process::exposed_executable() says why.
  kAllow,
};

// What becomes of host files that the caller of Enter() has mapped with
// MAP_SHARED, and of System V memory that it has attached, where the child
// could write to them.
enum class SharedMappings {
  // Files that aren't `writable` become private to the child: it sees what was
  // in them, and what it writes is its own. What can't be had so, System V
  // memory and files that the child's view doesn't have, is an error. Memory
  // without a name (MAP_ANONYMOUS, memfd_create(2), deleted files) stays
  // shared.
  kPrivate,
  // They stay what they are: the child can change them on the host.
  kKeep,
};

// What a sandbox is made of, see the top of this file.
struct Options {
  // What isolates, see isolation.h. A level that the host doesn't grant is an
  // error, and so is any option that the level can't keep.
  //
  // At level landlock (Linux 5.14), `tmpfs` stands for directories that
  // everybody uses: /tmp, /var/tmp and /dev/shm. What others have in them can
  // be read, and stays as it is; what is made in them is removed at the end,
  // see Result::temporary_files. /dev/shm is always one of them. HOME, TMPDIR
  // and TEST_TMPDIR name fresh directories unless they lie in writable trees.
  // With Violations::kOff, calls wait for the caller's Handle() as well. The
  // sandboxes of SandboxPool are never made ahead or used again.
  Isolation isolation = Isolation::kNamespaces;

  // Trees (directories or single files) that stay as they are on the host,
  // with their submounts. Listing one twice, or inside another, is fine.
  // Naming a socket, a FIFO or a device makes it reachable.
  std::vector<std::string> writable;
  // Fresh directories in memory, gone with the sandbox. The place must exist,
  // or lie in another fresh or hidden directory.
  std::vector<Tmpfs> tmpfs;
  // Trees in which writing succeeds and is thrown away (overlayfs, Linux 5.11
  // for ordinary users). Before Linux 6.6, directories of the tree can't be
  // deleted or moved, nor made where something was deleted (EIO). Trees with
  // other mounts in them are refused.
  std::vector<std::string> overlay;
  // Directories that look empty and files that look empty.
  std::vector<std::string> hidden;
  // Trees that are shown, read-only and with their submounts, where a directory
  // above is fresh, hidden or writable. Elsewhere they are seen anyway. Sockets
  // and FIFOs of the host in them stay out of reach.
  std::vector<std::string> shown;

  // The network that the command sees.
  Network network = Network::kLoopback;
  // The ids that it has.
  Identity identity = Identity::kCaller;
  // The uid that stands for the caller's inside, up to 4294967294 (the next one
  // is no id); absent, what `identity` says. Every other one is `nobody` then,
  // for root as well. Gives no capability.
  absl::optional<uid_t> uid;
  // The same for the gid, and `nogroup`.
  absl::optional<gid_t> gid;
  // Whether it gets the caller's signals and terminal.
  Attachment attachment = Attachment::kDetached;

  // Letters, digits, '-', '_' and '.', 64 at most. Empty keeps the host's name.
  std::string hostname;
  // Empty keeps the caller's working directory.
  std::string directory;
  // Environment as NAME=VALUE; absent keeps the caller's. See environment.h.
  absl::optional<std::vector<std::string>> environment;
  // Absent keeps the caller's.
  absl::optional<mode_t> umask;
  // Descriptors that stay open besides 0, 1 and 2. Directories, block devices,
  // and other devices that the command could open anew for writing are refused
  // here and there: they lead to the host. Terminals, /dev/null, zero,
  // full, random and urandom are not, nor is a device that is `writable`.
  std::vector<int> keep_descriptors;
  // Directories to make (mode 0700) in fresh trees before the command starts,
  // a HOME for example.
  std::vector<std::string> make_directories;

  // What it may use.
  Limits limits;

  // Whether attempts to reach out are recorded. See violations.h.
  Violations violations = Violations::kOff;
  // Attempts that are not recorded. Assigning this drops the defaults.
  std::vector<Allowed> allowed = DefaultAllowed();

  // Whether what is read is recorded in Result::inputs. See inputs.h. A sandbox
  // of SandboxPool isn't used again then.
  bool inputs = false;

  // For Enter() and SandboxPool: what a child means that could change the
  // caller's executable.
  ExposedExecutable exposed_executable = ExposedExecutable::kRefuseRoot;
  // For the same: what becomes of the caller's shared memory in the child.
  SharedMappings shared_mappings = SharedMappings::kPrivate;

  // Report in Result what overlays caught.
  bool list_overlay_changes = false;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_OPTIONS_H_

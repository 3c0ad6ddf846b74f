// SPDX-License-Identifier: Apache-2.0
//
// What the tests of sandboxes have in common, beside environment.h.
#ifndef TESTS_SUPPORT_SANDBOX_H_
#define TESTS_SUPPORT_SANDBOX_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "encapsulate/options.h"
#include "encapsulate/result.h"
#include "gtest/gtest.h"
#include "tests/support/environment.h"

namespace encapsulate {

// A directory of the test's own, removed with all that is in it at the end.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(absl::string_view name) const;
  // Make what they name and return its path.
  std::string Directory(absl::string_view name) const;
  std::string File(absl::string_view name, absl::string_view content) const;

 private:
  std::string path_;
};

// The file's content, "<none>" if it can't be read.
std::string ReadAll(const std::string& path);
void WriteAll(const std::string& path, absl::string_view content);

// A command that was run in a sandbox, with what it wrote to descriptor 1.
struct Ran {
  absl::Status status;  // of the sandbox; not OK if the command is lost, too
  Result result;
  std::string output;
};

Ran RunIn(const Options& options, const std::vector<std::string>& command);

// Runs `body` in an entered child, which leaves with its result.
Result RunEntered(const Options& options, const std::function<int()>& body);

// What the probe says inside a sandbox, without the last newline. If it didn't
// exit with 0: how it ended.
std::string Inside(const Options& options,
                   const std::vector<std::string>& arguments);
// The same outside.
std::string Outside(const std::vector<std::string>& arguments);

// Runs the shell script inside.
std::string ShellInside(const Options& options, const std::string& script);

// Options with these trees writable.
Options Writable(const std::vector<std::string>& trees);

// Runs `body`, with its expectations, in a forked process.
void InFork(const std::function<void()>& body);

// Runs `body` in a forked process that has a mount namespace of its own, so
// that `build` can mount whatever a host may have. An ordinary user gets a user
// namespace for it, and no capability is left of that when `body` runs.
void OnHostWith(const std::function<void()>& build,
                const std::function<void()>& body);

// The same in a PID namespace of its own, with a /proc that is mounted with
// `options`.
void OnHostWithProc(const std::string& options,
                    const std::function<void()>& body);

// Runs `start`, at whose end it is killed as it stands, in a forked process,
// and returns when nobody is left that has what that had open.
void LoseCaller(const std::function<void()>& start);

// Mounts, or fails the test.
void Mount(const char* type, const std::string& target, unsigned long flags = 0,
           const std::string& data = "");
void BindMount(const std::string& source, const std::string& target);

// Makes system calls fail with `error` from now on in this process, as a
// container's profile does. With 0 they say that all is well and do nothing.
void RefuseSystemCalls(const std::vector<int>& numbers, int error);

// As on a kernel without them: ENOSYS.
void ForgetSystemCalls(const std::vector<int>& numbers);

// Whether 64-bit programs can make 32-bit calls, and sockets be of AF_INET6.
bool Has32BitCalls();
bool HasIpv6();

// Ends a test that takes them. Nobody can install them: some hypervisors run
// 64-bit code only, whatever the kernel is built with.
#define ONLY_WITH_32_BIT_CALLS()                      \
  if (!Has32BitCalls())                               \
  GTEST_SKIP() << "this kernel has no 32-bit system " \
                  "calls"

// Whether users may have overlays (Linux 5.11).
bool HasOverlays();
// Whether directories can be deleted in them (Linux 6.6).
bool OverlaysLoseDirectories();

// Whether violations have stacks, and the errno that the call got (Linux 5.19).
bool HasStacks();

// As on a kernel where they don't.
void ForgetStacks();

// Of this process: open descriptors; lines of mountinfo; children that are
// alive or zombies.
int CountDescriptors();
int CountMounts();
int CountChildren();

// Listens on a new socket while it lives.
class UnixServer {
 public:
  // A leading '@' stands for an abstract name.
  explicit UnixServer(const std::string& path);
  ~UnixServer();
  UnixServer(const UnixServer&) = delete;
  UnixServer& operator=(const UnixServer&) = delete;

 private:
  int fd_;
};

}  // namespace encapsulate

#endif  // TESTS_SUPPORT_SANDBOX_H_

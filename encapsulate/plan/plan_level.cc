// SPDX-License-Identifier: Apache-2.0

#include <unistd.h>

#include <string>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/isolation.h"
#include "encapsulate/plan/plan_parts.h"

namespace encapsulate {
namespace {

// Directories that everybody uses, and that no program takes for its own.
constexpr const char* kShared[] = {"/tmp", "/var/tmp", "/dev/shm"};

bool IsShared(const std::string& path) {
  const absl::StatusOr<std::string> real = RealPath(path);
  return real.ok() && absl::c_any_of(kShared, [&](const char* shared) {
           const absl::StatusOr<std::string> one = RealPath(shared);
           return one.ok() && *one == *real;
         });
}

}  // namespace

absl::Status CheckLevel(const Options& options, bool enters) {
  const auto cannot = [&](const char* verb, const std::string& object,
                          const char* reason,
                          const char* hint =
                              "leave it out, or use level "
                              "namespaces") {
    return Invalid(
        verb, object,
        absl::StrCat("level ", IsolationName(options.isolation), " ", reason),
        0, hint);
  };
  const Limits& limits = options.limits;
  if (enters && limits.timeout != absl::InfiniteDuration()) {
    return cannot("limit the wall time of a child of Enter()", "",
                  "has nobody who keeps it", "use Process::Kill()");
  }
  if (enters && (limits.memory.has_value() || limits.processes.has_value())) {
    return cannot("limit the memory or the processes of a child of Enter()", "",
                  "has no cgroup for it");
  }
  constexpr char kNoMounts[] = "mounts nothing";
  if (!options.overlay.empty()) {
    return cannot("overlay", options.overlay.front(), kNoMounts);
  }
  if (!options.hidden.empty()) {
    return cannot("hide", options.hidden.front(), kNoMounts);
  }
  if (!options.shown.empty()) {
    return cannot("show", options.shown.front(), kNoMounts);
  }
  if (!options.make_directories.empty()) {
    return cannot("make directory", options.make_directories.front(),
                  kNoMounts);
  }
  if (!options.hostname.empty()) {
    return cannot("set host name", options.hostname, "keeps the host's name");
  }
  if (options.identity == Identity::kRoot && geteuid() != 0) {
    return cannot("show the user as root", "", "keeps the caller's ids");
  }
  if (options.uid.has_value() || options.gid.has_value()) {
    return cannot("show other ids", "", "keeps the caller's ids");
  }
  if (options.isolation == Isolation::kProcess &&
      options.network == Network::kNone) {
    return cannot("take the network away", "", "keeps the host's network");
  }
  if (options.isolation == Isolation::kProcess && options.inputs &&
      options.violations == Violations::kOff) {
    return cannot("record inputs", "", "has nobody who watches",
                  "watch for violations, too, or use level namespaces");
  }
  for (const Tmpfs& tmpfs : options.tmpfs) {
    if (!IsShared(tmpfs.path)) {
      return cannot("mount a tmpfs at", tmpfs.path, kNoMounts,
                    "name /tmp, /var/tmp or /dev/shm, or use level namespaces");
    }
    if (tmpfs.size != 0) {
      return cannot("limit the size of", tmpfs.path, kNoMounts);
    }
  }
  return absl::OkStatus();
}

}  // namespace encapsulate

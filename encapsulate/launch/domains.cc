// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launch/domains.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/kernel/landlock.h"

namespace encapsulate {
namespace {

constexpr uint64_t kOfFile =
    sys::kLandlockWriteFile | sys::kLandlockTruncate | sys::kLandlockIoctlDev;

// What changes files, as far as the ABI has it; reading is for everybody.
uint64_t HandledOfFiles(int abi) {
  uint64_t handled = sys::kLandlockWriteFile | sys::kLandlockRemoveDir |
                     sys::kLandlockRemoveFile | sys::kLandlockMakeChar |
                     sys::kLandlockMakeDir | sys::kLandlockMakeReg |
                     sys::kLandlockMakeSock | sys::kLandlockMakeFifo |
                     sys::kLandlockMakeBlock | sys::kLandlockMakeSym;
  if (abi >= 2) handled |= sys::kLandlockRefer;
  if (abi >= 3) handled |= sys::kLandlockTruncate;
  if (abi >= 5) handled |= sys::kLandlockIoctlDev;
  return handled;
}

class DomainMaker {
 public:
  explicit DomainMaker(Plan* plan) : plan_(*plan) {}

  absl::Status Make(Domains* domains) {
    const int abi = plan_.landlock_abi;
    if (abi >= 6) {
      domains->outer = Ruleset({0, 0, sys::kLandlockSignals});
      if (!domains->outer.valid()) return Failed();
      plan_.outer_domain = domains->outer.get();
    }
    handled_ = {HandledOfFiles(abi), 0, 0};
    if (abi >= 4 && plan_.network == Network::kNone) {
      handled_.network = sys::kLandlockBindTcp | sys::kLandlockConnectTcp;
    }
    if (abi >= 6) handled_.scoped = sys::kLandlockSignals;
    // They belong to the host's network.
    if (abi >= 6 && plan_.network != Network::kHost) {
      handled_.scoped |= sys::kLandlockAbstractSockets;
    }
    domains->inner = Ruleset(handled_);
    if (!domains->inner.valid()) return Failed();
    plan_.inner_domain = domains->inner.get();
    return AddRules();
  }

 private:
  UniqueFd Ruleset(const sys::LandlockHandled& handled) const {
    const UniqueFd made(sys::LandlockCreate(handled, plan_.landlock_abi));
    // Numbers of standard descriptors are the command's.
    return UniqueFd(made.valid() ? fcntl(made.get(), F_DUPFD_CLOEXEC, 3) : -1);
  }

  static absl::Status Failed() {
    const int error = errno;
    const Cause cause = WhyForbidden(error);
    return MakeFailure({FailureKind::kHostRefused, "make a Landlock domain", "",
                        cause.reason, error, cause.hint});
  }

  absl::Status Allow(const std::string& path, uint64_t rights) const {
    const UniqueFd file(open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat info;
    if (!file.valid() || fstat(file.get(), &info) != 0) {
      return MakeFailure({FailureKind::kInvalidOptions,
                          VerbFor(PlaceKind::kWritable), path, "", errno});
    }
    if (!S_ISDIR(info.st_mode)) rights &= kOfFile;
    if (sys::LandlockAllow(plan_.inner_domain, file.get(),
                           rights & handled_.files) == 0 ||
        // Memory with a name (memfd_create(2)), which needs no rule.
        errno == EBADFD) {
      return absl::OkStatus();
    }
    return Failed();
  }

  absl::Status AddRules() const {
    absl::Status status;
    if (plan_.root_writable) status.Update(Allow("/", ~uint64_t{0}));
    for (const Place& place : plan_.places) {
      status.Update(Allow(place.target, ~uint64_t{0}));
    }
    for (const std::string& directory : plan_.shared) {
      status.Update(Allow(directory, sys::kLandlockMakeSock));
    }
    for (const std::string& device : WritableDevices(plan_)) {
      status.Update(
          Allow(device, sys::kLandlockWriteFile | sys::kLandlockIoctlDev));
    }
    // By /dev/stdout they are opened anew.
    for (int fd : plan_.keep_descriptors) {
      struct stat info;
      const int flags = fcntl(fd, F_GETFL);
      if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY &&
          fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        status.Update(Allow(PathThrough(fd), kOfFile));
      }
    }
    return status;
  }

  Plan& plan_;
  sys::LandlockHandled handled_ = {0, 0, 0};
};

}  // namespace

absl::Status MakeDomains(Plan* plan, Domains* domains) {
  return DomainMaker(plan).Make(domains);
}

std::vector<std::string> WritableDevices(const Plan& plan) {
  std::vector<std::string> devices;
  for (const char* name :
       {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts"}) {
    std::string path = absl::StrCat("/dev/", name);
    struct stat info;
    if (lstat(path.c_str(), &info) == 0 && !S_ISLNK(info.st_mode)) {
      devices.push_back(std::move(path));
    }
  }
  for (int fd : plan.keep_descriptors) {
    char terminal[64];
    if (isatty(fd) && ttyname_r(fd, terminal, sizeof(terminal)) == 0) {
      devices.emplace_back(terminal);
    }
  }
  return devices;
}

}  // namespace encapsulate

// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/lookups.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/mountinfo.h"
#include "encapsulate/plan/name_server_address.h"
#include "encapsulate/plan/plan_parts.h"

namespace encapsulate {
namespace {

constexpr uint32_t kMqueueMagic = 0x19800202;  // the kernel's ipc/mqueue.c

// A filesystem that the sandbox mounts over, whatever else is in it.
bool IsFresh(PlaceKind kind) {
  return kind == PlaceKind::kTmpfs || kind == PlaceKind::kHidden ||
         kind == PlaceKind::kDev || kind == PlaceKind::kShm;
}

// /a/./b//../c -> /a/c, without looking at the filesystem.
std::string Normalize(absl::string_view path, const std::string& directory) {
  std::vector<absl::string_view> parts;
  const std::string absolute = absl::StartsWith(path, "/")
                                   ? std::string(path)
                                   : absl::StrCat(directory, "/", path);
  for (absl::string_view part :
       absl::StrSplit(absolute, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  return absl::StrCat("/", absl::StrJoin(parts, "/"));
}

// stat(2), with what tells a file from its successors. False, with errno, if
// there is none.
bool Look(const std::string& path, mode_t* mode, FileIdentity* identity) {
  struct statx info;
  if (statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE | STATX_MODE | kIdentityMask,
            &info) != 0) {
    // Old containers refuse the call itself.
    struct stat known;
    if (errno != EPERM || stat(path.c_str(), &known) != 0) return false;
    *mode = known.st_mode;
    identity->device = known.st_dev;
    identity->inode = known.st_ino;
    return true;
  }
  *mode = info.stx_mode;
  *identity = IdentityOf(info);
  return true;
}

bool IsFilesystem(const std::string& path, uint32_t magic) {
  struct statfs info;
  return statfs(path.c_str(), &info) == 0 &&
         static_cast<uint32_t>(info.f_type) == magic;
}

// The nearest place of `places` (sorted) around `target`; null if none.
const Place* Around(const std::vector<Place>& places,
                    const std::string& target) {
  const Place* nearest = nullptr;
  for (const Place& place : places) {
    if (place.target != target && IsWithin(target, place.target)) {
      if (nearest == nullptr || place.target.size() > nearest->target.size()) {
        nearest = &place;
      }
    }
  }
  return nearest;
}

// Those that the command may make files in, without links.
std::vector<std::string> SharedDirectories(const Options& options) {
  std::vector<std::string> given = {"/dev/shm"};
  for (const Tmpfs& tmpfs : options.tmpfs) given.push_back(tmpfs.path);
  std::vector<std::string> shared;
  for (const std::string& path : given) {
    const absl::StatusOr<std::string> real = RealPath(path);
    if (real.ok() && !absl::c_linear_search(shared, *real)) {
      shared.push_back(*real);
    }
  }
  return shared;
}

class PlacePlanner {
 public:
  PlacePlanner(const Options& options, const std::string& directory, Plan* plan,
               Lookups* seen)
      : options_(options),
        caller_directory_(directory),
        plan_(*plan),
        seen_(*seen) {}

  absl::Status Make() {
    absl::Status status = AddPlaces();
    if (status.ok() && HasNamespaces(plan_)) PlanMasks();
    return status;
  }

 private:
  // Adds one of the caller's places, or says what is wrong with it.
  absl::Status AddGiven(PlaceKind kind, const std::string& given,
                        uint64_t size) {
    Place place;
    place.kind = kind;
    place.given = given;
    place.size = size;
    const auto cannot = [&](std::string reason, int error,
                            std::string hint = "") {
      return Invalid(VerbFor(kind), given, std::move(reason), error,
                     std::move(hint));
    };
    const std::string path = absl::StartsWith(given, "/")
                                 ? given
                                 : absl::StrCat(caller_directory_, "/", given);
    seen_.AddRealPath(path);
    const absl::StatusOr<std::string> real = RealPath(path);
    mode_t mode = 0;
    if (real.ok()) {
      place.target = *real;
      if (!Look(*real, &mode, &place.identity)) return cannot("", errno);
      place.directory = S_ISDIR(mode);
    } else {
      const int error = errno;
      place.target = Normalize(given, caller_directory_);
      if (kind != PlaceKind::kTmpfs || error != ENOENT) {
        return cannot("", error);
      }
    }
    if (IsWithin(place.target, "/proc")) {
      return cannot("/proc is always the sandbox's own", 0);
    }
    if (kind == PlaceKind::kWritable) {
      if (IsFilesystem(place.target, PROC_SUPER_MAGIC)) {
        return cannot("it shows the processes of the host", 0);
      }
      struct statvfs filesystem;
      seen_.AddMount(place.target);
      if (S_ISDIR(mode) || S_ISREG(mode)) {
        if (statvfs(place.target.c_str(), &filesystem) == 0 &&
            (filesystem.f_flag & ST_RDONLY) != 0) {
          return cannot("the host has it read-only", EROFS);
        }
      } else {
        place.devices = true;
      }
      if (IsWithin(place.target, "/dev")) place.devices = true;
    } else if (kind == PlaceKind::kShown && !S_ISDIR(mode) && !S_ISREG(mode)) {
      return cannot("it is neither a directory nor a regular file", 0);
    } else if (kind != PlaceKind::kHidden && kind != PlaceKind::kShown &&
               real.ok() && !place.directory) {
      return cannot("", ENOTDIR);
    }
    if (place.target == "/") {
      if (kind != PlaceKind::kWritable) {
        return cannot("it is the root", 0, "name the directories below it");
      }
      plan_.root_writable = true;
      return absl::OkStatus();
    }
    for (const Place& other : plan_.places) {
      if (other.target != place.target) continue;
      if (other.kind == kind && other.size == size) return absl::OkStatus();
      return cannot(absl::StrCat("it is also asked to ", VerbFor(other.kind),
                                 " ", Quote(other.given)),
                    0);
    }
    if (!real.ok()) missing_.push_back(place.target);
    plan_.places.push_back(std::move(place));
    return absl::OkStatus();
  }

  // An overlay's lower layer is one mount. What others cover in it must not
  // come to light, so the kernel takes none that has mounts of a more
  // privileged namespace in it.
  absl::Status CheckOverlays() {
    std::vector<Place> overlays;
    for (const Place& place : plan_.places) {
      if (place.kind == PlaceKind::kOverlay) overlays.push_back(place);
    }
    if (overlays.empty()) return absl::OkStatus();
    const UniqueFd table(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    int error = table.valid() ? 0 : errno;
    const auto reader = std::make_unique<MountInfoReader>();
    if (table.valid()) {
      reader->Start(table.get());
      MountInfo mount;
      while (reader->Next(&mount)) {
        const Place* around = Around(overlays, mount.point);
        if (around == nullptr) continue;
        return MakeFailure(
            {FailureKind::kHostRefused, VerbFor(around->kind), around->given,
             absl::StrCat(Quote(mount.point),
                          " is mounted in it, and the kernel overlays no tree "
                          "with other mounts in it (EINVAL)"),
             0, "overlay the directories beside that mount"});
      }
      error = reader->error();
    }
    if (error == 0) return absl::OkStatus();
    return MakeFailure(
        {FailureKind::kHostRefused, "read", "/proc/self/mountinfo", "", error});
  }

  bool IsGiven(const std::string& target) const {
    return absl::c_any_of(plan_.places, [&](const Place& place) {
      return place.target == target;
    });
  }

  void AddOwn(PlaceKind kind, const std::string& target,
              const std::string& source = "") {
    if (IsGiven(target)) return;
    Place place;
    place.kind = kind;
    place.target = target;
    place.given = target;
    place.source = source;
    place.directory =
        kind != PlaceKind::kDevice && kind != PlaceKind::kGenerated;
    // Others lie on mounts of the host or in fresh places.
    if (kind == PlaceKind::kGenerated) {
      mode_t mode;
      Look(target, &mode, &place.identity);
    }
    plan_.places.push_back(std::move(place));
  }

  void AddDev() {
    struct stat info;
    seen_.Add("/dev", Lookups::Depth::kContent);
    if (IsGiven("/dev") || stat("/dev", &info) != 0) return;
    AddOwn(PlaceKind::kDev, "/dev");
    plan_.places.back().seal = true;
    for (const char* name :
         {"null", "zero", "full", "random", "urandom", "tty"}) {
      const std::string path = absl::StrCat("/dev/", name);
      seen_.Add(path);
      if (stat(path.c_str(), &info) == 0 && S_ISCHR(info.st_mode)) {
        AddOwn(PlaceKind::kDevice, path, path);
      }
    }
    AddOwn(PlaceKind::kDevPts, "/dev/pts");
    AddOwn(PlaceKind::kShm, "/dev/shm");
    if (IsFilesystem("/dev/mqueue", kMqueueMagic)) {
      AddOwn(PlaceKind::kMqueue, "/dev/mqueue");
    }
    // The caller's terminal belongs to the host's /dev/pts, which isn't in the
    // view; ttyname(3) finds it again under this name.
    for (int fd : {0, 1, 2}) {
      char terminal[PATH_MAX];
      if (isatty(fd) && ttyname_r(fd, terminal, sizeof(terminal)) == 0) {
        AddOwn(PlaceKind::kDevice, "/dev/console", terminal);
        break;
      }
    }
  }

  // /etc/hosts in which localhost and the sandbox's host name resolve, where
  // the host's doesn't do.
  void AddHosts() {
    seen_.AddRealPath("/etc/hosts", Lookups::Depth::kContent);
    if (options_.hostname.empty()) seen_.AddHostName();
    const absl::StatusOr<std::string> path = RealPath("/etc/hosts");
    if (!path.ok() || IsGiven(*path)) return;
    std::string name = options_.hostname;
    if (name.empty()) {
      char buffer[HOST_NAME_MAX + 1] = {};
      if (gethostname(buffer, sizeof(buffer)) == 0) name = buffer;
      if (!absl::c_all_of(name, IsOfHostName)) name.clear();
    }
    std::ifstream file(*path);
    std::string kept;
    bool localhost_4 = false;
    bool localhost_6 = false;
    bool own = false;
    bool foreign = false;
    for (std::string line; std::getline(file, line);) {
      const std::vector<absl::string_view> words =
          absl::StrSplit(absl::string_view(line).substr(0, line.find('#')),
                         absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
      const auto names = [&](absl::string_view wanted) {
        return std::find(words.begin(), words.end(), wanted) != words.end();
      };
      const bool loopback_4 =
          !words.empty() && absl::StartsWith(words[0], "127.");
      const bool loopback_6 = !words.empty() && words[0] == "::1";
      localhost_4 |= loopback_4 && names("localhost");
      localhost_6 |= loopback_6 && names("localhost");
      if (names(name)) {
        own |= loopback_4 || loopback_6;
        foreign |= !loopback_4 && !loopback_6;
      }
      if (!names(name) && !names("localhost")) {
        absl::StrAppend(&kept, line, "\n");
      }
    }
    if (localhost_4 && localhost_6 && (own || name.empty()) && !foreign) {
      return;
    }
    // The first name of a line is the canonical one (`hostname -f`).
    std::string lines =
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
    if (!name.empty()) {
      absl::StrAppend(&lines, "127.0.0.1\t", name, "\n::1\t", name, "\n");
    }
    AddOwn(PlaceKind::kGenerated, *path, absl::StrCat(lines, kept));
  }

  // The host's name servers can't be reached; ours says so at once.
  void AddResolver() {
    plan_.name_server = true;
    // A resolver that finds no configuration asks 127.0.0.1 as well.
    seen_.AddRealPath("/etc/resolv.conf");
    const absl::StatusOr<std::string> path = RealPath("/etc/resolv.conf");
    if (path.ok()) {
      AddOwn(PlaceKind::kGenerated, *path, kNameServerConfiguration);
    }
  }

  absl::Status AddPlaces() {
    absl::Status status;
    for (const std::string& path : options_.writable) {
      status.Update(AddGiven(PlaceKind::kWritable, path, 0));
    }
    if (!HasNamespaces(plan_)) {
      plan_.shared = SharedDirectories(options_);
      absl::c_sort(plan_.places, [](const Place& a, const Place& b) {
        return a.target < b.target;
      });
      return status;
    }
    for (const Tmpfs& tmpfs : options_.tmpfs) {
      status.Update(AddGiven(PlaceKind::kTmpfs, tmpfs.path,
                             std::min(tmpfs.size, kMostBytes)));
    }
    for (const std::string& path : options_.overlay) {
      status.Update(AddGiven(PlaceKind::kOverlay, path, 0));
    }
    for (const std::string& path : options_.hidden) {
      status.Update(AddGiven(PlaceKind::kHidden, path, 0));
    }
    for (const std::string& path : options_.shown) {
      status.Update(AddGiven(PlaceKind::kShown, path, 0));
    }
    status.Update(CheckOverlays());
    if (!status.ok()) return status;

    AddDev();
    AddOwn(PlaceKind::kProc, "/proc");
    const bool sysfs = IsFilesystem("/sys", SYSFS_MAGIC);
    plan_.host_sys = sysfs && options_.network == Network::kHost;
    if (sysfs && !plan_.host_sys) {
      AddOwn(PlaceKind::kSys, "/sys");
      if (IsFilesystem("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC)) {
        AddOwn(PlaceKind::kCgroup, "/sys/fs/cgroup");
      }
    }
    if (options_.network == Network::kLoopback) {
      AddHosts();
      if (options_.violations != Violations::kOff) AddResolver();
    }
    return ArrangePlaces();
  }

  absl::Status ArrangePlaces() {
    std::vector<Place>& places = plan_.places;
    absl::c_sort(places, [](const Place& a, const Place& b) {
      return a.target < b.target;
    });
    for (auto place = places.begin(); place != places.end();) {
      const Place* around = Around(places, place->target);
      const bool inside_writable = around != nullptr
                                       ? around->kind == PlaceKind::kWritable
                                       : plan_.root_writable;
      if (place->kind == PlaceKind::kWritable && inside_writable) {
        place = places.erase(place);
        continue;
      }
      // Seen anyway, read-only.
      if (place->kind == PlaceKind::kShown &&
          (around != nullptr ? around->kind == PlaceKind::kShown
                             : !plan_.root_writable)) {
        place = places.erase(place);
        continue;
      }
      place->make_point = around != nullptr && IsFresh(around->kind);
      if (around != nullptr && around->kind == PlaceKind::kHidden) {
        // It takes a directory of its own to hold what is shown in it.
        places[static_cast<size_t>(around - places.data())].seal = true;
      }
      if (absl::c_linear_search(missing_, place->target) &&
          !place->make_point) {
        return Invalid(VerbFor(place->kind), place->given, "", ENOENT,
                       "make it on the host first");
      }
      if (place->kind == PlaceKind::kOverlay) {
        place->source = OverlayOptions(
            place->target, static_cast<int>(place - places.begin()));
      }
      ++place;
    }
    for (const std::string& path : options_.make_directories) {
      const std::string target = Normalize(path, caller_directory_);
      const Place* around = Around(places, target);
      if (around == nullptr || !IsFresh(around->kind) || around->seal) {
        return Invalid("make directory", path, "it isn't in a fresh tmpfs");
      }
      plan_.make_directories.push_back(target);
    }
    return absl::OkStatus();
  }

  // mount(2)'s option string; the upper directories lie in the stage, which is
  // the current directory then. A place's number stays the same afterwards
  // only because redundant places before it are already gone.
  static std::string OverlayOptions(const std::string& target, int index) {
    return absl::StrCat(
        "lowerdir=",
        absl::StrReplaceAll(target,
                            {{"\\", "\\\\"}, {":", "\\:"}, {",", "\\,"}}),
        ",upperdir=upper", index, ",workdir=work", index, ",userxattr");
  }

  void PlanMasks() {
    plan_.mask_sockets = !plan_.root_writable;
    plan_.unmasked = {"/proc", "/sys", "/dev"};
    for (const Place& place : plan_.places) {
      if (place.kind == PlaceKind::kWritable || IsFresh(place.kind)) {
        plan_.unmasked.push_back(place.target);
      } else if (place.kind == PlaceKind::kShown) {
        plan_.masked.push_back(place.target);
      }
    }
  }

  const Options& options_;
  const std::string& caller_directory_;
  Plan& plan_;
  Lookups& seen_;
  std::vector<std::string> missing_;  // tmpfs targets that don't exist
};

}  // namespace

absl::Status PlanPlaces(const Options& options, const std::string& directory,
                        Plan* plan, Lookups* seen) {
  return PlacePlanner(options, directory, plan, seen).Make();
}

const char* VerbFor(PlaceKind kind) {
  switch (kind) {
    case PlaceKind::kWritable:
      return "make writable";
    case PlaceKind::kTmpfs:
      return "mount a tmpfs at";
    case PlaceKind::kOverlay:
      return "overlay";
    case PlaceKind::kHidden:
      return "hide";
    case PlaceKind::kShown:
      return "show";
    default:
      return "mount a private";
  }
}

}  // namespace encapsulate

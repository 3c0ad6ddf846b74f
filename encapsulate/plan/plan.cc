#include "encapsulate/plan/plan.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/host/exposed_executable.h"
#include "encapsulate/kernel/mountinfo.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/plan/name_server_address.h"
#include "encapsulate/plan/outer_monitor.h"

namespace encapsulate {
namespace {

constexpr uint32_t kMqueueMagic = 0x19800202;  // the kernel's ipc/mqueue.c

// Beyond it the kernel's sums overflow, and a limit turns into another one.
constexpr uint64_t kMostBytes = INT64_MAX;

// What is wrong with the options: a Failure without its kind.
absl::Status Invalid(std::string verb, std::string object, std::string reason,
                     int error = 0, std::string hint = "") {
  return MakeFailure({FailureKind::kInvalidOptions, std::move(verb),
                      std::move(object), std::move(reason), error,
                      std::move(hint)});
}

absl::Status Invalid(std::string sentence) {
  return Invalid("", "", std::move(sentence));
}

bool HasNul(absl::string_view text) {
  return text.find('\0') != absl::string_view::npos;
}

// What a line of /etc/hosts can hold as part of one name.
bool IsOfHostName(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::StrContains("-_.", absl::string_view(&c, 1));
}

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
  if (statx(AT_FDCWD, path.c_str(), 0,
            STATX_TYPE | STATX_MODE | STATX_INO | STATX_BTIME, &info) != 0) {
    // Old containers refuse the call itself.
    struct stat known;
    if (errno != EPERM || stat(path.c_str(), &known) != 0) return false;
    *mode = known.st_mode;
    identity->device = known.st_dev;
    identity->inode = known.st_ino;
    return true;
  }
  *mode = info.stx_mode;
  identity->device = uint64_t{info.stx_dev_major} << 32 | info.stx_dev_minor;
  identity->inode = info.stx_ino;
  if ((info.stx_mask & STATX_BTIME) != 0) {
    identity->born =
        info.stx_btime.tv_sec * 1000000000 + int64_t{info.stx_btime.tv_nsec};
  }
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

class Planner {
 public:
  Planner(const Options& options, const std::vector<std::string>* command,
          Plan* plan)
      : options_(options), command_(command), plan_(*plan) {}

  absl::Status Make() {
    for (absl::Status (Planner::*step)() :
         {&Planner::CheckStrings, &Planner::PlanNamespaces, &Planner::PlanUser,
          &Planner::PlanDirectory, &Planner::PlanPlaces, &Planner::PlanMasks,
          &Planner::PlanDescriptors, &Planner::PlanLimits,
          &Planner::PlanEnvironment, &Planner::PlanCommand,
          &Planner::PlanExecutable}) {
      absl::Status status = (this->*step)();
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CheckStrings() {
    std::vector<std::string> all = options_.writable;
    for (const Tmpfs& tmpfs : options_.tmpfs) all.push_back(tmpfs.path);
    for (const auto* list :
         {&options_.overlay, &options_.hidden, &options_.make_directories}) {
      all.insert(all.end(), list->begin(), list->end());
    }
    for (const std::string& path : all) {
      if (path.empty()) return Invalid("a path is empty");
      if (HasNul(path)) return Invalid(absl::StrCat(Quote(path), " holds NUL"));
    }
    if (HasNul(options_.hostname) || HasNul(options_.directory)) {
      return Invalid("the host name or the directory holds NUL");
    }
    if (options_.hostname.size() > HOST_NAME_MAX) {
      return Invalid("set host name", options_.hostname,
                     absl::StrCat("more than ", HOST_NAME_MAX, " bytes"));
    }
    if (!absl::c_all_of(options_.hostname, IsOfHostName)) {
      return Invalid("set host name", options_.hostname,
                     "it is made of letters, digits, '-', '_' and '.' only");
    }
    return absl::OkStatus();
  }

  absl::Status PlanNamespaces() {
    plan_.namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
                       CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    plan_.network = options_.network;
    if (options_.network != Network::kHost) plan_.namespaces |= CLONE_NEWNET;
    plan_.hostname = options_.hostname;
    plan_.foreground = options_.attachment == Attachment::kForeground;
    plan_.list_overlay_changes = options_.list_overlay_changes;
    plan_.umask = options_.umask;
    return absl::OkStatus();
  }

  // Whether this process may map any id that it has (user_namespaces(7)).
  // CAP_SETFCAP is asked for since Linux 5.12 when uid 0 is mapped.
  static bool MayMapEveryId() {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (syscall(SYS_capget, &header, data) != 0) return false;
    constexpr uint32_t kNeeded =
        1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_SETFCAP;
    return (data[0].effective & kNeeded) == kNeeded;
  }

  // Every id that this process can name, mapped to itself.
  static std::string IdentityMap(const char* path) {
    std::ifstream file(path);
    std::string map;
    uint64_t inside;
    uint64_t outside;
    uint64_t count;
    while (file >> inside >> outside >> count) {
      absl::StrAppend(&map, inside, " ", inside, " ", count, "\n");
    }
    return map;
  }

  // Whether file modes let this process change a cgroup that it is in. Yes, if
  // in doubt: where no cgroup can be seen at its usual place (cgroups(7)).
  static bool MayChangeOwnCgroup() {
    std::ifstream file("/proc/self/cgroup");
    bool writable = false;
    // ID:CONTROLLERS:PATH; version 2 names no controllers.
    for (std::string line; std::getline(file, line);) {
      const std::vector<absl::string_view> parts =
          absl::StrSplit(line, absl::MaxSplits(':', 2));
      if (parts.size() != 3) return true;
      std::vector<absl::string_view> hierarchies = {"", "unified"};
      if (!parts[1].empty()) {
        hierarchies = {absl::StripPrefix(parts[1], "name=")};
      }
      bool seen = false;
      for (absl::string_view hierarchy : hierarchies) {
        const std::string directory =
            absl::StrCat("/sys/fs/cgroup/", hierarchy, parts[2]);
        seen |= access(directory.c_str(), F_OK) == 0;
        writable |=
            access(directory.c_str(), W_OK) == 0 ||
            access(absl::StrCat(directory, "/cgroup.procs").c_str(), W_OK) == 0;
      }
      if (!seen) return true;
    }
    return writable;
  }

  absl::Status PlanUser() {
    const bool as_root = options_.identity == Identity::kRoot && geteuid() != 0;
    if (!as_root && MayMapEveryId()) {
      plan_.uid_map = IdentityMap("/proc/self/uid_map");
      plan_.gid_map = IdentityMap("/proc/self/gid_map");
      plan_.map_from_outside = !plan_.uid_map.empty() && !plan_.gid_map.empty();
      plan_.wait_for_go = plan_.map_from_outside;
    }
    if (!plan_.map_from_outside) {
      plan_.uid_map =
          absl::StrCat(as_root ? 0 : geteuid(), " ", geteuid(), " 1\n");
      plan_.gid_map =
          absl::StrCat(as_root ? 0 : getegid(), " ", getegid(), " 1\n");
    }
    plan_.forbid_cgroups = geteuid() == 0 || MayChangeOwnCgroup();
    // The kernel lets the owner of /proc/sys write settings without any
    // capability, so for root /proc needs protection.
    struct stat info;
    plan_.protect_proc =
        stat("/proc/sys", &info) == 0 && info.st_uid == geteuid();
    return absl::OkStatus();
  }

  absl::Status PlanDirectory() {
    char buffer[PATH_MAX];
    errno = 0;
    if (getcwd(buffer, sizeof(buffer)) != nullptr && buffer[0] == '/') {
      caller_directory_ = buffer;
    } else if (options_.directory.empty() ||
               options_.directory.front() != '/') {
      const bool too_long = errno == ERANGE || errno == ENAMETOOLONG;
      return Invalid(
          "keep the working directory", "",
          too_long ? "its path is too long" : "it has no path any more", 0,
          too_long ? "name another directory with --chdir"
                   : "name a directory that exists with --chdir");
    }
    plan_.directory_given = options_.directory;
    plan_.directory =
        options_.directory.empty() ? caller_directory_
        : absl::StartsWith(options_.directory, "/")
            ? options_.directory
            : absl::StrCat(caller_directory_, "/", options_.directory);
    return absl::OkStatus();
  }

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
      if (S_ISDIR(mode) || S_ISREG(mode)) {
        if (statvfs(place.target.c_str(), &filesystem) == 0 &&
            (filesystem.f_flag & ST_RDONLY) != 0) {
          return cannot("the host has it read-only", EROFS);
        }
      } else {
        place.devices = true;
      }
      if (IsWithin(place.target, "/dev")) place.devices = true;
    } else if (kind != PlaceKind::kHidden && real.ok() && !place.directory) {
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
    if (IsGiven("/dev") || stat("/dev", &info) != 0) return;
    AddOwn(PlaceKind::kDev, "/dev");
    plan_.places.back().seal = true;
    for (const char* name :
         {"null", "zero", "full", "random", "urandom", "tty"}) {
      const std::string path = absl::StrCat("/dev/", name);
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
    const absl::StatusOr<std::string> path = RealPath("/etc/resolv.conf");
    if (path.ok()) {
      AddOwn(PlaceKind::kGenerated, *path, kNameServerConfiguration);
    }
  }

  absl::Status PlanPlaces() {
    absl::Status status;
    for (const std::string& path : options_.writable) {
      status.Update(AddGiven(PlaceKind::kWritable, path, 0));
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

  absl::Status PlanMasks() {
    plan_.mask_sockets = !plan_.root_writable;
    plan_.unmasked = {"/proc", "/sys", "/dev"};
    for (const Place& place : plan_.places) {
      if (place.kind == PlaceKind::kWritable || IsFresh(place.kind)) {
        plan_.unmasked.push_back(place.target);
      }
    }
    return absl::OkStatus();
  }

  // Whether the command could do more with the device than `fd` lets it. Those
  // that every sandbox has are taken from its own /dev, and a terminal is its
  // session's.
  bool IsDoor(int fd, const struct stat& info) const {
    constexpr unsigned kMemory = 1;  // the kernel's drivers/char/mem.c
    const bool everywhere =
        major(info.st_rdev) == kMemory &&
        absl::c_linear_search(
            std::initializer_list<unsigned>{3, 5, 7, 8, 9},  // null to urandom
            minor(info.st_rdev));
    const bool forbidden =
        info.st_uid != geteuid() &&
        faccessat(fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) != 0;
    if (everywhere || forbidden || isatty(fd)) return false;
    const absl::StatusOr<std::string> path =
        RealPath(absl::StrCat("/proc/self/fd/", fd));
    return !path.ok() || absl::c_none_of(plan_.places, [&](const Place& place) {
      return place.kind == PlaceKind::kWritable && place.devices &&
             IsWithin(*path, place.target);
    });
  }

  // Says why `fd` can't be handed to the command, or plans how it will be.
  absl::Status AddDescriptor(int fd, const struct stat& info) {
    const auto cannot = [fd](std::string reason, int error = 0,
                             std::string hint = "") {
      return Invalid(absl::StrCat("pass descriptor ", fd), "",
                     std::move(reason), error, std::move(hint));
    };
    if (S_ISDIR(info.st_mode)) {
      return cannot("it is a directory, a way around the read-only view");
    }
    if (S_ISBLK(info.st_mode)) {
      return cannot("it is a block device", 0, "pass its data by a pipe");
    }
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return cannot("", errno);
    if ((flags & O_PATH) != 0) return cannot("it was opened with O_PATH");
    if (S_ISCHR(info.st_mode) && IsDoor(fd, info)) {
      return cannot(
          "it is a device that could be opened anew by /proc/self/fd, for "
          "more than it is open for now",
          0, "pass its data by a pipe, or make the device writable");
    }
    plan_.keep_descriptors.push_back(fd);
    if (!S_ISREG(info.st_mode) || (flags & O_ACCMODE) != O_RDONLY ||
        info.st_nlink == 0) {
      return absl::OkStatus();
    }
    // Opened for reading, this file could still be changed: by
    // /proc/self/fd/N, fchmod(2), futimens(2).
    char path[PATH_MAX];
    const ssize_t size = readlink(absl::StrCat("/proc/self/fd/", fd).c_str(),
                                  path, sizeof(path));
    if (size <= 0 || static_cast<size_t>(size) >= sizeof(path)) {
      return cannot("its path can't be found");
    }
    Input input;
    input.fd = fd;
    input.path = std::string(path, static_cast<size_t>(size));
    plan_.inputs.push_back(std::move(input));
    return absl::OkStatus();
  }

  // Whether this process is all there is of its job, as far as one can see: a
  // script's sh, or the pager that the output goes to, needs the terminal too.
  static bool IsJobOfItsOwn() {
    if (getpgrp() != getpid()) return false;
    struct stat info;
    return absl::c_none_of(std::initializer_list<int>{0, 1, 2}, [&](int fd) {
      return fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
    });
  }

  absl::Status PlanDescriptors() {
    std::vector<int> wanted = options_.keep_descriptors;
    absl::c_sort(wanted);
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    struct stat info;
    for (int fd : {0, 1, 2}) {
      if (fstat(fd, &info) == 0 && !absl::c_binary_search(wanted, fd)) {
        wanted.push_back(fd);
      }
      if (plan_.terminal < 0 && isatty(fd)) plan_.terminal = fd;
    }
    plan_.shares_session = plan_.foreground && plan_.terminal >= 0;
    if (plan_.shares_session) {
      plan_.owns_terminal =
          tcgetpgrp(plan_.terminal) == getpgrp() && IsJobOfItsOwn();
    }
    absl::c_sort(wanted);
    for (int fd : wanted) {
      if (fstat(fd, &info) != 0) {
        return Invalid(absl::StrCat("keep descriptor ", fd), "", "", errno);
      }
      absl::Status status = AddDescriptor(fd, info);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status PlanLimits() {
    const Limits& limits = options_.limits;
    const auto too_small = [](absl::string_view what) {
      return Invalid(absl::StrCat("limit ", what, " to 0 or less"), "", "", 0,
                     "leave the limit out");
    };
    if (limits.timeout <= absl::ZeroDuration()) return too_small("wall time");
    if (limits.grace < absl::ZeroDuration()) {
      return Invalid("give a negative grace time", "", "");
    }
    // Added to a clock, or counted in nanoseconds by the kernel, so that there
    // has to be room.
    constexpr absl::Duration kLongest = absl::Hours(24 * 365 * 100);
    if (limits.timeout != absl::InfiniteDuration()) {
      plan_.timeout_nanoseconds =
          absl::ToInt64Nanoseconds(std::min(limits.timeout, kLongest));
    }
    plan_.grace_nanoseconds =
        absl::ToInt64Nanoseconds(std::min(limits.grace, kLongest));
    if (limits.core_size != 0) plan_.core_limit = limits.core_size;
    const CoreLimit core =
        plan_.core_limit == kNoCore ? CoreLimit::kFixed : CoreLimit::kFree;
    if (options_.violations != Violations::kOff) {
      plan_.hello = NotePath(HelloNote());
      plan_.watched_outside = SendNote(plan_.hello.c_str()) == 0;
      if (!plan_.watched_outside) {
        plan_.watching_filter = &GetFilter(OpenCalls::kWatch, core);
      }
    }
    plan_.filter = &GetFilter(
        plan_.watched_outside ? OpenCalls::kLeaveToOuter : OpenCalls::kRefuse,
        core);
    if (limits.cpu_time.has_value()) {
      if (*limits.cpu_time <= absl::ZeroDuration()) {
        return too_small("CPU time");
      }
      const uint64_t seconds = static_cast<uint64_t>(absl::ToInt64Seconds(
          absl::Ceil(std::min(*limits.cpu_time, kLongest), absl::Seconds(1))));
      plan_.limits.push_back({RLIMIT_CPU, seconds, seconds + 1});
    }
    struct Simple {
      int resource;
      const absl::optional<uint64_t>& value;
      const char* what;
    };
    for (const Simple& simple : std::initializer_list<Simple>{
             {RLIMIT_AS, limits.address_space, "the address space"},
             {RLIMIT_FSIZE, limits.file_size, "the size of files"},
             {RLIMIT_NOFILE, limits.open_files, "open files"}}) {
      if (!simple.value.has_value()) continue;
      if (*simple.value == 0) return too_small(simple.what);
      const uint64_t most = std::min(*simple.value, kMostBytes);
      plan_.limits.push_back({simple.resource, most, most});
    }
    if (limits.memory.has_value() && *limits.memory == 0) {
      return too_small("memory");
    }
    if (limits.processes.has_value() && *limits.processes == 0) {
      return too_small("processes");
    }
    return absl::OkStatus();
  }

  absl::Status PlanEnvironment() {
    if (!options_.environment.has_value()) {
      for (char** entry = environ; entry != nullptr && *entry != nullptr;
           ++entry) {
        environment_.emplace_back(*entry);
      }
      return absl::OkStatus();
    }
    for (const std::string& entry : *options_.environment) {
      const size_t equals = entry.find('=');
      if (HasNul(entry) || equals == 0 || equals == std::string::npos) {
        return Invalid("set environment variable", entry, "not NAME=VALUE");
      }
    }
    environment_ = *options_.environment;
    return absl::OkStatus();
  }

  void PlanExecutables() {
    const std::string& name = plan_.command;
    if (absl::StrContains(name, "/")) {
      plan_.executables = {name};
      return;
    }
    absl::string_view path = "/bin:/usr/bin";  // execvp(3)'s, without PATH
    for (absl::string_view entry : environment_) {
      if (absl::StartsWith(entry, "PATH=")) path = entry.substr(5);
    }
    for (absl::string_view directory : absl::StrSplit(path, ':')) {
      plan_.executables.push_back(
          absl::StrCat(directory.empty() ? "." : directory, "/", name));
    }
  }

  absl::Status PlanCommand() {
    if (command_ == nullptr) {
      plan_.replace_environment = options_.environment.has_value();
      if (plan_.replace_environment) PlanStrings({});
      return absl::OkStatus();
    }
    if (command_->empty()) return Invalid("there is no command to run");
    for (const std::string& argument : *command_) {
      if (HasNul(argument)) {
        return Invalid(
            absl::StrCat("argument ", Quote(argument), " holds NUL"));
      }
    }
    plan_.command = command_->front();
    if (plan_.command.empty()) {
      return MakeFailure(
          {FailureKind::kCommandNotFound, "run ''", "", "the name is empty"});
    }
    PlanExecutables();
    PlanStrings(*command_);
    return absl::OkStatus();
  }

  // A command is found in the view; a forked child keeps what it has.
  absl::Status PlanExecutable() {
    plan_.private_mappings =
        command_ == nullptr && !plan_.root_writable &&
        options_.shared_mappings == SharedMappings::kPrivate;
    if (command_ != nullptr || plan_.root_writable || !ExecutableIsExposed()) {
      return absl::OkStatus();
    }
    char path[PATH_MAX];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
    if (size <= 0 || static_cast<size_t>(size) >= sizeof(path)) {
      return Invalid("read", "/proc/self/exe", "",
                     size < 0 ? errno : ENAMETOOLONG);
    }
    plan_.executable = std::string(path, static_cast<size_t>(size));
    plan_.must_move =
        options_.exposed_executable == ExposedExecutable::kRefuse ||
        (options_.exposed_executable == ExposedExecutable::kRefuseRoot &&
         geteuid() == 0);
    return absl::OkStatus();
  }

  // What execve(2) takes.
  void PlanStrings(const std::vector<std::string>& command) {
    plan_.strings = command;
    plan_.strings.insert(plan_.strings.end(), environment_.begin(),
                         environment_.end());
    plan_.shell_argv = {"/bin/sh", nullptr};
    for (size_t i = 0; i < plan_.strings.size(); ++i) {
      const char* text = plan_.strings[i].c_str();
      if (i < command.size()) {
        plan_.argv.push_back(text);
        if (i > 0) plan_.shell_argv.push_back(text);
      } else {
        plan_.envp.push_back(text);
      }
    }
    plan_.argv.push_back(nullptr);
    plan_.shell_argv.push_back(nullptr);
    plan_.envp.push_back(nullptr);
  }

  const Options& options_;
  const std::vector<std::string>* const command_;
  Plan& plan_;
  std::string caller_directory_;
  std::vector<std::string> environment_;
  std::vector<std::string> missing_;  // tmpfs targets that don't exist
};

}  // namespace

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
    default:
      return "mount a private";
  }
}

absl::Status MakePlan(const Options& options,
                      const std::vector<std::string>* command, Plan* plan) {
  return Planner(options, command, plan).Make();
}

}  // namespace encapsulate

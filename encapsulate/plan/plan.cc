// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/plan.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/files.h"
#include "encapsulate/base/lookups.h"
#include "encapsulate/host/exposed_executable.h"
#include "encapsulate/kernel/landlock.h"
#include "encapsulate/plan/outer_monitor.h"
#include "encapsulate/plan/plan_parts.h"

namespace encapsulate {
namespace {

bool HasNul(absl::string_view text) {
  return text.find('\0') != absl::string_view::npos;
}

class Planner {
 public:
  Planner(const Options& options, const std::vector<std::string>* command,
          Plan* plan, Lookups* seen)
      : options_(options), command_(command), plan_(*plan), seen_(*seen) {}

  absl::Status Make() {
    for (absl::Status (Planner::*step)() :
         {&Planner::CheckStrings, &Planner::PlanNamespaces, &Planner::PlanUser,
          &Planner::PlanDirectory, &Planner::PlanView, &Planner::PlanLimits,
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
    for (const auto* list : {&options_.overlay, &options_.hidden,
                             &options_.shown, &options_.make_directories}) {
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
    plan_.isolation = options_.isolation;
    plan_.network = options_.network;
    plan_.hostname = options_.hostname;
    plan_.foreground = options_.attachment == Attachment::kForeground;
    plan_.list_overlay_changes = options_.list_overlay_changes;
    plan_.umask = options_.umask;
    if (!HasNamespaces(plan_)) {
      if (options_.isolation == Isolation::kLandlock) {
        plan_.landlock_abi = std::max(sys::LandlockAbi(), 0);
      }
      return CheckLevel(options_, /*enters=*/command_ == nullptr);
    }
    plan_.namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
                       CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    if (options_.network != Network::kHost) plan_.namespaces |= CLONE_NEWNET;
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
  bool MayChangeOwnCgroup() {
    bool is_whole;
    bool writable = false;
    for (const CgroupOfProcess& one :
         ReadCgroups("/proc/self/cgroup", &is_whole)) {
      std::vector<absl::string_view> hierarchies = {"", "unified"};
      if (!one.controllers.empty()) {
        hierarchies = {absl::StripPrefix(one.controllers, "name=")};
      }
      bool seen = false;
      for (absl::string_view hierarchy : hierarchies) {
        const std::string directory =
            absl::StrCat("/sys/fs/cgroup/", hierarchy, one.path);
        const std::string processes = absl::StrCat(directory, "/cgroup.procs");
        seen_.Add(directory, Lookups::Depth::kContent);
        seen_.Add(processes, Lookups::Depth::kContent);
        seen |= access(directory.c_str(), F_OK) == 0;
        writable |= access(directory.c_str(), W_OK) == 0 ||
                    access(processes.c_str(), W_OK) == 0;
      }
      if (!seen) return true;
    }
    return writable || !is_whole;
  }

  absl::Status PlanUser() {
    // The kernel's (uid_t)-1, "unchanged", is nobody's.
    for (const auto& id : {options_.uid, options_.gid}) {
      if (id == std::numeric_limits<uint32_t>::max()) {
        return Invalid(absl::StrCat("show the id ", *id), "", "it is no id");
      }
    }
    if (!HasNamespaces(plan_)) return absl::OkStatus();
    const bool as_root = options_.identity == Identity::kRoot && geteuid() != 0;
    const bool chosen =
        as_root || options_.uid.has_value() || options_.gid.has_value();
    if (!chosen && MayMapEveryId()) {
      plan_.uid_map = IdentityMap("/proc/self/uid_map");
      plan_.gid_map = IdentityMap("/proc/self/gid_map");
      plan_.map_from_outside = !plan_.uid_map.empty() && !plan_.gid_map.empty();
      plan_.wait_for_go = plan_.map_from_outside;
    }
    if (!plan_.map_from_outside) {
      plan_.uid_map =
          absl::StrCat(options_.uid.value_or(as_root ? 0 : geteuid()), " ",
                       geteuid(), " 1\n");
      plan_.gid_map =
          absl::StrCat(options_.gid.value_or(as_root ? 0 : getegid()), " ",
                       getegid(), " 1\n");
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
    seen_.AddDirectory();
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

  absl::Status PlanView() {
    absl::Status status =
        PlanPlaces(options_, caller_directory_, &plan_, &seen_);
    // Devices among the places may be passed on as descriptors.
    if (status.ok()) status = PlanDescriptors(options_, &plan_, &seen_);
    return status;
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
    PlanFilter(core);
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

  void PlanFilter(CoreLimit core) {
    const bool landlock = plan_.isolation == Isolation::kLandlock;
    const Inputs inputs =
        options_.inputs ? Inputs::kRecorded : Inputs::kIgnored;
    bool watches = options_.violations != Violations::kOff || options_.inputs;
    // The supervisor is of no use to a monitor outside.
    if (watches && !landlock) {
      plan_.hello = NotePath(HelloNote());
      plan_.watched_outside = SendNote(plan_.hello.c_str()) >= 0;
      watches = !plan_.watched_outside;
    }
    if (!HasNamespaces(plan_)) {
      // At level landlock nothing else keeps what the supervisor performs from
      // being done, so somebody always watches.
      constexpr int kSignalAbi = 6;
      if (watches || landlock) {
        plan_.watching_filter = &GetFilter(plan_.landlock_abi < kSignalAbi
                                               ? OpenCalls::kSuperviseSignals
                                               : OpenCalls::kSupervise,
                                           core, inputs);
      }
      return;
    }
    if (watches) {
      plan_.watching_filter = &GetFilter(OpenCalls::kWatch, core, inputs);
    }
    plan_.filter = &GetFilter(
        plan_.watched_outside ? OpenCalls::kLeaveToOuter : OpenCalls::kRefuse,
        core);
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
    seen_.Add("/proc/self/exe", Lookups::Depth::kContent);
    seen_.AddMount("/proc/self/exe");
    plan_.private_mappings =
        command_ == nullptr && !plan_.root_writable &&
        plan_.isolation != Isolation::kProcess &&
        options_.shared_mappings == SharedMappings::kPrivate;
    // Nobody changes it but by calls that the supervisor performs.
    if (!HasNamespaces(plan_)) return absl::OkStatus();
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
  Lookups& seen_;
  std::string caller_directory_;
  std::vector<std::string> environment_;
};

}  // namespace

absl::Status MakePlan(const Options& options,
                      const std::vector<std::string>* command, Plan* plan,
                      Lookups* seen) {
  Lookups nobodys(/*notes=*/false);
  return Planner(options, command, plan, seen != nullptr ? seen : &nobodys)
      .Make();
}

}  // namespace encapsulate

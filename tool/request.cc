// SPDX-License-Identifier: Apache-2.0

#include "tool/request.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/environment.h"
#include "encapsulate/host_check.h"
#include "encapsulate/isolation.h"
#include "tool/bazel.h"
#include "tool/flags.h"
#include "tool/shown_trees.h"

namespace encapsulate::tool {
namespace {

// In the fresh /tmp of --hermetic.
constexpr char kHome[] = "home";
constexpr char kTestTemporary[] = "test";

constexpr char kDefaultPath[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// A flag that can't be used as it is given.
absl::Status Wrong(absl::string_view flag, const std::string& value,
                   std::string reason) {
  return MakeFailure({FailureKind::kInvalidOptions,
                      absl::StrCat("use ", flag, "=", Quote(value)), "",
                      std::move(reason)});
}

// Flags that don't go together.
absl::Status Contradiction(std::string verb, std::string reason,
                           std::string hint) {
  return MakeFailure({FailureKind::kInvalidOptions, std::move(verb), "",
                      std::move(reason), 0, std::move(hint)});
}

bool Exists(const char* path) {
  struct stat info;
  return stat(path, &info) == 0;
}

class RequestMaker {
 public:
  explicit RequestMaker(const CommandLine& line) : line_(line) {}

  absl::StatusOr<Options> Make() {
    const absl::Status variations = CheckVariations();
    if (!variations.ok()) return variations;
    options_.isolation = absl::GetFlag(FLAGS_isolation).isolation;
    if (options_.isolation == Isolation::kBest) {
      options_.isolation = StrongestIsolation();
    }
    for (absl::Status (RequestMaker::*step)() :
         {&RequestMaker::SetFilesystem, &RequestMaker::SetEnvironment,
          &RequestMaker::SetIdentity, &RequestMaker::SetDescriptors,
          &RequestMaker::SetViolations}) {
      const absl::Status status = (this->*step)();
      if (!status.ok()) return status;
    }
    SetHermetic();
    SetLimits();
    options_.network = absl::GetFlag(FLAGS_network).network;
    options_.hostname = absl::GetFlag(FLAGS_hostname);
    options_.attachment = Attachment::kForeground;
    return std::move(options_);
  }

 private:
  absl::Status SetFilesystem() {
    options_.writable = line_.trees;
    for (const std::string& tree : absl::GetFlag(FLAGS_writable).values) {
      options_.writable.push_back(tree);
    }
    if (line_.runs_bazel_test) {
      for (const std::string& output : TestOutputs()) {
        options_.writable.push_back(output);
      }
    }
    options_.overlay = absl::GetFlag(FLAGS_overlay).values;
    options_.list_overlay_changes =
        !options_.overlay.empty() &&
        (absl::GetFlag(FLAGS_overlay_changes) ||
         absl::GetFlag(FLAGS_status_fd).number >= 0);
    if (absl::GetFlag(FLAGS_overlay_changes) && options_.overlay.empty()) {
      return Contradiction("list what overlays caught", "there is none",
                           "name one, --overlay=PATH");
    }
    for (const std::string& text : absl::GetFlag(FLAGS_tmpfs).values) {
      Tmpfs tmpfs;
      std::string error;
      if (!ParseTmpfs(text, &tmpfs, &error)) {
        return Wrong("--tmpfs", text, error);
      }
      options_.tmpfs.push_back(tmpfs);
    }
    if (absl::GetFlag(FLAGS_tmp) || absl::GetFlag(FLAGS_hermetic)) {
      for (const char* path : {"/tmp", "/var/tmp"}) {
        if (Exists(path) && !HasTmpfsAt(path)) {
          options_.tmpfs.push_back({path, 0});
        }
      }
    }
    options_.hidden = absl::GetFlag(FLAGS_hide).values;
    options_.shown = absl::GetFlag(FLAGS_show).values;
    options_.directory = absl::GetFlag(FLAGS_chdir);
    return absl::OkStatus();
  }

  // In the fresh /tmp and /var/tmp. Where nothing is mounted, nothing is
  // hidden.
  void ShowWhatIsNeeded() {
    if (!absl::GetFlag(FLAGS_tmp) && !absl::GetFlag(FLAGS_hermetic)) return;
    if (options_.isolation != Isolation::kNamespaces) return;
    for (const std::string& tree :
         TreesToShow({RealPathOrSame("/tmp"), RealPathOrSame("/var/tmp")},
                     line_.command, options_)) {
      options_.shown.push_back(tree);
    }
  }

  // A name for a directory in the fresh /tmp, where nothing is shown.
  std::string Fresh(const std::string& name) const {
    const std::string path = absl::StrCat(RealPathOrSame("/tmp"), "/", name);
    const bool taken =
        absl::c_any_of(options_.shown, [&](const std::string& tree) {
          return IsWithin(path, RealPathOrSame(tree));
        });
    return taken ? Fresh(absl::StrCat(name, "_")) : path;
  }

  // Whether --tmpfs asks for one there, with a size perhaps.
  bool HasTmpfsAt(const char* path) const {
    return absl::c_any_of(options_.tmpfs, [&](const Tmpfs& tmpfs) {
      return RealPathOrSame(tmpfs.path) == RealPathOrSame(path);
    });
  }

  absl::Status SetEnvironment() {
    Environment environment;
    if (!absl::GetFlag(FLAGS_clean_env)) environment = CurrentEnvironment();
    if (absl::GetFlag(FLAGS_default_path)) {
      SetVariable("PATH", kDefaultPath, &environment);
    }
    // The trees that are shown depend on PATH, and directories on the trees.
    options_.environment = environment;
    ShowWhatIsNeeded();
    if (absl::GetFlag(FLAGS_hermetic)) {
      options_.make_directories = {Fresh(kHome), Fresh(kTestTemporary)};
      environment = HermeticEnvironment(
          environment, {options_.make_directories[0], RealPathOrSame("/tmp"),
                        options_.make_directories[1]});
      // Other levels make these directories, where nothing is mounted.
      if (options_.isolation != Isolation::kNamespaces) {
        options_.make_directories.clear();
      }
    }
    for (const std::string& name : absl::GetFlag(FLAGS_unsetenv).values) {
      if (absl::StrContains(name, "=")) {
        return Wrong("--unsetenv", name, "a name holds no '='");
      }
      RemoveVariable(name, &environment);
    }
    for (const std::string& entry : absl::GetFlag(FLAGS_setenv).values) {
      const size_t equals = entry.find('=');
      if (equals == 0 || equals == std::string::npos) {
        return Wrong("--setenv", entry, "not NAME=VALUE");
      }
      SetVariable(entry.substr(0, equals), entry.substr(equals + 1),
                  &environment);
    }
    // Entries without a '=', which the library refuses, come from the caller
    // and mean nothing to anyone.
    environment.erase(std::remove_if(environment.begin(), environment.end(),
                                     [](absl::string_view entry) {
                                       const size_t equals = entry.find('=');
                                       return equals == 0 ||
                                              equals == absl::string_view::npos;
                                     }),
                      environment.end());
    options_.environment = environment;
    return absl::OkStatus();
  }

  absl::Status SetIdentity() {
    const UserChoice user = absl::GetFlag(FLAGS_map_user);
    if (absl::GetFlag(FLAGS_map_root)) {
      if (user.uid.has_value()) {
        return Contradiction("show both root and another user", "",
                             "leave out --map-root or --map-user");
      }
      options_.identity = Identity::kRoot;
    }
    options_.uid = user.uid;
    options_.gid = user.gid;
    return absl::OkStatus();
  }

  absl::Status SetDescriptors() {
    for (const std::string& text : absl::GetFlag(FLAGS_keep_fd).values) {
      Descriptor descriptor;
      std::string error;
      if (!AbslParseFlag(text, &descriptor, &error)) {
        return Wrong("--keep-fd", text, error);
      }
      options_.keep_descriptors.push_back(descriptor.number);
    }
    const int fd = absl::GetFlag(FLAGS_status_fd).number;
    if (fd == -1 || HasStatusDescriptor()) return absl::OkStatus();
    const bool open = fcntl(fd, F_GETFL) >= 0;
    return MakeFailure(
        {FailureKind::kInvalidOptions, absl::StrCat("use --status-fd=", fd), "",
         open ? "it isn't open for writing" : "", open ? 0 : errno});
  }

  absl::Status SetViolations() {
    if (absl::GetFlag(FLAGS_leftovers).fail &&
        absl::GetFlag(FLAGS_quiet_leftovers)) {
      return Contradiction("fail for leftovers without a word", "",
                           "leave out --leftovers=fail or --quiet-leftovers");
    }
    options_.inputs = !absl::GetFlag(FLAGS_inputs).empty();
    options_.violations = absl::GetFlag(FLAGS_violations).violations;
    if (absl::GetFlag(FLAGS_learn).learn) {
      if (options_.violations == Violations::kEnforce) {
        return Contradiction("enforce what is still to be learned", "",
                             "leave out --violations=enforce or --learn");
      }
      options_.violations = Violations::kReport;
    }
    const bool off = options_.violations == Violations::kOff;
    if (off && !absl::GetFlag(FLAGS_report).values.empty()) {
      return Contradiction("write --report", "nobody watches",
                           "add --violations=report");
    }
    const bool baseline = !absl::GetFlag(FLAGS_baseline).empty();
    if (off && baseline) {
      return Contradiction("use --baseline", "nobody watches",
                           "add --violations=enforce");
    }
    if (!baseline && absl::GetFlag(FLAGS_update_baseline)) {
      return Contradiction("use --update-baseline", "no file is given",
                           "add --baseline=FILE");
    }
    for (const std::string& text : absl::GetFlag(FLAGS_allow).values) {
      Allowed allowed;
      std::string error;
      if (!ParseAllowed(text, &allowed, &error)) {
        return Wrong("--allow", text, error);
      }
      options_.allowed.push_back(allowed);
    }
    return absl::OkStatus();
  }

  // Many runs have no one result, and their reports would mix.
  static absl::Status CheckVariations() {
    const bool varies = !absl::GetFlag(FLAGS_vary).empty();
    if (!varies && !absl::GetFlag(FLAGS_vary_compare).values.empty()) {
      return Contradiction("use --vary-compare", "nothing is varied",
                           "add --vary");
    }
    if (!varies) return absl::OkStatus();
    const struct {
      bool given;
      const char* flag;
    } others[] = {
        {!absl::GetFlag(FLAGS_world).empty(), "--world"},
        {absl::GetFlag(FLAGS_learn).learn, "--learn"},
        {!absl::GetFlag(FLAGS_report).values.empty(), "--report"},
        {!absl::GetFlag(FLAGS_baseline).empty(), "--baseline"},
        {!absl::GetFlag(FLAGS_inputs).empty(), "--inputs"},
        {absl::GetFlag(FLAGS_status_fd).number >= 0, "--status-fd"},
        {absl::GetFlag(FLAGS_overlay_changes), "--overlay-changes"},
    };
    for (const auto& other : others) {
      if (!other.given) continue;
      return Contradiction(absl::StrCat("use --vary with ", other.flag), "",
                           absl::StrCat("leave out ", other.flag));
    }
    return absl::OkStatus();
  }

  void SetHermetic() {
    if (absl::GetFlag(FLAGS_hermetic)) options_.umask = 022;
  }

  void SetLimits() {
    Limits& limits = options_.limits;
    const auto timeout = absl::GetFlag(FLAGS_timeout).duration;
    if (timeout.has_value()) limits.timeout = *timeout;
    const auto grace = absl::GetFlag(FLAGS_grace).duration;
    if (grace.has_value()) limits.grace = *grace;
    limits.cpu_time = absl::GetFlag(FLAGS_cpu_time).duration;
    limits.memory = absl::GetFlag(FLAGS_memory).bytes;
    limits.address_space = absl::GetFlag(FLAGS_address_space).bytes;
    limits.processes = absl::GetFlag(FLAGS_processes).number;
    limits.file_size = absl::GetFlag(FLAGS_file_size).bytes;
    limits.open_files = absl::GetFlag(FLAGS_open_files).number;
    const auto core_size = absl::GetFlag(FLAGS_core_size).bytes;
    if (core_size.has_value()) limits.core_size = *core_size;
  }

  const CommandLine& line_;
  Options options_;
};

}  // namespace

absl::StatusOr<Options> MakeOptions(const CommandLine& line) {
  return RequestMaker(line).Make();
}

bool HasStatusDescriptor() {
  const int flags = fcntl(absl::GetFlag(FLAGS_status_fd).number, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && (flags & O_PATH) == 0;
}

}  // namespace encapsulate::tool

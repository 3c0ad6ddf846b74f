// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/view.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/environment.h"

namespace encapsulate {
namespace {

// The path without symbolic links; "" if there is nothing.
std::string RealPathOf(const std::string& path) {
  return RealPath(path).value_or("");
}

// As many as the kernel follows.
constexpr int kMostLinks = 40;

std::string DirectoryOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? ""
                                          : std::string(path.substr(0, slash));
}

// Whether it is this process's.
bool IsEnvironment(const std::vector<std::string>& environment) {
  size_t count = 0;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (count == environment.size() || environment[count] != *entry) {
      return false;
    }
    ++count;
  }
  return count == environment.size();
}

class ViewMaker {
 public:
  ViewMaker(const TestOptions& options, const ViewInputs& inputs, Lookups* seen)
      : asked_(options), inputs_(inputs), seen_(*seen) {}

  absl::StatusOr<View> Make() {
    if (asked_.limits.timeout != absl::InfiniteDuration()) {
      return MakeFailure({FailureKind::kInvalidOptions,
                          "use Limits::timeout for a test", "", "", 0,
                          "use TestOptions::timeout"});
    }
    AddTemporary("/tmp");
    AddTemporary("/var/tmp");
    ChooseScratch();
    view_.writable = {view_.scratch};
    for (const std::string& place : temporary_) {
      if (place != view_.scratch) view_.writable.push_back(place);
    }
    AddOutputs();
    for (const std::string& tree : asked_.writable) AddWritable(tree);
    AddWorkingDirectory();
    SetEnvironment();
    Options& options = view_.options;
    options.isolation = asked_.isolation;
    options.network = asked_.network;
    options.limits = asked_.limits;
    options.shared_mappings = asked_.shared_mappings;
    options.violations = asked_.violations;
    options.allowed = asked_.allowed;
    options.umask = 022;
    options.inputs = inputs_.records_inputs;
    if (inputs_.exposed_executable.has_value()) {
      options.exposed_executable = *inputs_.exposed_executable;
    }
    return std::move(view_);
  }

 private:
  // Whether the test sees what is mounted for it.
  bool HasMounts() const { return asked_.isolation == Isolation::kNamespaces; }

  std::string Real(const std::string& path) {
    seen_.AddRealPath(path);
    return RealPathOf(path);
  }

  bool IsDirectory(const std::string& path) {
    seen_.Add(path);
    struct stat info;
    return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  }

  // What the test needs.
  std::vector<std::string> Needed() const {
    std::vector<std::string> needed = inputs_.data;
    needed.push_back(inputs_.program);
    needed.push_back(inputs_.directory);
    return needed;
  }

  // Whether some of it would be gone if `tree` were empty.
  bool IsNeeded(const std::string& tree) const {
    const std::vector<std::string> needed = Needed();
    return std::any_of(
        needed.begin(), needed.end(),
        [&](const std::string& path) { return IsWithin(path, tree); });
  }

  // The directories in `tree` that it lies in; `tree` if it lies in no one.
  std::set<std::string> NeededDirectories(const std::string& tree) {
    std::set<std::string> directories;
    for (const std::string& path : Needed()) {
      if (!IsWithin(path, tree)) continue;
      std::string directory = path.substr(0, path.find('/', tree.size() + 1));
      if (path == tree || !IsDirectory(directory)) return {tree};
      directories.insert(std::move(directory));
    }
    return directories;
  }

  void AddTemporary(const std::string& path) {
    const std::string real = Real(path);
    if (real.empty() ||
        std::count(temporary_.begin(), temporary_.end(), real) != 0) {
      return;
    }
    temporary_.push_back(real);
    if (!HasMounts()) {
      AddFresh(real);
      return;
    }
    const std::set<std::string> shown = NeededDirectories(real);
    if (shown.count(real) == 0) AddFresh(real);
    view_.options.overlay.insert(view_.options.overlay.end(), shown.begin(),
                                 shown.end());
  }

  bool IsEmpty(const std::string& place) const {
    const std::vector<std::string>& shown = view_.options.overlay;
    return std::none_of(
        shown.begin(), shown.end(),
        [&](const std::string& tree) { return IsWithin(tree, place); });
  }

  void AddFresh(const std::string& path) {
    view_.options.tmpfs.push_back({path, 0});
    fresh_.push_back(path);
  }

  // TEST_TMPDIR keeps its place, and is empty.
  void ChooseScratch() {
    if (!inputs_.kept_scratch.empty()) {
      view_.scratch = Real(inputs_.kept_scratch);
      view_.options.writable.push_back(view_.scratch);
      return;
    }
    // The library makes one in one of them.
    if (!HasMounts()) {
      view_.scratch = fresh_.empty() ? "/dev/shm" : fresh_.front();
      return;
    }
    const std::string given =
        Real(Variable(inputs_.environment, "TEST_TMPDIR"));
    if (given.size() > 1 && IsDirectory(given) && !IsNeeded(given)) {
      view_.scratch = given;
      if (std::count(fresh_.begin(), fresh_.end(), given) == 0) {
        AddFresh(given);
      }
      return;
    }
    const auto empty = std::find_if(
        fresh_.begin(), fresh_.end(),
        [this](const std::string& place) { return IsEmpty(place); });
    view_.scratch = empty != fresh_.end() ? *empty : "/dev/shm";
  }

  void AddWritable(const std::string& tree) {
    view_.options.writable.push_back(tree);
    view_.writable.push_back(tree);
  }

  void AddOutput(const std::string& directory) {
    if (!absl::StartsWith(directory, "/") || IsWithinWritable(directory) ||
        !IsDirectory(directory)) {
      return;
    }
    const std::string real = Real(directory);
    // Nothing in a directory that is the test's own gets out.
    if (std::count(view_.writable.begin(), view_.writable.end(), real) == 0) {
      AddWritable(real);
    }
  }

  // A test before this one may have put a link there.
  bool IsWithinWritable(const std::string& path) const {
    const auto holds = [&](const std::string& tree) {
      return IsWithin(path, tree);
    };
    return std::any_of(view_.options.writable.begin(),
                       view_.options.writable.end(), holds) ||
           std::any_of(asked_.writable.begin(), asked_.writable.end(), holds);
  }

  // Where what outlives a test goes: files for Bazel, coverage, reports of
  // sanitizers.
  void AddOutputs() {
    for (const std::string& output :
         BazelOutputs(inputs_.environment, OutputOf::kTest)) {
      AddOutput(output);
    }
    for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "MSAN_OPTIONS",
                             "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
      const std::string value = Variable(inputs_.environment, name);
      for (absl::string_view option :
           absl::StrSplit(value, absl::ByAnyChar(": \t\n"))) {
        constexpr absl::string_view kLogPath = "log_path=";
        if (!absl::StartsWith(option, kLogPath)) continue;
        AddOutput(DirectoryOf(option.substr(kLogPath.size())));
      }
    }
  }

  // A directory for what the test itself shouldn't find in its scratch.
  std::string NewDirectory(const std::string& name) {
    if (fresh_.empty()) return "";
    // The last one that isn't the scratch, if there is one.
    std::string base = fresh_.front();
    for (const std::string& place : fresh_) {
      if (place != view_.scratch) base = place;
    }
    std::string path = absl::StrCat(base, "/", name);
    view_.options.make_directories.push_back(path);
    return path;
  }

  void AddWorkingDirectory() {
    switch (asked_.working_directory) {
      case WorkingDirectory::kReadOnly:
        break;
      case WorkingDirectory::kOverlay:
        if (!IsWithinOwn(inputs_.directory)) {
          view_.options.overlay.push_back(inputs_.directory);
        }
        view_.writable.push_back(inputs_.directory);
        break;
      case WorkingDirectory::kCopy:
        view_.copy = NewDirectory("directory");
        view_.writable.push_back(view_.copy);
        break;
    }
  }

  bool IsWithinOwn(const std::string& path) const {
    return std::any_of(
        view_.options.overlay.begin(), view_.options.overlay.end(),
        [&](const std::string& tree) { return IsWithin(path, tree); });
  }

  void SetEnvironment() {
    std::string home;
    std::string temporary = view_.scratch;
    if (HasMounts()) {
      home = NewDirectory("home");
      if (home.empty()) home = view_.scratch;
    } else if (inputs_.kept_scratch.empty()) {
      // The library sets HOME and the like to directories of its own, unless
      // they name something that is writable.
      temporary.clear();
    }
    Environment environment =
        HermeticEnvironment(inputs_.environment, {home, temporary, temporary});
    for (absl::string_view entry : asked_.environment) {
      const absl::string_view name = entry.substr(0, entry.find('='));
      if (name.size() == entry.size()) {
        // Left as it is for the core to refuse.
        environment.emplace_back(entry);
      } else {
        SetVariable(name, entry.substr(name.size() + 1), &environment);
      }
    }
    view_.options.environment = std::move(environment);
  }

  const TestOptions& asked_;
  const ViewInputs& inputs_;
  Lookups& seen_;
  View view_;
  std::vector<std::string> temporary_;
  std::vector<std::string> fresh_;
};

}  // namespace

std::string Variable(const std::vector<std::string>& environment,
                     absl::string_view name) {
  for (absl::string_view entry : environment) {
    if (absl::StartsWith(entry, name) && entry.size() > name.size() &&
        entry[name.size()] == '=') {
      return std::string(entry.substr(name.size() + 1));
    }
  }
  return "";
}

std::vector<std::string> LinkedDirectories(const std::string& tree) {
  std::set<std::string> directories;
  std::set<std::string> real;
  std::error_code error;
  for (auto entry = std::filesystem::recursive_directory_iterator(tree, error);
       entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    std::string path = entry->path().string();
    for (int i = 0; i < kMostLinks; ++i) {
      const std::filesystem::path target =
          std::filesystem::read_symlink(path, error);
      if (error) break;
      path = (std::filesystem::path(path).parent_path() / target).string();
      const std::string directory = DirectoryOf(path);
      if (directories.insert(directory).second) {
        real.insert(RealPathOf(directory));
      }
    }
  }
  directories.insert(real.begin(), real.end());
  directories.erase("");
  return {directories.begin(), directories.end()};
}

ViewInputs CurrentViewInputs() {
  ViewInputs inputs;
  inputs.environment = CurrentEnvironment();
  // The files are those that the program was started with.
  static const auto* const data = new std::vector<std::string>(
      LinkedDirectories(Variable(inputs.environment, "TEST_SRCDIR")));
  inputs.data = *data;
  static const auto* const program =
      new std::string(RealPathOf("/proc/self/exe"));
  inputs.program = *program;
  inputs.directory = RealPathOf(".");
  return inputs;
}

absl::StatusOr<View> MakeView(const TestOptions& options,
                              const ViewInputs& inputs, Lookups* seen) {
  Lookups nobodys(/*notes=*/false);
  return ViewMaker(options, inputs, seen != nullptr ? seen : &nobodys).Make();
}

absl::StatusOr<std::shared_ptr<const MadeView>> ViewCache::Get(
    std::shared_ptr<const TestOptions> options,
    absl::optional<ExposedExecutable> exposed_executable, bool records_inputs) {
  if (made_ != nullptr && options_ == options &&
      made_->inputs.exposed_executable == exposed_executable &&
      made_->inputs.records_inputs == records_inputs &&
      IsEnvironment(made_->inputs.environment) && seen_.AreSame()) {
    return made_;
  }
  made_ = nullptr;
  seen_ = Lookups();
  seen_.AddDirectory();
  auto made = std::make_shared<MadeView>();
  made->inputs = CurrentViewInputs();
  made->inputs.exposed_executable = exposed_executable;
  made->inputs.records_inputs = records_inputs;
  absl::StatusOr<View> view = MakeView(*options, made->inputs, &seen_);
  if (!view.ok()) return view.status();
  made->view = *std::move(view);
  options_ = std::move(options);
  made_ = std::move(made);
  return made_;
}

}  // namespace encapsulate

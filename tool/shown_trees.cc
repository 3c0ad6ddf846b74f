// SPDX-License-Identifier: Apache-2.0

#include "tool/shown_trees.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <set>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/environment.h"

namespace encapsulate::tool {
namespace {

std::string Joined(const std::string& directory, absl::string_view path) {
  return absl::StartsWith(path, "/") ? std::string(path)
                                     : absl::StrCat(directory, "/", path);
}

// Where the command starts; empty if that has no path.
std::string WorkingDirectory(const Options& options) {
  char buffer[PATH_MAX];
  const std::string current =
      getcwd(buffer, sizeof(buffer)) != nullptr ? buffer : "";
  return options.directory.empty() ? current
                                   : Joined(current, options.directory);
}

// As execvp(3) finds it; empty if it doesn't.
std::string Program(const std::string& name, const std::string& directory,
                    const Options& options) {
  if (absl::StrContains(name, "/")) return Joined(directory, name);
  const std::string path = VariableOf(*options.environment, "PATH");
  for (absl::string_view part : absl::StrSplit(path, ':')) {
    std::string file =
        absl::StrCat(Joined(directory, part.empty() ? "." : part), "/", name);
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

// Without symbolic links, but for the last name.
std::string Place(const std::string& file) {
  const size_t slash = file.rfind('/');
  if (slash == std::string::npos) return "";
  const absl::StatusOr<std::string> directory =
      RealPath(file.substr(0, slash + 1));
  return directory.ok() ? absl::StrCat(*directory, "/", file.substr(slash + 1))
                        : "";
}

class Trees {
 public:
  Trees(const std::vector<std::string>& fresh, const Options& options)
      : fresh_(fresh) {
    Give(options.writable);
    Give(options.overlay);
    Give(options.hidden);
    Give(options.shown);
    for (const Tmpfs& tmpfs : options.tmpfs) Give({tmpfs.path});
  }

  // `path` has no symbolic links.
  void Add(const std::string& path, bool is_directory) {
    for (const std::string& fresh : fresh_) {
      if (path == fresh || !IsWithin(path, fresh)) continue;
      const std::string tree = path.substr(0, path.find('/', fresh.size() + 1));
      struct stat info;
      if (lstat(tree.c_str(), &info) != 0 || given_.count(tree) != 0) continue;
      // A link in the fresh directory itself leads there, and can't be shown.
      if (S_ISLNK(info.st_mode) || (is_directory && !S_ISDIR(info.st_mode))) {
        continue;
      }
      found_.insert(tree);
    }
  }

  std::vector<std::string> Take() const {
    return {found_.begin(), found_.end()};
  }

 private:
  void Give(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
      const absl::StatusOr<std::string> real = RealPath(path);
      if (real.ok()) given_.insert(*real);
    }
  }

  const std::vector<std::string>& fresh_;
  std::set<std::string> given_;
  std::set<std::string> found_;
};

}  // namespace

std::vector<std::string> TreesToShow(const std::vector<std::string>& fresh,
                                     const std::vector<std::string>& command,
                                     const Options& options) {
  Trees trees(fresh, options);
  const std::string directory = WorkingDirectory(options);
  const absl::StatusOr<std::string> real = RealPath(directory);
  if (real.ok()) trees.Add(*real, /*is_directory=*/true);
  if (!command.empty()) {
    const std::string program = Program(command.front(), directory, options);
    // What a link of that name leads to is needed as well.
    trees.Add(Place(program), /*is_directory=*/false);
    const absl::StatusOr<std::string> file = RealPath(program);
    if (file.ok()) trees.Add(*file, /*is_directory=*/false);
  }
  return trees.Take();
}

}  // namespace encapsulate::tool

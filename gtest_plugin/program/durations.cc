// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/durations.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/base/write_all.h"

namespace encapsulate {
namespace {

mode_t CurrentUmask() {
  const mode_t mask = umask(0);
  umask(mask);
  return mask;
}

// For a few hundred thousand tests.
constexpr size_t kMostBytes = size_t{32} << 20;
constexpr int kMostNames = 100;  // that others may have taken

}  // namespace

absl::Status Durations::Cannot(const char* verb) const {
  return MakeFailure({FailureKind::kHostRefused, verb, path_, "", errno});
}

absl::StatusOr<Durations> Durations::Read(const std::string& path) {
  Durations durations(path);
  // A link of the user's leads on; one that a test puts there later doesn't.
  const std::string place = RealPathOrSame(path);
  const size_t slash = place.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : place.substr(0, slash + 1);
  durations.name_ = place.substr(slash == std::string::npos ? 0 : slash + 1);
  durations.directory_ =
      UniqueFd(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!durations.directory_.valid() && errno == ENOENT) return durations;
  absl::StatusOr<Known> known = durations.ReadFile();
  if (!known.ok()) return known.status();
  durations.known_ = *std::move(known);
  return durations;
}

absl::StatusOr<Durations::Known> Durations::ReadFile() const {
  const auto unusable = [this](absl::string_view why) {
    return MakeFailure({FailureKind::kInvalidOptions,
                        "remember durations of tests in", path_,
                        std::string(why)});
  };
  const UniqueFd file(openat(directory_.get(), name_.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  Known known;
  if (!file.valid()) {
    if (errno == ENOENT) return known;
    if (errno == ELOOP) return unusable("it has become a symbolic link");
    return Cannot("read");
  }
  struct stat info;
  if (fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return unusable("it isn't a regular file");
  }
  std::string text;
  char buffer[16384];
  for (ssize_t size; (size = read(file.get(), buffer, sizeof(buffer))) != 0;) {
    if (size < 0) {
      return Cannot("read");
    }
    text.append(buffer, static_cast<size_t>(size));
    if (text.size() > kMostBytes) return unusable("it is too large");
  }
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const size_t space = line.find(' ');
    absl::Duration duration;
    if (space == std::string::npos || space + 1 == line.size() ||
        !absl::ParseDuration(line.substr(0, space), &duration)) {
      return unusable(
          absl::StrCat("line ", number, " is not like '1.5s SuiteTest.Name'"));
    }
    known[line.substr(space + 1)] = duration;
  }
  return known;
}

absl::Duration Durations::Of(const std::string& test) const {
  const auto found = known_.find(test);
  return found != known_.end() ? found->second : absl::InfiniteDuration();
}

void Durations::Set(const std::string& test, absl::Duration duration) {
  fresh_[test] = absl::Trunc(duration, absl::Microseconds(1));
}

absl::Status Durations::Write() const {
  if (!directory_.valid()) {
    errno = ENOENT;
    return Cannot("write");
  }
  absl::StatusOr<Known> merged = ReadFile();
  if (!merged.ok()) return merged.status();
  std::string text;
  for (const auto& test : fresh_) (*merged)[test.first] = test.second;
  for (const auto& test : *merged) {
    absl::StrAppend(&text, absl::FormatDuration(test.second), " ", test.first,
                    "\n");
  }
  // Whoever reads it meanwhile finds the file of before.
  std::string fresh;
  UniqueFd fd;
  for (int i = 0; i < kMostNames && !fd.valid(); ++i) {
    fresh = absl::StrCat(name_, ".", getpid(), ".", i);
    fd = UniqueFd(openat(directory_.get(), fresh.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.valid() && errno != EEXIST) break;
  }
  if (!fd.valid()) return Cannot("write");
  fchmod(fd.get(), 0666 & ~CurrentUmask());
  if (WriteAll(fd.get(), text) &&
      renameat(directory_.get(), fresh.c_str(), directory_.get(),
               name_.c_str()) == 0) {
    return absl::OkStatus();
  }
  absl::Status status = Cannot("write");
  unlinkat(directory_.get(), fresh.c_str(), 0);
  return status;
}

}  // namespace encapsulate
